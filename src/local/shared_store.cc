// The LocalStore's operations. Layer: local.
#include "src/local/shared_store.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "src/local/fault_point.h"
#include "src/local/shared_session_locks.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

namespace {

constexpr int kTries = 8;      // of an operation that met something to repair, or another size than it was told
constexpr int kPutTries = 64;  // of a Put that made room which another one took

}  // namespace

// Where a payload is copied to under the mutex, so that nothing is allocated there: into the caller's string if that is
// long enough, else on the stack, else into the caller's string that was made longer when the size was learnt.
struct SharedStore::CopyBuffer {
  std::string* payload = nullptr;  // null: not wanted
  size_t size = 0;
  uint32_t sum = 0;
  uint32_t head_sum = 0;  // which entry the copy is of
  char* copy = nullptr;   // where it is; null: nothing was copied
  char small[8192];

  char* RoomFor(size_t bytes) {
    if (bytes <= payload->size()) return payload->data();
    return bytes <= sizeof small ? small : nullptr;
  }
};

Result<std::unique_ptr<LocalStore>> LocalStore::Create(size_t memory, size_t shared_extra, uint64_t instance) {
  Result<Geometry> geometry = PlanSegment(memory, shared_extra);
  if (!geometry.ok()) return geometry.error();
  Result<Segment> segment = MapSegment(*geometry);
  if (!segment.ok()) return segment.error();
  uint64_t seed = instance;
  if (instance == 0) {
    randombytes_buf(&seed, sizeof seed);
  } else {
    segment->header()->instance = instance;
  }
  auto store = std::make_unique<SharedStore>(*segment, seed);
  store->MakeEmpty();
  segment->header()->magic = kSegmentMagic;
  return std::unique_ptr<LocalStore>(std::move(store));
}

SharedStore::SharedStore(const Segment& segment, uint64_t seed)
    : segment_(segment),
      seed_(seed),
      instance_(segment.header()->instance),
      locks_(std::make_unique<SharedSessionLocks>(segment, seed)) {}

SharedStore::~SharedStore() {
  locks_.reset();
  UnmapSegment(segment_);
}

size_t SharedStore::PayloadMax() const {
  return std::min(size_t{segment_.geometry.arena_count} * segment_.geometry.arena_units * kUnitBytes / 4, kPayloadMax);
}

uint32_t SharedStore::PayloadSum(uint64_t hash, std::string_view bytes) const {
  // Of the key, too: a wrong offset that leads to another session's payload is found out.
  return Payloads::SumOf(bytes, seed_ ^ hash);
}

LookupResult SharedStore::LookupIf(LookupKind kind, const SessionKey& key, TimePoint now, Entry* entry,
                                   std::string* payload) {
  const uint64_t hash = HashOf(key);
  CopyBuffer buffer;
  buffer.payload = payload;
  Table(ShardOf(hash)).Prefetch(hash);
  for (int i = 0; i < kTries; ++i) {
    Step step;
    {
      ShardLock lock(this, ShardOf(hash));
      if (!lock.locked()) return LookupResult::kUnknown;
      step = LookupLocked(kind, key, hash, now, entry, &buffer);
    }
    if (step == Step::kMiss) return LookupResult::kMissing;
    if (step == Step::kNoRoom) payload->resize(buffer.size);
    if (step != Step::kDone) continue;
    if (payload == nullptr) return LookupResult::kFound;
    if (buffer.copy != nullptr && PayloadSum(hash, {buffer.copy, buffer.size}) != buffer.sum) {
      payload->clear();
      RemoveCorrupt(key, hash, buffer.head_sum);
      return LookupResult::kMissing;
    }
    if (buffer.copy == buffer.small) {
      payload->assign(buffer.small, buffer.size);
    } else {
      payload->resize(buffer.size);
    }
    return LookupResult::kFound;
  }
  return LookupResult::kUnknown;
}

SharedStore::Step SharedStore::LookupLocked(LookupKind kind, const SessionKey& key, uint64_t hash, TimePoint now,
                                            Entry* entry, CopyBuffer* buffer) {
  ShardTable table = Table(ShardOf(hash));
  const uint32_t offset = table.Find(key, hash);
  if (offset == 0) return NeedsRepair() ? Step::kRetry : Step::kMiss;
  EntryHead* head = table.Head(offset);
  if (table.Expired(*head, ToMicros(now))) {
    if (RemoveEntry(ShardOf(hash), &table, offset)) counters().expirations.Add();
    return Step::kMiss;
  }
  if (table.Over(*head, ToMicros(now)) != kind.over) return Step::kMiss;
  buffer->copy = nullptr;
  buffer->size = 0;
  if (buffer->payload != nullptr && head->payload != 0) {
    const Payloads payloads(ArenaFor(ShardOf(hash)));
    buffer->head_sum = head->sum;
    const std::string_view whole = payloads.InOnePiece(head->payload, &buffer->sum);
    buffer->size = whole.empty() ? payloads.ShapeOf(head->payload).size : whole.size();
    if (buffer->size > PayloadMax()) buffer->size = 0;
    buffer->copy = buffer->RoomFor(buffer->size);
    if (buffer->copy == nullptr) return Step::kNoRoom;
    // A payload that is not whole is left to the checksum.
    if (buffer->size > 0 && whole.size() == buffer->size) {
      std::memcpy(buffer->copy, whole.data(), whole.size());
    } else if (!payloads.Read(head->payload, buffer->copy, buffer->size, &buffer->sum)) {
      buffer->size = 0;
    }
  }
  if (entry != nullptr) UnpackHead(*head, segment_.header()->nodes, entry);
  if (kind.counts) table.CountUse(head);
  return Step::kDone;
}

void SharedStore::RemoveCorrupt(const SessionKey& key, uint64_t hash, uint32_t head_sum) {
  segment_.header()->counters.corrupt_entries.Add();
  ShardLock lock(this, ShardOf(hash));
  if (!lock.locked()) return;
  ShardTable table = Table(ShardOf(hash));
  const uint32_t offset = table.Find(key, hash);
  // Another worker may have put a good one meanwhile.
  if (offset == 0 || table.Head(offset)->sum != head_sum) return;
  // Its pieces may be anybody's by now: they are not freed by their own word, but by the repair.
  SetNeedsRepair();
  table.Head(offset)->sum = 0;
}

Status SharedStore::Put(const SessionKey& key, const Entry& entry, std::string_view payload, TimePoint now) {
  const uint64_t hash = HashOf(key);
  if (payload.size() > PayloadMax()) {
    Erase(key);
    return Error(ErrorCode::kTooLarge, "a session of " + std::to_string(payload.size()) +
                                           " bytes is too large for a local copy: at most " +
                                           std::to_string(PayloadMax()) + " bytes, a quarter of local_memory");
  }
  PutArguments put{key, hash, entry, payload, PayloadSum(hash, payload), kPieceBytesUsual};
  const uint32_t shard = ShardOf(hash);
  const uint64_t units = kHeadUnits + Payloads::UnitsFor(payload.size());
  bool made_room = false;
  bool gave_way = false;
  for (int i = 0; i < kPutTries; ++i) {
    Step step;
    {
      ShardLock lock(this, shard);
      step = lock.locked() ? PutLocked(put) : Step::kFailed;
      if (step == Step::kNoRoom && made_room) {
        // What gave way may lie in pieces: they serve before more has to give way.
        put.piece_bytes_min = kPieceBytesMin;
        step = PutLocked(put);
        put.piece_bytes_min = kPieceBytesUsual;
      }
    }
    if (step == Step::kDone) return Status::Ok();
    if (step == Step::kFailed) {
      return Error(ErrorCode::kTimeout, "a stopped worker holds local_memory");
    }
    if (step != Step::kNoRoom) continue;
    const bool again = made_room;
    made_room = MakeRoom(segment_.ArenaOf(shard), again ? std::max<uint64_t>(units / 4, 1) : units, now);
    if (made_room) continue;
    // Nobody else can give way: the older entry of the key does. It would be stale anyway.
    if (gave_way) break;
    gave_way = true;
    Erase(key);
  }
  Erase(key);
  counters().store_full.Add();
  return Error(ErrorCode::kNoMemory, "local_memory is full of sessions that no node has acknowledged");
}

// The blocks of a new entry: they are the shard's pending ones then.
SharedStore::Step SharedStore::TakeBlocks(uint32_t shard, size_t payload_size, size_t piece_bytes_min,
                                          bool needs_head) {
  ArenaLock lock(this, segment_.ArenaOf(shard));
  if (!lock.locked()) return NeedsRepair() ? Step::kRetry : Step::kFailed;
  Arena arena = ArenaFor(shard);
  Payloads payloads(arena);
  PendingBlocks* pending = &segment_.shard(shard)->pending;
  if (pending->head != 0 || pending->payload != 0) {  // a wrong byte: nobody has left any
    SetNeedsRepair();
    return Step::kRetry;
  }
  if (payload_size > 0 && needs_head) {
    // Side by side, so that one wait for memory brings both.
    payloads.AllocateBehind(kHeadUnits, payload_size, &pending->head, &pending->payload);
    if (pending->head != 0) return NeedsRepair() ? Step::kRetry : Step::kDone;
  }
  if (payload_size > 0) {
    payloads.Allocate(payload_size, piece_bytes_min, &pending->payload);
    if (pending->payload == 0) return NeedsRepair() ? Step::kRetry : Step::kNoRoom;
  }
  FaultPoint("put.payload_taken");
  if (needs_head) {
    const uint32_t head = arena.Allocate(kHeadUnits);
    if (head == 0) {
      payloads.Free(&pending->payload);
      return NeedsRepair() ? Step::kRetry : Step::kNoRoom;
    }
    arena.undo().Set(&pending->head, head);
    arena.undo().Commit();
  }
  return NeedsRepair() ? Step::kRetry : Step::kDone;
}

SharedStore::Step SharedStore::PutLocked(const PutArguments& put) {
  const uint32_t shard = ShardOf(put.hash);
  ShardTable table = Table(shard);
  const uint32_t old = table.Find(put.key, put.hash);
  if (old == 0 && NeedsRepair()) return Step::kRetry;
  const Step taken = TakeBlocks(shard, put.payload.size(), put.piece_bytes_min, old == 0);
  if (taken != Step::kDone) return taken;
  FaultPoint("put.taken");
  const PendingBlocks pending = segment_.shard(shard)->pending;
  Arena arena = ArenaFor(shard);
  if (pending.payload != 0) Payloads(arena).Write(pending.payload, put.payload, put.payload_sum);
  FaultPoint("put.written");

  const uint32_t offset = old == 0 ? pending.head : old;
  auto* head = reinterpret_cast<EntryHead*>(arena.Bytes(offset));
  if (old == 0) {
    PackHead(put.entry, &segment_.header()->nodes, head);
    head->key = put.key;
    head->payload = pending.payload;
    SealHead(seed_, head);
    table.Insert(offset, head, put.hash);
    return Step::kDone;
  }
  const uint32_t old_payload = head->payload;
  const uint64_t old_units = table.EntryUnits(*head);
  table.BeginEdit(head);
  PackHead(put.entry, &segment_.header()->nodes, head);
  head->payload = pending.payload;
  table.EndEdit(offset, head, old_units, old_payload);
  FreePending(shard);
  FaultPoint("put.old_freed");
  return Step::kDone;
}

// REQUIRES: the shard's mutex. If the arena cannot be had, the repair that is due frees them.
void SharedStore::FreePending(uint32_t shard) const {
  PendingBlocks* pending = &segment_.shard(shard)->pending;
  if (pending->head == 0 && pending->payload == 0) return;
  ArenaLock lock(this, segment_.ArenaOf(shard));
  if (!lock.locked()) return SetNeedsRepair();
  Arena arena = ArenaFor(shard);
  Payloads(arena).Free(&pending->payload);
  FaultPoint("free.payload_freed");
  if (pending->head == 0) return;
  const uint32_t head = pending->head;
  arena.undo().Set(&pending->head, 0u);
  arena.Free(head);
  FaultPoint("free.head_freed");
  arena.undo().Commit();
}

// After the death of the one who had the shard's mutex; this thread has it now. What the dead one left in the arena's
// log is taken back by whoever gets the arena's mutex first, before the pending blocks are looked at.
void SharedStore::Recover(uint32_t shard) const {
  FaultPoint("recover.begun");
  if (!segment_.undo(segment_.shard(shard)).RollBack()) SetNeedsRepair();
  FaultPoint("recover.rolled_back");
  { ArenaLock lock(this, segment_.ArenaOf(shard)); }
  if (!NeedsRepair()) FreePending(shard);
  FaultPoint("recover.freed");
  segment_.header()->counters.store_repairs.Add();
}

bool SharedStore::RemoveEntry(uint32_t shard, ShardTable* table, uint32_t offset) {
  if (!table->Remove(offset)) return false;
  FreePending(shard);
  FaultPoint("remove.freed");
  return true;
}

// REQUIRES: the shard's mutex
bool SharedStore::PayloadBegins(uint32_t shard, const EntryHead& head, std::string_view begins) const {
  if (head.payload == 0) return false;
  const Payloads payloads(ArenaFor(shard));
  uint32_t sum = 0;
  const std::string_view whole = payloads.InOnePiece(head.payload, &sum);
  if (!whole.empty()) return whole.starts_with(begins);
  std::string start(begins.size(), '\0');
  return payloads.Read(head.payload, start.data(), start.size(), &sum) && start == begins;
}

bool SharedStore::Update(const SessionKey& key, const Entry& expected, std::string_view begins, const Entry& entry) {
  const uint64_t hash = HashOf(key);
  for (int i = 0; i < kTries; ++i) {
    ShardLock lock(this, ShardOf(hash));
    if (!lock.locked()) return false;
    ShardTable table = Table(ShardOf(hash));
    const uint32_t offset = table.Find(key, hash);
    if (offset == 0) {
      if (NeedsRepair()) continue;
      return false;
    }
    EntryHead* head = table.Head(offset);
    const bool other_kind = ((head->flags ^ expected.flags) & kEntryTombstone) != 0;
    if (head->version != expected.version || head->epoch != expected.epoch || other_kind) return false;
    if (!begins.empty() && !PayloadBegins(ShardOf(hash), *head, begins)) return false;
    const uint64_t units = table.EntryUnits(*head);
    table.BeginEdit(head);
    PackHead(entry, &segment_.header()->nodes, head);
    table.EndEdit(offset, head, units, 0);
    return true;
  }
  return false;
}

bool SharedStore::Erase(const SessionKey& key) {
  const uint64_t hash = HashOf(key);
  for (int i = 0; i < kTries; ++i) {
    ShardLock lock(this, ShardOf(hash));
    if (!lock.locked()) return false;
    ShardTable table = Table(ShardOf(hash));
    const uint32_t offset = table.Find(key, hash);
    if (offset != 0 && RemoveEntry(ShardOf(hash), &table, offset)) return true;
    if (!NeedsRepair()) return false;
  }
  return false;
}

size_t SharedStore::HugeMemory() const {
  return HugePageBytes("/proc/self/smaps", segment_.base, segment_.geometry.memory);
}

LocalStore::Usage SharedStore::GetUsage() const {
  Usage usage;
  usage.memory = segment_.geometry.memory;
  const size_t arena_units = size_t{segment_.geometry.arena_count} * segment_.geometry.arena_units;
  usage.payload_memory = arena_units * kUnitBytes;
  usage.entries_max = arena_units / kHeadUnits;
  uint64_t units = 0;
  const TimePoint deadline = std::chrono::steady_clock::now() + kUsageWait;
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    const ShardLock lock(this, i, deadline);
    if (!lock.locked()) ++usage.busy_parts;
    const Shard* shard = segment_.shard(i);
    for (const EntryQueue& queue : shard->queues) {
      usage.entries += queue.entries.load(std::memory_order_relaxed);
      if (lock.locked()) units += queue.units;
    }
    usage.unreplicated += shard->queues[kQueuePinned].entries.load(std::memory_order_relaxed);
  }
  usage.payload_used = units * kUnitBytes;
  return usage;
}

}  // namespace clustered_session
