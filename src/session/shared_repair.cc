// What a server knows of its nodes' memories, see shared_repair.h. Layer: session.
#include "src/session/shared_repair.h"

#include <algorithm>
#include <iterator>

#include "src/session/pool_view.h"

namespace clustered_session {
namespace {

uint64_t KeyOf(uint64_t pool_hash, uint32_t node_hash) {
  const uint64_t mixed = (pool_hash ^ (uint64_t{node_hash} << 20)) * 0x9e3779b97f4a7c15u;
  return (mixed ^ (mixed >> 29)) | 1;
}

}  // namespace

RepairView* SharedRepair::ViewOf(uint8_t pool, uint64_t pool_hash) { return ViewOfPool(pools, pool, pool_hash); }

const NodeMemory* SharedRepair::FindMemoryOf(uint64_t pool_hash, uint32_t node_hash) const {
  const uint64_t key = KeyOf(pool_hash, node_hash);
  const auto found = std::find_if(std::begin(nodes), std::end(nodes),
                                  [key](const NodeMemory& memory) { return memory.key.load() == key; });
  return found == std::end(nodes) ? nullptr : found;
}

// Two threads of different credentials may want the same free one: who sets the key has it.
NodeMemory* SharedRepair::MemoryOf(uint64_t pool_hash, uint32_t node_hash, TimePoint now) {
  const uint64_t key = KeyOf(pool_hash, node_hash);
  const int64_t idle_since_ns = ToNanos(now - kNodeIdle);
  for (NodeMemory& memory : nodes) {
    if (memory.key.load() == key) return &memory;
  }
  for (NodeMemory& memory : nodes) {
    uint64_t held = memory.key.load();
    if (held != 0 && memory.used_at_ns.load() >= idle_since_ns) continue;
    memory.used_at_ns.store(ToNanos(now));
    if (!memory.key.compare_exchange_strong(held, key)) continue;
    memory.name.store(0);
    memory.incarnation.store(0);
    memory.answers.store(0);
    memory.since_ns.store(0);
    memory.emptied_at_ns.store(0);
    memory.copies_missing.store(0);
    memory.tombstones_missing.store(0);
    memory.filled.store(0);
    memory.lists.store(NodeMemory::kNotAsked);
    memory.room.store(NodeMemory::kNotAsked);
    memory.evictions.store(0);
    memory.evictions_seen.store(0);
    return &memory;
  }
  return nullptr;
}

bool SharedRepair::AnyWatched() const {
  return std::any_of(std::begin(pools), std::end(pools),
                     [](const RepairView& view) { return view.watched.load(std::memory_order_relaxed) != 0; });
}

}  // namespace clustered_session
