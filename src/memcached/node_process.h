// NodeProcess: what a client has learnt of the memcached process behind a node's name: where it was reached, which one
// it is, how large an item it takes, and how it is spoken to. Layer: memcached; for the engines of nodes. Belongs to
// one connection's thread; what others may use goes to the node's health in shared memory.
#ifndef CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_
#define CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/clock.h"
#include "src/cluster/health.h"

namespace clustered_session {

// An item that the first to connect to a node process adds with a random value; its hash is the process's incarnation,
// for all servers. Shorter than any storage key. If the node evicts it, the next one adds another: tokens of before are
// then not used, which costs a round trip and is never wrong.
inline constexpr std::string_view kSentinelKey = "cs:node-incarnation";

uint64_t RandomBits();

// A value for that item.
std::string RandomSentinel();

class NodeProcess {
 public:
  // `health` may be null: then nothing is shared, and no limit is kept. Nor is it once its slot is another node's.
  explicit NodeProcess(NodeHealth* health) : health_(health), key_(health != nullptr ? health->key.load() : 0) {}

  uint32_t incarnation() const { return incarnation_; }  // 0: not known on this connection
  bool known() const { return incarnation_ != 0; }
  void Forget() { incarnation_ = 0; }  // a new connection
  // The value of the sentinel that the node has shown, or null if it has none: then an incarnation of our own.
  void Learn(const std::string* sentinel);

  // Where any worker has reached it last; empty: not known, or not under a name.
  std::string KeptAddress() const;
  void KeepAddress(const std::string& address);

  bool keeps_limit() const { return shared() != nullptr; }
  // The largest item in bytes, 0 if not known.
  uint64_t ItemSizeMax() const;
  // The same, but perhaps of a process that is gone.
  uint64_t LastItemSizeMax() const;
  // 0: asked, and the node does not tell.
  void SetItemSizeMax(uint64_t bytes);

  // When any worker has found its connection forgotten by something on the way.
  TimePoint ForgottenAt() const;
  void SetForgotten(TimePoint now);

  // The process that any worker has seen last, and whether one was found to know no meta commands. 0: none.
  uint32_t LastIncarnation() const;
  uint32_t LastClassic() const;
  void SetClassic(uint32_t incarnation);

 private:
  NodeHealth* shared() const {
    return health_ != nullptr && health_->key.load(std::memory_order_acquire) == key_ ? health_ : nullptr;
  }

  NodeHealth* const health_;
  const uint64_t key_;
  uint32_t incarnation_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_NODE_PROCESS_H_
