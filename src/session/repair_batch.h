// RepairBatch: what nodes lack of some entries of one pool is brought there, for no request. Layer: session. For the
// thread that repairs; one object per batch. See docs/protocol.md, 'Repair'.
//
// At most three waits for all entries together: all nodes of their placements are asked what they have, some for the
// bytes of it, and those that lack the entry's record are given it. The record is the same, and goes
// where there is none, or where the record of the past is that was seen there. So nothing newer is ever replaced, no
// request meets a conflict, and no lock is held meanwhile.
#ifndef CLUSTERED_SESSION_SESSION_REPAIR_BATCH_H_
#define CLUSTERED_SESSION_SESSION_REPAIR_BATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/record/record.h"
#include "src/session/image.h"
#include "src/session/node_memory.h"
#include "src/session/open_scope.h"
#include "src/session/session_address.h"

namespace clustered_session {

class RepairBatch {
 public:
  static constexpr size_t kEntriesMax = 16;       // more at once delay the requests beside it
  static constexpr size_t kBytesMax = 512 << 10;  // of all payloads, but for the last one

  struct Outcome {
    size_t tried = 0;
    size_t left = 0;          // to be tried again soon: a request was faster, or a node has changed its mind
    size_t waiting = 0;       // for a node that does not answer
    uint64_t copies = 0;      // written
    uint64_t tombstones = 0;  // likewise
    // By node: how many entries it is known to lack no longer, or will never take.
    std::vector<int64_t> copies_mended;
    std::vector<int64_t> tombstones_mended;
  };

  // `nodes` by node. All outlive the batch.
  RepairBatch(std::shared_ptr<const SessionContext> context, const std::vector<NodeView>* nodes,
              std::vector<Notice>* notices);

  // The entry, as a walk has found it.
  void Add(const LocalStore::Walked& found);
  bool Full() const { return items_.size() >= kEntriesMax || bytes_ >= kBytesMax; }
  bool empty() const { return items_.empty(); }

  Outcome Run();

 private:
  // What a node of the placement has, compared with the entry.
  enum class Held : uint8_t {
    kUnknown,  // it was not asked, or has not answered
    kNothing,
    kSame,
    kPast,   // what the entry was made from, or something that is not ours
    kOther,  // what the entry does not know
    kNever,  // it takes no such item
  };
  struct Item {
    SessionKey key;
    Entry entry;
    Image image;
    Ancestry known;
    NodeItems nodes;
    std::vector<uint32_t> lacking;  // nodes that were to be mended
    std::string record;             // the entry's, as it is on nodes; empty: it cannot be made
    std::vector<Held> held;         // by place
    std::vector<bool> need_value;   // by place: what it has is to be read
    std::string other;              // of what a node has that ends the entry or follows on it: opened
    bool over = false;              // the entry is past
    bool branch = false;            // a node has what neither was made from the other
    bool of_other_life = false;     // and that is of another life of the ID
    bool too_new = false;           // a node has the record of a later version
  };

  bool tombstone(const Item& item) const { return (item.entry.flags & kEntryTombstone) != 0; }
  TimePoint Deadline() const;
  std::chrono::seconds TimeToLive(const Item& item) const;
  std::string MakeRecord(const Item& item) const;
  void Fly(const std::function<std::vector<size_t>(const Item&)>& places_of,
           const std::function<BatchPart(const Item&, size_t place)>& part_of,
           const std::function<void(Item*, size_t place, NodeReply reply)>& take);
  void Ask(BatchPart::Kind kind);
  void TakeAnswer(Item* item, size_t place, NodeReply reply);
  void Compare(Item* item, size_t place, std::string value);
  bool Trusted(const Item& item) const;
  void Store();
  void StoreLarge();
  void TakeStored(Item* item, size_t place, const NodeReply& reply);
  std::vector<size_t> PlacesToStore(const Item& item) const;
  void Finish(Item* item);
  bool Keep(Item* item);
  void Drop(Item* item);
  void Merge(Item* item);
  void TellEnd(Item* item);
  void KeepEnd(Item* item, const Record& end, std::chrono::seconds ttl);
  void Count(const Item& item);
  void CountAll(const Item& item);
  std::vector<int64_t>& MendedOf(const Item& item) {
    return tombstone(item) ? outcome_.tombstones_mended : outcome_.copies_mended;
  }

  const std::shared_ptr<const SessionContext> kept_context_;
  const SessionContext& context_;
  const std::vector<NodeView>& views_;
  std::vector<Notice>* notices_;
  std::vector<Item> items_;
  size_t bytes_ = 0;
  TimePoint asked_at_;
  Outcome outcome_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REPAIR_BATCH_H_
