// How SharedStore makes room: which entries give way to a new one, and in what order over all shards. Layer: local.
// Expired ones first, then empty new sessions that no node was told of, then by S3-FIFO (shard_table.h); never those
// that are unreplicated. One shard's mutex is held at a time, for one entry or a bounded look at buckets.
#include <algorithm>

#include "src/local/fault_point.h"
#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

constexpr uint32_t kSweepBuckets = 1024;       // that one Put looks at for expired entries
constexpr uint32_t kSweepBucketsLocked = 128;  // of these, under one hold of a mutex

}  // namespace

// Removes expired entries of one shard until `removed` is `limit` or `budget` buckets have been looked at; the units
// they had.
uint64_t SharedStore::SweepExpired(uint32_t shard, TimePoint now, uint32_t* budget, size_t limit, size_t* removed) {
  uint64_t units = 0;
  while (*budget > 0 && *removed < limit) {
    uint32_t part = std::min(*budget, kSweepBucketsLocked);
    const uint32_t part_before = part;
    ShardLock lock(this, shard);
    if (!lock.locked()) return units;
    ShardTable table = Table(shard);
    uint32_t offset = 0;
    while (*removed < limit && (offset = table.NextExpired(ToMicros(now), &part)) != 0) {
      const uint64_t entry_units = table.EntryUnits(*table.Head(offset));
      if (!RemoveEntry(&table, offset)) return units;
      counters().expirations.Add();
      units += entry_units;
      ++*removed;
    }
    *budget -= part_before - part;
    if (part > 0) return units;  // nothing of this shard is expired now
  }
  return units;
}

uint64_t SharedStore::EvictFrom(uint32_t shard, uint64_t units, TimePoint now) {
  uint64_t freed = 0;
  ShardLock lock(this, shard);
  if (!lock.locked()) return 0;
  ShardTable table = Table(shard);
  while (freed < units) {
    const uint32_t offset = table.PickVictim(ToMicros(now));
    if (offset == 0) break;
    EntryHead* head = table.Head(offset);
    const bool over = table.Over(*head, ToMicros(now));
    const uint64_t entry_units = table.EntryUnits(*head);
    if (!over) table.RememberEvicted(*head);
    if (!RemoveEntry(&table, offset)) break;
    (over ? counters().expirations : counters().evictions).Add();
    freed += entry_units;
  }
  return freed;
}

uint64_t SharedStore::MakeRoomFromExpired(uint64_t units, TimePoint now) {
  uint64_t freed = 0;
  uint32_t budget = kSweepBuckets;
  for (uint32_t i = 0; i < segment_.geometry.shard_count && freed < units && budget > 0; ++i) {
    if (segment_.shard(i)->next_expiry_us.load(std::memory_order_relaxed) > ToMicros(now)) continue;
    size_t removed = 0;
    freed += SweepExpired(i, now, &budget, kSweepBuckets, &removed);
  }
  return freed;
}

// Goes round the shards, so that each gives its share.
uint64_t SharedStore::MakeRoomFrom(bool local_only, uint64_t units, TimePoint now) {
  SegmentHeader* header = segment_.header();
  const uint32_t shards = segment_.geometry.shard_count;
  const auto gives = [&](uint32_t shard) {
    const auto has = [queues = segment_.shard(shard)->queues](QueueId queue) {
      return queues[queue].entries.load(std::memory_order_relaxed) != 0;
    };
    return local_only ? has(kQueueLocalOnly) : has(kQueueSmall) || has(kQueueMain);
  };
  // Nobody gives, as is usual for empty new sessions: told without moving the cursor that all workers share.
  uint32_t first = 0;
  while (first < shards && !gives(first)) ++first;
  if (first == shards) return 0;
  uint64_t freed = 0;
  for (uint32_t idle = 0; idle < shards && freed < units; ++idle) {
    const uint32_t shard = header->evict_cursor.fetch_add(1, std::memory_order_relaxed) & (shards - 1);
    if (!gives(shard)) continue;
    const uint64_t part = EvictFrom(shard, std::max<uint64_t>((units - freed) / shards, 1), now);
    freed += part;
    if (part > 0) idle = 0;
  }
  return freed;
}

// Frees about `units`, or less if there is less; false if nothing gave way.
bool SharedStore::MakeRoom(uint64_t units, TimePoint now) {
  uint64_t freed = MakeRoomFromExpired(units, now);
  for (const bool local_only : {true, false}) {
    if (freed < units) freed += MakeRoomFrom(local_only, units - freed, now);
  }
  return freed > 0;
}

size_t SharedStore::RemoveExpired(TimePoint now, size_t limit) {
  SegmentHeader* header = segment_.header();
  const uint32_t shards = segment_.geometry.shard_count;
  size_t removed = 0;
  for (uint32_t i = 0; i < shards && removed < limit; ++i) {
    const uint32_t shard = header->remove_cursor.load(std::memory_order_relaxed) & (shards - 1);
    // Twice round the buckets: a round that began in the middle may have missed the first half.
    uint32_t budget = 2 * segment_.geometry.shard_buckets;
    SweepExpired(shard, now, &budget, limit, &removed);
    if (removed < limit) header->remove_cursor.store(shard + 1, std::memory_order_relaxed);
  }
  return removed;
}

}  // namespace clustered_session
