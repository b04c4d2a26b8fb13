// The repair of SharedStore: after a wrong byte, everything is built anew from the entries that are whole. A death
// needs none of it (SharedStore::Recover). Layer: local. May itself be killed at any point: it only reads what is the
// truth (chains, heads, pieces) and drops what is not whole, so the next one begins again. Keeps which units are used
// in a map of bits in the segment, and allocates nothing. Takes time in proportion to the entries, with all shards
// held.
#include <algorithm>
#include <bit>
#include <cstring>

#include "src/local/fault_point.h"
#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

// A bit per unit. No bit is read or written outside of [0, units).
class UsedMap {
 public:
  UsedMap(uint64_t* words, uint32_t units) : words_(words), units_(units) {}

  void Clear() { std::memset(words_, 0, (size_t{units_} / 64 + 1) * sizeof *words_); }

  // Marks them all and says true, or, if one of them is marked already, none and false.
  bool Claim(uint32_t from, uint32_t count) {
    if (from > units_ || count > units_ - from || FirstWith(true, from, from + count) != from + count) return false;
    Change(from, count, true);
    return true;
  }
  void Release(uint32_t from, uint32_t count) { Change(from, count, false); }

  // The first unit in [from, to) that is marked (or not), or `to`.
  uint32_t FirstWith(bool marked, uint32_t from, uint32_t to) const {
    while (from < to) {
      const uint64_t word = marked ? words_[from / 64] : ~words_[from / 64];
      const uint64_t rest = word >> (from % 64);
      if (rest != 0) return std::min(to, from + static_cast<uint32_t>(std::countr_zero(rest)));
      // No overflow: the arena has less than 2^32 - 64 units.
      from = (from / 64 + 1) * 64;
    }
    return to;
  }

 private:
  void Change(uint32_t from, uint32_t count, bool mark) {
    while (count > 0) {
      const uint32_t bit = from % 64;
      const uint32_t part = std::min(count, 64 - bit);
      const uint64_t mask = (part == 64 ? ~uint64_t{0} : ((uint64_t{1} << part) - 1)) << bit;
      words_[from / 64] = mark ? words_[from / 64] | mask : words_[from / 64] & ~mask;
      from += part;
      count -= part;
    }
  }

  uint64_t* words_;
  uint32_t units_;
};

UsedMap MapOf(const Segment& segment, uint32_t arena) {
  return UsedMap(segment.used_map(arena), segment.geometry.arena_units);
}

// Gives the first `pieces` pieces back that were claimed.
void ReleasePieces(const Segment& segment, uint32_t arena_index, uint32_t first, uint32_t pieces) {
  const Arena arena = segment.arena(arena_index);
  const Payloads payloads(arena);
  Payloads::Piece piece = payloads.First(first);
  for (uint32_t i = 0; i < pieces; ++i, piece = payloads.After(piece)) {
    MapOf(segment, arena_index).Release(piece.offset, arena.Units(piece.offset));
  }
}

// Claims all pieces of a payload, or none.
bool ClaimPieces(const Segment& segment, uint32_t arena_index, uint32_t first, uint32_t pieces) {
  Arena arena = segment.arena(arena_index);
  const Payloads payloads(arena);
  Payloads::Piece piece = payloads.First(first);
  for (uint32_t i = 0; i < pieces; ++i, piece = payloads.After(piece)) {
    const uint32_t units = arena.Units(piece.offset);
    if (units == 0 || !MapOf(segment, arena_index).Claim(piece.offset, units)) {
      ReleasePieces(segment, arena_index, first, i);
      return false;
    }
    arena.SetBeforeFree(piece.offset, false);
  }
  return true;
}

}  // namespace

bool SharedStore::Repair() const {
  AllLocks locks(this);
  if (!locks.locked()) return false;
  if (!NeedsRepair()) return true;  // somebody else was faster
  Rebuild();
  FaultPoint("repair.rebuilt");
  segment_.header()->needs_repair.store(0, std::memory_order_release);
  segment_.header()->counters.store_repairs.Add();
  return true;
}

// New memory is zero, and so are empty buckets and ghosts: a start touches none of them, whatever their size.
void SharedStore::MakeEmpty() const {
  for (uint32_t i = 0; i < segment_.geometry.arena_count; ++i) {
    Arena arena = segment_.arena(i);
    arena.Clear();
    arena.AddFree(1, arena.units() - 2);
  }
  segment_.header()->needs_repair.store(0, std::memory_order_release);
}

void SharedStore::Rebuild() const {
  // The logs of the dead are rolled back already (AllLocks); in any other there is nothing but wrong bytes.
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    segment_.undo(segment_.shard(i)).Commit();
    segment_.shard(i)->pending = {};
  }
  for (uint32_t i = 0; i < segment_.geometry.arena_count; ++i) segment_.arena(i).undo().Commit();
  FaultPoint("repair.undone");
  // Two entries that claim the same memory: one of them is wrong, and only the checksums of payloads tell which.
  if (!RebuildChains(false)) RebuildChains(true);
  FaultPoint("repair.chains_done");
  for (uint32_t i = 0; i < segment_.geometry.arena_count; ++i) RebuildArena(i);
  FaultPoint("repair.arena_done");
  RebuildQueues();
  // The map was in their place.
  const Geometry& geometry = segment_.geometry;
  std::memset(segment_.ghosts(0), 0, size_t{geometry.shard_count} * geometry.shard_buckets * sizeof(uint32_t));
}

// Claims the memory of all entries that are whole and cuts the others out of the chains. Unless payloads are verified,
// it stops at the first doubt, with false.
bool SharedStore::RebuildChains(bool verify_payloads) const {
  for (uint32_t i = 0; i < segment_.geometry.arena_count; ++i) {
    UsedMap used = MapOf(segment_, i);
    used.Clear();
    used.Claim(0, 1);
    used.Claim(segment_.geometry.arena_units - 1, 1);
  }
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    ShardTable table = Table(i);
    for (uint32_t bucket = 0; bucket < segment_.geometry.shard_buckets; ++bucket) {
      if (!RebuildChain(&table, i, bucket, verify_payloads)) return false;
    }
  }
  return true;
}

bool SharedStore::RebuildChain(ShardTable* table, uint32_t shard, uint32_t bucket, bool verify_payloads) const {
  uint32_t* bucket_link = segment_.buckets(shard) + bucket;
  uint32_t* link = bucket_link;
  for (uint32_t i = 0; *link != 0; ++i) {
    EntryHead* head = i < 2 * kChainMax ? table->Head(*link) : nullptr;
    if (head == nullptr) {
      if (!verify_payloads) return false;
      segment_.header()->counters.corrupt_entries.Add();
      *link = 0;
      break;
    }
    const uint64_t hash = HashOf(head->key);
    const bool home = ShardOf(hash) == shard && table->BucketOf(hash) == bucket_link;
    if (home && table->Sealed(*head) && ClaimEntry(shard, *link, verify_payloads)) {
      link = &head->chain_next;
      continue;
    }
    if (!verify_payloads) return false;
    // A sum of 0 is an entry that somebody found corrupt and has counted.
    if (head->sum != 0) segment_.header()->counters.corrupt_entries.Add();
    // Where it leads may still be right, and is looked at with the same care.
    *link = link == &head->chain_next ? 0 : head->chain_next;
  }
  return true;
}

bool SharedStore::ClaimEntry(uint32_t shard, uint32_t offset, bool verify_payload) const {
  const EntryHead* head = Table(shard).Head(offset);
  const uint32_t arena_index = segment_.ArenaOf(shard);
  Arena arena = segment_.arena(arena_index);
  UsedMap used = MapOf(segment_, arena_index);
  if (!used.Claim(offset, kHeadUnits)) return false;
  arena.SetBeforeFree(offset, false);
  if (head->payload == 0) return true;
  const Payloads payloads(arena);
  const Payloads::Shape shape = payloads.ShapeOf(head->payload);
  if (shape.pieces == 0 || shape.size > PayloadMax() ||
      !ClaimPieces(segment_, arena_index, head->payload, shape.pieces)) {
    used.Release(offset, kHeadUnits);
    return false;
  }
  if (verify_payload && !payloads.Verify(head->payload, shape.size, seed_ ^ HashOf(head->key))) {
    ReleasePieces(segment_, arena_index, head->payload, shape.pieces);
    used.Release(offset, kHeadUnits);
    return false;
  }
  return true;
}

// All memory that no entry claims is free.
void SharedStore::RebuildArena(uint32_t index) const {
  Arena arena = segment_.arena(index);
  const UsedMap used = MapOf(segment_, index);
  const uint32_t end = segment_.geometry.arena_units;
  arena.Clear();
  uint32_t from = used.FirstWith(false, 0, end);
  while (from < end) {
    const uint32_t to = used.FirstWith(true, from, end);
    arena.AddFree(from, to - from);
    FaultPoint("repair.run_freed");
    from = used.FirstWith(false, to, end);
  }
}

void SharedStore::RebuildQueues() const {
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    ShardTable table = Table(i);
    table.ClearQueues();
    for (uint32_t bucket = 0; bucket < segment_.geometry.shard_buckets; ++bucket) {
      uint32_t offset = segment_.buckets(i)[bucket];
      while (offset != 0) {
        EntryHead* head = table.Head(offset);
        table.AddQueued(offset, head);
        offset = head->chain_next;
      }
    }
    FaultPoint("repair.queues_done");
  }
}

}  // namespace clustered_session
