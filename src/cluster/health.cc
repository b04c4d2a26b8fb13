// Node health: see health.h for the states. Layer: cluster. Pure; any thread of any worker.
#include "src/cluster/health.h"

namespace clustered_session {

HealthDecision DecideHealth(NodeHealth* health, TimePoint now, Duration retry_interval) {
  if (health->open.load(std::memory_order_acquire) != 0) {
    int64_t due = health->retry_at_ns.load(std::memory_order_acquire);
    if (ToNanos(now) < due) return HealthDecision::kSkip;
    // Whoever moves the due time is the prober; should it die, the next one is due an interval later.
    if (!health->retry_at_ns.compare_exchange_strong(due, ToNanos(now + retry_interval), std::memory_order_acq_rel)) {
      return HealthDecision::kSkip;
    }
    return HealthDecision::kProbe;
  }
  return HealthDecision::kAsk;
}

bool ReportSuccess(NodeHealth* health, TimePoint now) {
  if (health->open.load(std::memory_order_acquire) == 0) return false;  // the usual case writes no shared cache line
  if (health->open.exchange(0, std::memory_order_acq_rel) == 0) return false;
  health->changed_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  return true;
}

bool ReportFailure(NodeHealth* health, TimePoint now, Duration retry_interval) {
  health->failures.fetch_add(1, std::memory_order_relaxed);
  // The due time first: nobody may see the node open with a due time of the past and probe at once. It only moves
  // forward, so that a late report of a worker that waited long does not bring a probe forward.
  const int64_t next = ToNanos(now + retry_interval);
  int64_t due = health->retry_at_ns.load(std::memory_order_relaxed);
  while (due < next && !health->retry_at_ns.compare_exchange_weak(due, next, std::memory_order_release)) {
  }
  if (health->open.exchange(1, std::memory_order_acq_rel) != 0) return false;
  health->changed_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  return true;
}

NodeHealth* FindHealthSlot(NodeHealth* slots, uint32_t slot_count, uint32_t node_hash) {
  if (node_hash == 0) return nullptr;
  for (uint32_t i = 0; i < slot_count; ++i) {
    NodeHealth* slot = &slots[(node_hash % slot_count + i) % slot_count];
    uint32_t held = slot->node_hash.load(std::memory_order_acquire);
    if (held == 0 && slot->node_hash.compare_exchange_strong(held, node_hash, std::memory_order_acq_rel)) return slot;
    if (held == node_hash) return slot;  // also when another worker claimed it for the same node just now
  }
  return nullptr;
}

}  // namespace clustered_session
