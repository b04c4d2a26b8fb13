// Lists the entries of a SharedStore that no node has acknowledged. Layer: local.
#include <algorithm>

#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

constexpr uint32_t kListedLocked = 64;  // under one hold of a mutex

}  // namespace

size_t SharedStore::UnreplicatedCount() const {
  size_t count = 0;
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    count += segment_.shard(i)->queues[kQueuePinned].entries.load(std::memory_order_relaxed);
  }
  return count;
}

// Goes round the shards, a part of each, so that no shard is listed only after all of another.
std::vector<LocalStore::Unreplicated> SharedStore::ListUnreplicated(size_t limit) {
  SegmentHeader* header = segment_.header();
  const uint32_t shards = segment_.geometry.shard_count;
  std::vector<Unreplicated> listed;
  listed.reserve(std::min<size_t>(limit, kListedLocked));
  for (uint32_t i = 0; i < shards && listed.size() < limit; ++i) {
    const uint32_t index = header->list_cursor.fetch_add(1, std::memory_order_relaxed) & (shards - 1);
    const std::atomic<uint32_t>& pinned = segment_.shard(index)->queues[kQueuePinned].entries;
    if (pinned.load(std::memory_order_relaxed) == 0) continue;
    listed.reserve(std::min<size_t>(limit, listed.size() + kListedLocked));  // nothing is allocated under the mutex
    ShardLock lock(this, index);
    if (!lock.locked()) continue;
    ShardTable table = Table(index);
    const uint32_t count = std::min(pinned.load(std::memory_order_relaxed), kListedLocked);
    for (uint32_t j = 0; j < count && listed.size() < limit; ++j) {
      const uint32_t offset = table.NextPinned();
      if (offset == 0) break;
      const EntryHead* head = table.Head(offset);
      listed.push_back({head->key, head->pool});
    }
  }
  return listed;
}

std::bitset<256> SharedStore::PoolsInUse() {
  const std::bitset<256> all = ~std::bitset<256>();
  std::bitset<256> used;
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    const EntryQueue& pinned = segment_.shard(i)->queues[kQueuePinned];
    ShardLock lock(this, i);
    if (!lock.locked()) return all;
    const ShardTable table = Table(i);
    uint32_t left = pinned.entries.load(std::memory_order_relaxed);
    for (uint32_t offset = pinned.first; offset != 0; --left) {
      const EntryHead* head = table.Head(offset);
      if (head == nullptr || left == 0) return all;  // the queue is not whole
      used.set(head->pool);
      offset = head->queue_next;
    }
  }
  return used;
}

}  // namespace clustered_session
