// HealthTable: where the workers of a server find what they know together of a node. Layer: cluster. In shared memory,
// zeroed = empty; lock-free; any thread of any worker.
//
// A slot belongs to a key: who asks the node, with which timeouts. So what a caller of short timeouts sees is no
// evidence for one that waits longer. Free slots are taken first, then those that nobody has used for a while: nobody
// can fill the table for others. So a holder compares the slot's key with its own before each use: HealthHandle does.
// Two callers that claim a slot for one key at the same moment may get two: each is then right for those who hold it.
#ifndef CLUSTERED_SESSION_CLUSTER_HEALTH_TABLE_H_
#define CLUSTERED_SESSION_CLUSTER_HEALTH_TABLE_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "src/cluster/health.h"
#include "src/cluster/node_settings.h"

namespace clustered_session {

struct HealthTable {
  static constexpr uint32_t kSlots = 256;
  static constexpr Duration kIdle = std::chrono::seconds(10);  // unused for so long: may be taken by another

  // The slot of `key`; null if all others are in use, and for 0, which is no key. An even number: see HealthKey().
  NodeHealth* Find(uint64_t key, TimePoint now);

  // Slots that were used lately.
  uint32_t InUse(TimePoint now) const;

  NodeHealth slots[kSlots];
};

// One caller's hold of a slot, or of memory of its own while the table has no room. Belongs to one thread.
class HealthHandle {
 public:
  // Of memory that outlives the handle and is nobody else's to take; null: of its own.
  HealthHandle(NodeHealth* health = nullptr);  // NOLINT(google-explicit-constructor)
  HealthHandle(HealthTable* table, uint64_t key, TimePoint now);

  // What is held now. If another one has taken the slot, or none was free, a slot is looked for now and then; what was
  // known is forgotten. Says that it is in use.
  NodeHealth* Use(TimePoint now);

  // What was held at the last Use(). It stays readable; whether it is still ours says holds().
  NodeHealth* get() const { return health_; }
  NodeHealth* operator->() const { return health_; }
  bool holds() const { return !shared() || health_->key.load(std::memory_order_acquire) == key_; }
  // Whether others see what is reported here.
  bool shared() const { return health_ != own_.get(); }

 private:
  HealthTable* table_ = nullptr;
  uint64_t key_ = 0;
  NodeHealth* health_ = nullptr;
  std::unique_ptr<NodeHealth> own_;
  TimePoint look_again_at_{};
};

// Never 0, and even: the lowest bit marks a slot that is being cleared. `who` tells those apart who share nothing else.
uint64_t HealthKey(std::string_view what, const NodeTimeouts& timeouts, std::string_view who = {});

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_HEALTH_TABLE_H_
