// NodeProcess: what a client has learnt of the memcached process behind a node's name: which one it is, how large an
// item it takes, and what follows for a write. Layer: memcached. Belongs to one connection's thread; what others may
// use is kept in the node's health in shared memory.
#ifndef CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_
#define CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/cluster/health.h"
#include "src/cluster/sentinel.h"
#include "src/memcached/node_engine.h"

namespace clustered_session {

uint64_t RandomBits();

// A value for the node's sentinel. Its hash is the process's incarnation, for all servers.
std::string RandomSentinel();

// What comes next of a write: nothing is sent that the node's limit forbids, and a token only to the process that gave
// it.
enum class WriteStep : uint8_t { kAskIncarnation, kAskSizeMax, kTooLarge, kSend };

class NodeProcess {
 public:
  // `health` outlives it; null: nothing is shared, and no limit is asked for.
  explicit NodeProcess(NodeHealth* health)
      : health_(health), key_(health != nullptr ? health->key.load() : 0), asks_limit_(health != nullptr) {}
  // A copy that touches no shared memory, for a thread that may outlive it. Adopt() takes what the copy has learnt.
  NodeProcess(const NodeProcess& other);
  NodeProcess& operator=(const NodeProcess&) = delete;
  void Adopt(const NodeProcess& copy);

  // What all workers know: shared, unless the slot has become another node's.
  NodeHealth& kept() const {
    return health_ != nullptr && health_->key.load(std::memory_order_acquire) == key_ ? *health_ : own_;
  }

  uint32_t incarnation() const { return incarnation_; }  // 0: not known on this connection
  bool known() const { return incarnation_ != 0; }
  void Forget() { incarnation_ = 0; }  // a new connection
  // The value of the sentinel that the node has shown, or null if it has none: then an incarnation of our own.
  void Learn(const std::string* sentinel);
  // Whether it is this process that gave the token.
  bool Gave(const NodeToken& token) const { return token.known() && token.incarnation == incarnation_; }

  WriteStep NextStep(const NodeOperation& write) const;
  // The item_size_max that the node has told, 0 if it does not tell: then it is not asked again.
  void SetItemSizeMax(uint64_t bytes);
  // Whether to ask for it, after a write was refused.
  bool MayBeTooLarge(const NodeOperation& write) const;
  // kTooLarge if the write is larger than the node takes, and `reply` if it is not or nobody knows.
  NodeReply OrTooLarge(const NodeOperation& write, NodeReply reply) const;

 private:
  void Share(uint32_t incarnation);
  // Bytes; 0: not known. Perhaps of a process that is gone, unless this one is known: learning it has cleared that.
  uint64_t ItemSizeMax() const { return kept().item_size_max.load(std::memory_order_acquire); }

  NodeHealth* const health_;
  const uint64_t key_;
  const bool asks_limit_;
  mutable NodeHealth own_{};
  uint32_t incarnation_ = 0;
  bool learnt_ = false;  // from the node's sentinel, by this copy
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_
