// How SharedStore makes room: which entries give way to a new one, and in what order over all shards of its arena.
// Layer: local. Expired ones first, then empty new sessions that no node was told of, then by S3-FIFO (shard_table.h);
// never those that are unreplicated. One shard's mutex is held at a time, for one entry or a bounded look at others.
//
// What one Put costs does not depend on how much has expired, and what gives way is bounded by its size. Room is made
// for its size, then for a quarter of it at a time, and after each of these it is tried again: first in pieces of the
// usual length, then in short ones, for which the place of any head will do. At least half of what an entry had can be
// used so, but for the pieces' headers. So a Put removes at most two and a half times its size, and the rest of the
// last entry that gave way; usually its size and a quarter. Others who take the room meanwhile make it more.
#include <algorithm>

#include "src/local/fault_point.h"
#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

constexpr uint32_t kPutGroups = 16;  // of buckets, that one Put looks at in vain for expired entries
constexpr size_t kSweptLocked = 64;  // entries removed under one hold of a mutex

}  // namespace

// What a sweep may still do and has done.
struct SharedStore::Sweep {
  uint32_t groups_left;  // of buckets, to look at in vain
  size_t entries_left;
  uint64_t units_wanted;
  uint64_t units = 0;

  bool Done() const { return groups_left == 0 || entries_left == 0 || units >= units_wanted; }
};

// Removes expired entries of one shard.
void SharedStore::SweepExpired(uint32_t shard, TimePoint now, Sweep* sweep) {
  while (!sweep->Done()) {
    ShardLock lock(this, shard);
    if (!lock.locked()) return;
    ShardTable table = Table(shard);
    for (size_t i = 0; i < kSweptLocked && !sweep->Done(); ++i) {
      const uint32_t offset = table.NextExpired(ToMicros(now), &sweep->groups_left);
      if (offset == 0) return;
      const uint64_t entry_units = table.EntryUnits(*table.Head(offset));
      if (!RemoveEntry(shard, &table, offset)) return;
      counters().expirations.Add();
      sweep->units += entry_units;
      --sweep->entries_left;
    }
  }
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
    if (!RemoveEntry(shard, &table, offset)) break;
    (over ? counters().expirations : counters().evictions).Add();
    freed += entry_units;
  }
  return freed;
}

uint64_t SharedStore::MakeRoomFromExpired(uint32_t arena, uint64_t units, TimePoint now) {
  Sweep sweep{.groups_left = kPutGroups, .entries_left = SIZE_MAX, .units_wanted = units};
  const uint32_t step = segment_.geometry.arena_count;
  for (uint32_t i = arena; i < segment_.geometry.shard_count && !sweep.Done(); i += step) {
    if (segment_.expiries(i).Earliest() <= ToMicros(now)) SweepExpired(i, now, &sweep);
  }
  return sweep.units;
}

// Goes round the arena's shards, so that each gives its share.
uint64_t SharedStore::MakeRoomFrom(uint32_t arena, bool local_only, uint64_t units, TimePoint now) {
  SegmentHeader* header = segment_.header();
  const uint32_t arenas = segment_.geometry.arena_count;
  const uint32_t shards = segment_.geometry.shard_count / arenas;
  const auto gives = [&](uint32_t shard) {
    const auto has = [queues = segment_.shard(shard)->queues](QueueId queue) {
      return queues[queue].entries.load(std::memory_order_relaxed) != 0;
    };
    return local_only ? has(kQueueLocalOnly) : has(kQueueSmall) || has(kQueueMain);
  };
  // Nobody gives, as is usual for empty new sessions: told without moving the cursor that all workers share.
  uint32_t first = 0;
  while (first < shards && !gives(first * arenas + arena)) ++first;
  if (first == shards) return 0;
  uint64_t freed = 0;
  for (uint32_t idle = 0; idle < shards && freed < units; ++idle) {
    const uint32_t turn = header->evict_cursor.fetch_add(1, std::memory_order_relaxed) & (shards - 1);
    const uint32_t shard = turn * arenas + arena;
    if (!gives(shard)) continue;
    const uint64_t part = EvictFrom(shard, std::max<uint64_t>((units - freed) / shards, 1), now);
    freed += part;
    if (part > 0) idle = 0;
  }
  return freed;
}

// Frees about `units`, or less if there is less; false if nothing gave way.
bool SharedStore::MakeRoom(uint32_t arena, uint64_t units, TimePoint now) {
  uint64_t freed = MakeRoomFromExpired(arena, units, now);
  for (const bool local_only : {true, false}) {
    if (freed < units) freed += MakeRoomFrom(arena, local_only, units - freed, now);
  }
  return freed > 0;
}

size_t SharedStore::RemoveExpired(TimePoint now, size_t limit) {
  SegmentHeader* header = segment_.header();
  const uint32_t shards = segment_.geometry.shard_count;
  Sweep sweep{.groups_left = static_cast<uint32_t>(std::min<size_t>(limit, UINT32_MAX)),
              .entries_left = limit,
              .units_wanted = UINT64_MAX};
  for (uint32_t i = 0; i < shards && !sweep.Done(); ++i) {
    const uint32_t shard = header->remove_cursor.load(std::memory_order_relaxed) & (shards - 1);
    if (segment_.expiries(shard).Earliest() <= ToMicros(now)) SweepExpired(shard, now, &sweep);
    if (!sweep.Done()) header->remove_cursor.store(shard + 1, std::memory_order_relaxed);
  }
  return limit - sweep.entries_left;
}

}  // namespace clustered_session
