// Replicator: writes one record to its nodes until they agree, resolving what other writers put there. Layer: session.
// One object per write; belongs to the request. Every write is conditional, all nodes of an attempt are written at
// once, and each answer shows what the node holds, so an uncontended write is one wait and each contention costs one
// more.
#ifndef CLUSTERED_SESSION_SESSION_REPLICATOR_H_
#define CLUSTERED_SESSION_SESSION_REPLICATOR_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/record/record.h"
#include "src/session/context.h"
#include "src/session/session_address.h"

namespace clustered_session {

// Which sessions that a tombstone meets go on.
enum class Stands : uint8_t {
  kNothing,       // its writer has read nothing, and ends whatever there is
  kStartedSince,  // those that were started in view of the end of what its writer has read
  kUnnamed,       // it is told again: those of a life that it does not name
};

// What a write starts from.
struct WriteBase {
  Dot dot;                   // of what was read; none = nothing
  std::string_view payload;  // as it was read: the base of a merge
  uint64_t since = 0;        // Image::since()
  Stands stands = Stands::kStartedSince;
};

struct WriteOutcome {
  uint32_t acks = 0;              // nodes that hold the final bytes
  std::vector<uint32_t> holders;  // these
  bool on_first = false;          // so do the first `copies` nodes of the placement
  bool superseded = false;        // a tombstone has met a session that was started since: nothing to destroy any more
  bool destroyed = false;         // the session was destroyed meanwhile: nothing of this write stands
  bool too_large = false;         // refused for its size, by `size_max_node`
  bool unsure = false;            // a node that has not answered may hold it
  std::optional<ErrorCode> unreadable;  // a node holds a record that only other servers can read; why
  bool ownership_lost = false;          // another server took the session over since it was read
  uint64_t version = 0;                 // of the final record
  uint64_t epoch = 0;
  Ancestry ancestry;             // fingerprint 0: no node holds exactly this
  bool payload_changed = false;  // a merge or rule made `payload`; else the caller's stands
  std::string payload;
  uint64_t size_max = 0;  // bytes, with too_large
  std::string size_max_node;
};

class Replicator {
 public:
  // Updates the tokens of *items. All outlive the object.
  Replicator(const SessionContext& context, NodeItems* items, std::vector<Notice>* notices)
      : context_(context), items_(items), notices_(notices) {}

  // Writes to the first `copies` nodes of the placement that work. Bounded by attempts and by `deadline`, which is put
  // off once, by operation_timeout, if a node that hung has used it up while another one held something else.
  // What other writers put there meanwhile is resolved.
  WriteOutcome Write(const Record& record, const WriteBase& base, uint32_t copies, TimePoint deadline);

  // Write() in two parts, for who sends what goes out first together with that of other sessions.
  struct Flight {
    std::vector<NodeSet::WriteTarget> targets;  // none: there is nothing to send
    std::string bytes;
    std::chrono::seconds ttl{};
    uint32_t mark = 0;
  };
  Flight Begin(const Record& record, const WriteBase& base, uint32_t copies);
  // `replies`: to the flight, in the order of its targets, as parts of a batch. It is empty if nothing was sent.
  WriteOutcome Continue(Flight flight, std::vector<NodeReply> replies, uint32_t copies, TimePoint deadline);

 private:
  enum class NodeState : uint8_t { kOpen, kHolds, kFailed, kTooSmall };

  std::vector<NodeSet::WriteTarget> ChooseTargets(uint32_t copies) const;
  bool AskFailingNodes(TimePoint deadline) const;
  bool WorthMoreTime(const std::vector<NodeSet::WriteTarget>& targets) const;
  void HandleReply(uint32_t node, NodeReply reply);
  void HandleConflict(uint32_t node, NodeReply reply);
  bool ResolveContests();
  bool TakeInMet();
  bool AbsorbMet();
  void TakeIn(const Record& theirs);
  void MergeWith(const Record& theirs);
  void Retract(TimePoint deadline);
  void RemoveLeftovers(uint32_t copies, TimePoint deadline);
  void RemoveFromTooSmall(TimePoint deadline);
  void RemoveFrom(uint32_t node, TimePoint deadline);
  uint32_t MarkOf(const Record& record) const { return context_.codec.MarkOf(record.ancestry.fingerprint); }

  const SessionContext& context_;
  NodeItems* items_;
  std::vector<Notice>* notices_;

  Record record_;  // what is being written; its payload views into the caller's or outcome_.payload
  WriteBase base_;
  std::string base_payload_;  // keeps base_.payload after a merge
  std::vector<NodeState> states_;
  WriteOutcome outcome_;
  // The records met in this attempt that know more than this write; each with the bytes its payload views into.
  struct Contest {
    Record record;
    std::string bytes;
    std::vector<uint32_t> nodes;  // that have shown it
  };
  std::vector<Contest> contests_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REPLICATOR_H_
