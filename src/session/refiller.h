// Refiller: brings back to a node that has lost its memory what no server holds: the other nodes list their keys, and
// what of this belongs to the node goes there. Layer: session. For the thread that repairs; one object per pool and
// thread. See docs/protocol.md, 'Refill'.
//
// One server does it for each node: the one whose note is on it (refill_note.h). The note tells how far it is, so
// another one goes on where that ends. Two that do it at once do no harm.
#ifndef CLUSTERED_SESSION_SESSION_REFILLER_H_
#define CLUSTERED_SESSION_SESSION_REFILLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/cluster/key_listing.h"
#include "src/session/node_memory.h"
#include "src/session/refill_batch.h"
#include "src/session/refill_note.h"

namespace clustered_session {

class Refiller {
 public:
  static constexpr Duration kLookInterval = std::chrono::seconds(1);
  static constexpr Duration kNoteInterval = std::chrono::seconds(2);    // between two notes of how far it is
  static constexpr Duration kOwnerSilent = std::chrono::seconds(10);    // after which another server goes on
  static constexpr Duration kTurn = std::chrono::seconds(10);           // of one list, at most
  static constexpr Duration kListStep = std::chrono::milliseconds(20);  // that are waited for a part of a list
  static constexpr Duration kRetry = std::chrono::seconds(1);           // after a list that was not to be had
  static constexpr int kFailuresMax = 5;                                // one after the other; then a node lists none
  static constexpr size_t kHeldMax = size_t{1} << 17;                   // keys of a list that are held at once

  struct Step {
    TimePoint next;     // when to call again, at the latest
    size_t worked = 0;  // how many sessions' worth of the rate it has used
    RefillBatch::Outcome outcome;
  };

  // Does a bounded part of what is due. `nodes`: by node, as they were seen last.
  Step Run(const SessionContext& context, const std::vector<NodeView>& nodes);

  // Keys that are held at once, for a test of this bound.
  void set_held_max(size_t keys) { held_max_ = keys; }

 private:
  struct Seen {
    NodeToken token;  // of the node's note
    TimePoint at{};   // when it was first seen so
  };
  struct Found {
    RefillKey key;
    uint32_t size = 0;
    friend bool operator<(const Found& a, const Found& b) { return a.key < b.key; }
  };
  // A node that this server fills.
  struct Job {
    uint32_t target = 0;
    uint64_t memory = 0;  // its name
    RefillNote note;
    NodeToken token;  // of the note as this server has written it
    TimePoint note_at{};
    std::optional<uint32_t> source;
    std::unique_ptr<KeyListing> listing;
    NodeToken turn;            // at the source
    std::vector<Found> found;  // a heap while they are listed, then sorted, the last first
    bool more = false;         // the list had more keys than are held
    bool listed = false;
    int failures = 0;
    TimePoint try_at{};
  };

  void Look(const SessionContext& context, const std::vector<NodeView>& nodes);
  void TakeNote(const SessionContext& context, uint32_t node, const NodeReply& reply);
  void Claim(const SessionContext& context, uint32_t node, RefillNote note, const NodeToken& expected);
  bool WriteNote(const SessionContext& context);
  TimePoint Work(const SessionContext& context, const std::vector<NodeView>& nodes, Step* step);
  TimePoint ChooseSource(const SessionContext& context, const std::vector<NodeView>& nodes);
  bool TakeTurn(const SessionContext& context);
  void EndTurn(const SessionContext& context);
  TimePoint List(const SessionContext& context);
  void Keep(const SessionContext& context, std::string_view key, size_t size);
  void EndSource(const SessionContext& context, bool lists);
  void RunBatch(const SessionContext& context, const std::vector<NodeView>& nodes, Step* step);

  size_t held_max_ = kHeldMax;
  TimePoint look_at_{};
  std::vector<Seen> seen_;  // by node
  std::unique_ptr<Job> job_;
  uint32_t turn_ = 0;  // the node that may be the next one's target
};

// Whether a node of the pool is still to be filled, as far as this server knows. REQUIRES: context.shared
bool NeedsRefill(const SessionContext& context, uint32_t node);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REFILLER_H_
