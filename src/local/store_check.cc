// Whether all of SharedStore's invariants hold, for tests. Layer: local.
#include <string>

#include "src/local/shared_store.h"
#include "src/local/store_mutexes.h"

namespace clustered_session {

std::string SharedStore::CheckInvariants() {
  // First what is due, also what nobody has noticed yet.
  for (uint32_t i = 0; i < segment_.geometry.shard_count; ++i) {
    if (!ShardLock(this, i).locked()) return "the mutexes cannot be locked";
  }
  bool died = false;
  {
    AllLocks locks(this);
    if (!locks.locked()) return "the mutexes cannot be locked";
    died = NeedsRepair();
  }
  if (died && !Repair()) return "the repair is not possible";
  AllLocks locks(this);
  if (!locks.locked()) return "the mutexes cannot be locked";
  if (NeedsRepair()) return "a repair is due again";
  const SegmentHeader* header = segment_.header();
  if (header->magic != kSegmentMagic || header->layout_version != kLayoutVersion ||
      header->header_size != sizeof(SegmentHeader) || header->memory != segment_.geometry.memory) {
    return "the header is not this layout's";
  }
  const uint32_t arenas = segment_.geometry.arena_count;
  for (uint32_t arena = 0; arena < arenas; ++arena) {
    if (const char* wrong = segment_.arena(arena).Check()) return wrong;
    uint64_t used_units = 2;  // the guards at both ends
    for (uint32_t i = arena; i < segment_.geometry.shard_count; i += arenas) {
      std::string wrong = CheckShard(i, &used_units);
      if (!wrong.empty()) return wrong + " (shard " + std::to_string(i) + ")";
    }
    const uint64_t missing = segment_.geometry.arena_units - segment_.arena(arena).free_units() - used_units;
    if (missing != 0) return std::to_string(missing) + " units of memory belong to nobody";
  }
  return {};
}

std::string SharedStore::CheckShard(uint32_t index, uint64_t* units) const {
  const Shard* shard = segment_.shard(index);
  const ShardTable table = Table(index);
  uint64_t entries = 0;
  uint64_t shard_units = 0;
  for (uint32_t bucket = 0; bucket < segment_.geometry.shard_buckets; ++bucket) {
    uint32_t offset = segment_.buckets(index)[bucket];
    while (offset != 0) {
      const EntryHead* head = table.Head(offset);
      if (head == nullptr || !table.Sealed(*head)) return "a chain leads to a head that is not whole";
      const uint64_t hash = HashOf(head->key);
      if (ShardOf(hash) != index || table.Find(head->key, hash) != offset) return "an entry cannot be found by its key";
      const QueueId queue = ShardTable::QueueFor(*head, static_cast<QueueId>(head->queue));
      if (queue != head->queue) return "an entry is in the wrong queue";
      const Payloads payloads(ArenaFor(index));
      const Payloads::Shape shape = payloads.ShapeOf(head->payload);
      if (head->payload != 0 && !payloads.Verify(head->payload, shape.size, seed_ ^ hash)) return "a payload is torn";
      const auto bucket_index = static_cast<uint32_t>(bucket / kBucketsPerExpiry);
      if (segment_.expiries(index).Earliest(bucket_index) > ExpiresAtMicros(*head)) return "an entry expires unseen";
      if (++entries > segment_.geometry.arena_units) return "a chain is endless";
      shard_units += table.EntryUnits(*head);
      offset = head->chain_next;
    }
  }
  *units += shard_units;

  uint64_t queued = 0;
  uint64_t queued_units = 0;
  for (const EntryQueue& queue : shard->queues) {
    uint64_t in_queue = 0;
    uint32_t previous = 0;
    for (uint32_t offset = queue.first; offset != 0;) {
      const EntryHead* head = table.Head(offset);
      if (head == nullptr || head->queue_previous != previous) return "a queue is not whole";
      if (++in_queue > entries) return "a queue is endless";
      previous = offset;
      offset = head->queue_next;
    }
    if (queue.last != previous || in_queue != queue.entries.load()) return "a queue's end or number is wrong";
    queued += in_queue;
    queued_units += queue.units;
  }
  if (queued != entries) return "an entry is in no queue";
  if (queued_units != shard_units) return "the queues' sum of memory is wrong";
  if (!segment_.expiries(index).Ordered()) return "a tree of expiries is later than what is below";
  if (shard->undo.used.load() != 0) return "a change has not ended";
  if (shard->pending.head != 0 || shard->pending.payload != 0) return "a block is pending";
  return {};
}

}  // namespace clustered_session
