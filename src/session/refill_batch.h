// RefillBatch: sessions that one node holds, and no server has to hold, are brought to another node of their placement
// that has lost them. Layer: session. For the thread that repairs; one object per batch. See docs/protocol.md,
// 'Refill'.
//
// At most five waits for all of them together. The record goes as it is to where there is nothing, or where what is
// there is part of its past. Each write is conditional on what was seen there. No lock is held.
#ifndef CLUSTERED_SESSION_SESSION_REFILL_BATCH_H_
#define CLUSTERED_SESSION_SESSION_REFILL_BATCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/record/record.h"
#include "src/session/node_memory.h"
#include "src/session/session_address.h"

namespace clustered_session {

class RefillBatch {
 public:
  static constexpr size_t kKeysMax = 16;          // see RepairBatch::kEntriesMax
  static constexpr size_t kBytesMax = 512 << 10;  // of all items, but for the last one

  struct Outcome {
    size_t read = 0;          // records that were looked into
    uint64_t copies = 0;      // written
    uint64_t tombstones = 0;  // likewise
    bool source_failed = false;
    bool target_failed = false;
  };

  // From the node `source` to the node `target`. `nodes`: by node. All outlive the batch.
  RefillBatch(const SessionContext& context, const std::vector<NodeView>& nodes, uint32_t source, uint32_t target)
      : context_(context), views_(nodes), source_(source), target_(target) {}

  // REQUIRES: at most kKeysMax
  Outcome Run(const std::vector<SessionKey>& keys);

 private:
  // A record as a node has shown it.
  struct Shown {
    std::string bytes;
    Ancestry ancestry;
    uint32_t home_node = 0;
    std::chrono::seconds ttl{};
  };
  struct Item {
    std::string key;
    SessionKey session;
    bool over = false;  // nothing is to be written, or by others
    uint32_t source_mark = 0;
    NodeToken at_target;           // of what the target holds, if it does
    std::optional<Shown> holds;    // what that is; none: nothing, or nothing of ours
    Shown record;                  // to be written
    std::vector<uint32_t> others;  // nodes of the placement beside source and target
    std::vector<bool> to_read;     // by node: it holds something else
  };
  using Nodes = std::vector<uint32_t>;
  using NodesOf = std::function<Nodes(const Item&)>;
  using Take = std::function<void(Item*, uint32_t node, NodeReply* reply)>;

  void Fly(BatchPart::Kind kind, const NodesOf& nodes_of, const Take& take);
  void Look();
  void ReadSource();
  bool Place(Item* item) const;
  void LookAtOthers();
  void ReadOthers();
  std::optional<Shown> Open(const Item& item, NodeReply* reply, bool* unreadable) const;
  void Judge(Item* item) const;
  void Store();
  void StoreLarge();
  void TakeStored(Item* item, const NodeReply& reply);
  uint32_t MarkOf(const Item& item) const { return context_.codec.MarkOf(item.record.ancestry.fingerprint); }

  const SessionContext& context_;
  const std::vector<NodeView>& views_;
  const uint32_t source_;
  const uint32_t target_;
  std::vector<Item> items_;
  Outcome outcome_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REFILL_BATCH_H_
