// One shard's chains and queues. Layer: local.
#include "src/local/shard_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "src/local/fault_point.h"

namespace clustered_session {

namespace {

constexpr uint64_t kSmallShare = 10;  // the small queue is to have a tenth of the shard
constexpr int kHeadLines = 3;         // of cache, wherever it begins
constexpr int kPayloadLines = 4;      // the copy itself fetches what is behind them
constexpr int kVictimTries = 1024;    // entries that may be given another round before one is evicted anyway

void StoreLink(uint32_t* link, uint32_t offset) {
  std::atomic_ref<uint32_t>(*link).store(offset, std::memory_order_release);
}

}  // namespace

uint64_t ShardTable::HashOf(const SessionKey& key, uint64_t seed) {
  return XXH3_64bits_withSeed(key.bytes.data(), key.bytes.size(), seed);
}

uint64_t ShardTable::HashOf(const SessionKey& key) const { return HashOf(key, seed_); }

uint32_t ShardTable::Find(const SessionKey& key, uint64_t hash) const {
  uint32_t offset = *BucketOf(hash);
  for (uint32_t i = 0; offset != 0; ++i) {
    const EntryHead* head = Head(offset);
    if (head == nullptr || i == kChainMax) {
      Broken();
      return 0;
    }
    if (head->key == key) {
      // Memory is slower than what is done with it: the rest comes while the head is checked.
      Prefetch(offset, kHeadLines);
      Prefetch(head->payload, kPayloadLines);
      if (Sealed(*head)) return offset;
      Broken();
      return 0;
    }
    offset = head->chain_next;
  }
  return 0;
}

QueueId ShardTable::QueueFor(const EntryHead& head, QueueId otherwise) {
  if ((head.flags & kEntryUnreplicated) != 0) return kQueuePinned;
  if ((head.flags & kEntryLocalOnly) != 0) return kQueueLocalOnly;
  return otherwise == kQueueMain ? kQueueMain : kQueueSmall;
}

void ShardTable::Insert(uint32_t offset, EntryHead* head, uint64_t hash) {
  uint32_t* bucket = BucketOf(hash);
  head->uses = 0;
  head->queue = kQueueNone;
  head->chain_next = *bucket;
  NoteExpiry(*head, hash);
  FaultPoint("table.insert.before_link");
  undo_.Save(bucket, sizeof *bucket);
  StoreLink(bucket, offset);
  FaultPoint("table.insert.linked");
  uint32_t* ghost = &ghosts_[BucketIndex(hash)];
  const bool came_back = *ghost == Fingerprint(hash);
  if (came_back) *ghost = 0;
  Enqueue(offset, head, QueueFor(*head, came_back ? kQueueMain : kQueueSmall));
  FaultPoint("table.insert.queued");
  SetPending(0, 0);
  undo_.Commit();
}

bool ShardTable::Remove(uint32_t offset) {
  EntryHead* head = Head(offset);
  if (head == nullptr || !Sealed(*head)) {
    Broken();
    return false;
  }
  const uint64_t units = EntryUnits(*head);
  uint32_t* link = BucketOf(HashOf(head->key));
  for (uint32_t i = 0; *link != offset; ++i) {
    EntryHead* other = *link == 0 || i == kChainMax ? nullptr : Head(*link);
    if (other == nullptr) {
      Broken();
      return false;
    }
    link = &other->chain_next;
  }
  FaultPoint("table.remove.before_unlink");
  undo_.Save(link, sizeof *link);
  StoreLink(link, head->chain_next);
  FaultPoint("table.remove.unlinked");
  Dequeue(offset, head, units);
  FaultPoint("table.remove.dequeued");
  undo_.Set(&head->sum, 0u);  // whoever still finds it by a wrong link must not believe it
  SetPending(offset, head->payload);
  undo_.Commit();
  return true;
}

uint64_t ShardTable::EntryUnits(const EntryHead& head) const {
  return kHeadUnits + (head.payload == 0 ? 0 : payloads_.ShapeOf(head.payload).units);
}

void ShardTable::SetPending(uint32_t head, uint32_t payload) {
  undo_.Save(&shard_->pending, sizeof shard_->pending);
  shard_->pending = {head, payload};
}

void ShardTable::BeginEdit(EntryHead* head) {
  undo_.Save(reinterpret_cast<std::byte*>(head) + kHeadUnlinkedFrom, sizeof *head - kHeadUnlinkedFrom);
  head->sum = 0;
  FaultPoint("table.edit.begun");
}

void ShardTable::EndEdit(uint32_t offset, EntryHead* head, uint64_t units_before, uint32_t old_payload) {
  FaultPoint("table.edit.before_seal");
  SealHead(seed_, head);
  FaultPoint("table.edit.sealed");
  NoteExpiry(*head, HashOf(head->key));
  const auto queue = static_cast<QueueId>(head->queue);
  const QueueId wanted = QueueFor(*head, head->uses > 0 ? kQueueMain : queue);
  const bool moves = wanted != queue && !(wanted == kQueueMain && queue == kQueueSmall);
  if (moves) {
    Dequeue(offset, head, units_before);
    Enqueue(offset, head, wanted);
  } else if (queue != kQueueNone && queue < kQueueCount) {
    uint64_t* units = &shard_->queues[queue].units;
    undo_.Set(units, *units + EntryUnits(*head) - units_before);
  } else {
    Broken();
  }
  FaultPoint("table.edit.requeued");
  SetPending(0, old_payload);
  undo_.Commit();
}

void ShardTable::CountUse(EntryHead* head) const {
  if (head->uses < kUsesMax) ++head->uses;
}

void ShardTable::NoteExpiry(const EntryHead& head, uint64_t hash) {
  segment_.expiries(index_).Note(BucketIndex(hash) / kBucketsPerExpiry, ExpiresAtMicros(head));
}

void ShardTable::ClearQueues() {
  for (EntryQueue& queue : shard_->queues) {
    queue.first = queue.last = 0;
    queue.units = 0;
    queue.entries.store(0, std::memory_order_relaxed);
  }
  segment_.expiries(index_).Clear();
}

void ShardTable::AddQueued(uint32_t offset, EntryHead* head) {
  Enqueue(offset, head, QueueFor(*head, static_cast<QueueId>(head->queue)));
  NoteExpiry(*head, HashOf(head->key));
  undo_.Commit();
}

void ShardTable::Enqueue(uint32_t offset, EntryHead* head, QueueId queue_id) {
  EntryQueue* queue = &shard_->queues[queue_id];
  EntryHead* last = queue->last == 0 ? nullptr : Head(queue->last);
  if (queue->last != 0 && last == nullptr) return Broken();
  undo_.Save(&head->queue_previous, kHeadUnlinkedFrom + sizeof(uint32_t) - offsetof(EntryHead, queue_previous));
  head->queue = queue_id;
  head->queue_previous = queue->last;
  head->queue_next = 0;
  FaultPoint("table.enqueue.half");
  undo_.Set(last != nullptr ? &last->queue_next : &queue->first, offset);
  undo_.Set(&queue->last, offset);
  undo_.Set(&queue->units, queue->units + EntryUnits(*head));
  undo_.Save(&queue->entries, sizeof queue->entries);
  queue->entries.fetch_add(1, std::memory_order_relaxed);
}

// Whether the neighbour in a queue, or the queue's own end where there is none, leads back to `offset`.
bool ShardTable::LinkFits(uint32_t neighbour, uint32_t EntryHead::*back, uint32_t end, uint32_t offset) const {
  if (neighbour == 0) return end == offset;
  const EntryHead* head = Head(neighbour);
  return head != nullptr && head->*back == offset;
}

void ShardTable::Dequeue(uint32_t offset, EntryHead* head, uint64_t units) {
  if (head->queue == kQueueNone || head->queue >= kQueueCount) return Broken();
  EntryQueue* queue = &shard_->queues[head->queue];
  const uint32_t previous = head->queue_previous;
  const uint32_t next = head->queue_next;
  if (!LinkFits(previous, &EntryHead::queue_next, queue->first, offset) ||
      !LinkFits(next, &EntryHead::queue_previous, queue->last, offset)) {
    return Broken();
  }
  undo_.Set(previous == 0 ? &queue->first : &Head(previous)->queue_next, next);
  FaultPoint("table.dequeue.half");
  undo_.Set(next == 0 ? &queue->last : &Head(next)->queue_previous, previous);
  undo_.Save(reinterpret_cast<std::byte*>(head) + kHeadUnlinkedFrom, sizeof(uint32_t));
  head->queue = kQueueNone;
  undo_.Set(&queue->units, queue->units - units);
  undo_.Save(&queue->entries, sizeof queue->entries);
  queue->entries.fetch_sub(1, std::memory_order_relaxed);
}

uint32_t ShardTable::PickVictim(uint64_t now_us) {
  const EntryQueue& small = shard_->queues[kQueueSmall];
  const EntryQueue& main = shard_->queues[kQueueMain];
  for (int i = 0;; ++i) {
    const bool small_is_due = main.first == 0 || small.units * kSmallShare >= small.units + main.units;
    const bool from_small = small.first != 0 && small_is_due;
    uint32_t offset = shard_->queues[kQueueLocalOnly].first;
    if (offset == 0) offset = from_small ? small.first : main.first;
    if (offset == 0) return 0;
    EntryHead* head = Head(offset);
    if (head == nullptr || !Sealed(*head) || Pinned(*head)) {
      Broken();
      return 0;
    }
    const auto queue = static_cast<QueueId>(head->queue);
    const bool spared = queue != kQueueLocalOnly && head->uses > 0 && !Over(*head, now_us);
    if (!spared || i >= kVictimTries) return offset;
    head->uses = queue == kQueueSmall ? 0 : static_cast<uint8_t>(std::min(head->uses, kUsesMax) - 1);
    Dequeue(offset, head, EntryUnits(*head));
    if (head->queue != kQueueNone) return 0;  // the queue is not whole
    Enqueue(offset, head, kQueueMain);
    FaultPoint("table.victim.spared");
    undo_.Commit();
  }
}

uint32_t ShardTable::NextPinned() {
  const uint32_t offset = shard_->queues[kQueuePinned].first;
  if (offset == 0) return 0;
  EntryHead* head = Head(offset);
  if (head == nullptr || !Sealed(*head) || !Pinned(*head)) {
    Broken();
    return 0;
  }
  if (head->queue_next == 0) return offset;  // the only one
  Dequeue(offset, head, EntryUnits(*head));
  if (head->queue != kQueueNone) return 0;  // the queue is not whole
  FaultPoint("table.pinned.dequeued");
  Enqueue(offset, head, kQueuePinned);
  undo_.Commit();
  return offset;
}

void ShardTable::RememberEvicted(const EntryHead& head) {
  if (head.queue != kQueueSmall) return;
  const uint64_t hash = HashOf(head.key);
  ghosts_[BucketIndex(hash)] = Fingerprint(hash);
}

// The first expired entry of a bucket, or 0 and the earliest expiry of those that are there.
uint32_t ShardTable::ExpiredIn(uint32_t bucket, uint64_t now_us, uint64_t* next_expiry_us) const {
  uint32_t offset = buckets_[bucket];
  for (uint32_t i = 0; offset != 0; ++i) {
    const EntryHead* head = Head(offset);
    if (head == nullptr || i == kChainMax) {
      Broken();
      return 0;
    }
    if (Expired(*head, now_us)) return offset;
    *next_expiry_us = std::min(*next_expiry_us, ExpiresAtMicros(*head));
    offset = head->chain_next;
  }
  return 0;
}

uint32_t ShardTable::NextExpired(uint64_t now_us, uint32_t* budget) {
  ExpiryTree expiries = segment_.expiries(index_);
  for (; *budget > 0; --*budget) {
    const uint32_t group = expiries.FirstDue(now_us);
    if (group == ExpiryTree::kNoGroup) return 0;
    uint64_t next_expiry_us = ExpiryTree::kNever;
    for (uint32_t i = 0; i < kBucketsPerExpiry; ++i) {
      const uint32_t offset = ExpiredIn(group * kBucketsPerExpiry + i, now_us, &next_expiry_us);
      if (offset != 0) return offset;
    }
    FaultPoint("table.expiry.vain");
    expiries.Set(group, next_expiry_us);
  }
  return 0;
}

}  // namespace clustered_session
