// The table of node health, see health_table.h. Layer: cluster. Any thread of any worker.
#include "src/cluster/health_table.h"

#include <string>

#include "src/base/session_key.h"

namespace clustered_session {
namespace {

constexpr uint64_t kClearing = 1;  // in a slot's key

constexpr Duration kTick = HealthTable::kIdle / 10;  // not each use writes to a line that all workers read
constexpr Duration kLookAgain = std::chrono::seconds(1);

bool Unused(const NodeHealth& slot, TimePoint now, Duration time) {
  return ToNanos(now) - slot.used_at_ns.load(std::memory_order_acquire) >= std::chrono::nanoseconds(time).count();
}
bool Idle(const NodeHealth& slot, TimePoint now) { return Unused(slot, now, HealthTable::kIdle); }

void Clear(NodeHealth* slot, uint64_t key, TimePoint now) {
  slot->used_at_ns.store(ToNanos(now), std::memory_order_release);
  for (Suspicion* suspicion : {&slot->answers, &slot->connects}) {
    suspicion->tried_at_ns.store(0, std::memory_order_relaxed);
    suspicion->evidence.store(0, std::memory_order_relaxed);
  }
  slot->changed_at_ns.store(0, std::memory_order_relaxed);
  slot->answered_at_ns.store(0, std::memory_order_relaxed);
  slot->failures.store(0, std::memory_order_relaxed);
  slot->operations.store(0, std::memory_order_relaxed);
  slot->item_size_max.store(0, std::memory_order_relaxed);
  slot->incarnation.store(0, std::memory_order_relaxed);
  slot->classic.store(0, std::memory_order_relaxed);
  slot->forgotten_at_ns.store(0, std::memory_order_relaxed);
  for (std::atomic<uint64_t>& half : slot->address) half.store(0, std::memory_order_relaxed);
  slot->address_sum.store(0, std::memory_order_relaxed);
  slot->time.Clear();
  for (std::atomic<uint32_t>& failed : slot->failed_by) failed.store(0, std::memory_order_relaxed);
  slot->key.store(key, std::memory_order_release);
}

}  // namespace

NodeHealth* HealthTable::Find(uint64_t key, TimePoint now) {
  if (key == 0) return nullptr;
  for (;;) {
    NodeHealth* best = nullptr;  // a free slot, or else the one that was used longest ago
    uint64_t best_key = 0;
    for (uint32_t i = 0; i < kSlots; ++i) {
      NodeHealth* slot = &slots[(key / 2 + i) % kSlots];
      const uint64_t held = slot->key.load(std::memory_order_acquire);
      if ((held & ~kClearing) == key) {
        if (held != key) Clear(slot, key, now);  // who claimed it may have died over it; all write the same
        return slot;
      }
      if (best != nullptr && best_key == 0) continue;
      const bool longer = best == nullptr || held == 0 || slot->used_at_ns.load() < best->used_at_ns.load();
      if (!longer || (held != 0 && !Idle(*slot, now))) continue;
      best = slot;
      best_key = held;
    }
    if (best == nullptr) return nullptr;
    if (best->key.compare_exchange_strong(best_key, key | kClearing, std::memory_order_acq_rel)) {
      Clear(best, key, now);
      return best;
    }
    // Another worker was faster: perhaps for the same key.
  }
}

uint32_t HealthTable::InUse(TimePoint now) const {
  uint32_t used = 0;
  for (const NodeHealth& slot : slots)
    used += slot.key.load(std::memory_order_relaxed) != 0 && !Idle(slot, now) ? 1 : 0;
  return used;
}

HealthHandle::HealthHandle(NodeHealth* health) : health_(health) {
  if (health_ != nullptr) {
    key_ = health_->key.load(std::memory_order_acquire);
    return;
  }
  own_ = std::make_unique<NodeHealth>();
  health_ = own_.get();
}

HealthHandle::HealthHandle(HealthTable* table, uint64_t key, TimePoint now) : table_(table), key_(key) { Use(now); }

NodeHealth* HealthHandle::Use(TimePoint now) {
  if (table_ == nullptr) return health_;
  if (health_ == nullptr || !shared() || !holds()) {
    NodeHealth* slot = nullptr;
    if (now >= look_again_at_) {
      look_again_at_ = now + kLookAgain;
      slot = table_->Find(key_, now);
    }
    if (slot == nullptr && own_ == nullptr) own_ = std::make_unique<NodeHealth>();
    health_ = slot != nullptr ? slot : own_.get();
  }
  if (shared() && Unused(*health_, now, kTick)) health_->used_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  return health_;
}

uint64_t HealthKey(std::string_view what, const NodeTimeouts& timeouts, std::string_view who) {
  const int64_t times[] = {std::chrono::nanoseconds(timeouts.connect).count(),
                           std::chrono::nanoseconds(timeouts.operation).count()};
  std::string text(reinterpret_cast<const char*>(times), sizeof times);
  text += who;
  const uint64_t hash = Hash128({}, what, text).Hash64() & ~kClearing;
  return hash != 0 ? hash : 2;
}

}  // namespace clustered_session
