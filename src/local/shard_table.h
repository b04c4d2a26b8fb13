// ShardTable: one shard's entries: found by key, and ordered for eviction. Layer: local, only used by local.
// Every call needs the shard's mutex. What it reads is checked: a wrong byte sets `needs_repair`, and the call answers
// as if there was nothing; its caller repairs (store_repair.cc) and asks again.
//
// Truth and derived: the entries are those heads that are sealed and can be reached through the buckets; the queues and
// sums are derived, and the repair rebuilds them. What a call changes is saved in the shard's undo log first and
// committed at its end, so that a death in between is as if the call had not begun.
//
// Eviction is S3-FIFO: new entries go through a small queue of about a tenth of the memory, and only those used again
// there come into the main one, so that any number of one-hit sessions passes without flushing the others. What the
// small queue loses is remembered for a while (`ghosts`) and goes to the main queue if it comes back. A use costs no
// move in a list.
#ifndef CLUSTERED_SESSION_LOCAL_SHARD_TABLE_H_
#define CLUSTERED_SESSION_LOCAL_SHARD_TABLE_H_

#include <cstdint>

#include "src/local/payload.h"
#include "src/local/segment.h"

namespace clustered_session {

inline constexpr uint8_t kUsesMax = 3;
inline constexpr uint32_t kChainMax = 4096;  // longer than any chain of real keys

class ShardTable {
 public:
  // `seed` is secret, so that no payload can be made to look like a head.
  ShardTable(const Segment& segment, uint32_t index, uint64_t seed)
      : segment_(segment),
        index_(index),
        shard_(segment.shard(index)),
        buckets_(segment.buckets(index)),
        ghosts_(segment.ghosts(index)),
        bucket_count_(segment.geometry.shard_buckets),
        needs_repair_(&segment.header()->needs_repair),
        arena_(segment.arena(segment.ArenaOf(index))),
        undo_(segment.undo(shard_)),
        payloads_(arena_),
        seed_(seed) {}

  // The head at `offset`, or null if no head can be there. Whether it is sealed is not asked.
  EntryHead* Head(uint32_t offset) const {
    return arena_.Units(offset) == kHeadUnits ? reinterpret_cast<EntryHead*>(arena_.Bytes(offset)) : nullptr;
  }
  bool Sealed(const EntryHead& head) const { return IsSealed(seed_, head); }
  bool Over(const EntryHead& head, uint64_t now_us) const { return OverAtMicros(head) <= now_us; }
  bool Expired(const EntryHead& head, uint64_t now_us) const { return ExpiresAtMicros(head) <= now_us; }
  bool Pinned(const EntryHead& head) const { return (head.flags & kEntryUnreplicated) != 0; }

  // Has the processor fetch what Find() will read first, before the shard's mutex is there.
  void Prefetch(uint64_t hash) const { __builtin_prefetch(BucketOf(hash)); }
  // The offset of the sealed head of `key`, or 0.
  uint32_t Find(const SessionKey& key, uint64_t hash) const;

  // REQUIRES: a new head, sealed, of no other entry's key. Its blocks are pending no more.
  void Insert(uint32_t offset, EntryHead* head, uint64_t hash);
  // After it the head can be found no more; its blocks are pending, for the caller to free. False: it was not there.
  bool Remove(uint32_t offset);

  // Between the two, the head's unlinked part may be changed; a death in between brings the old one back.
  void BeginEdit(EntryHead* head);
  // `units_before`: what EntryUnits() said before the edit. `old_payload` is pending from now on, for the caller to
  // free; 0 = none.
  void EndEdit(uint32_t offset, EntryHead* head, uint64_t units_before, uint32_t old_payload);
  uint64_t EntryUnits(const EntryHead& head) const;

  void CountUse(EntryHead* head) const;

  // The entry to evict next, or 0 if only pinned ones are left. It is sealed.
  uint32_t PickVictim(uint64_t now_us);
  // Before an evicted entry is removed: remembers it if it was never used again.
  void RememberEvicted(const EntryHead& head);

  // The pinned entry that was looked at longest ago, or 0. Moves it behind the others.
  uint32_t NextPinned();

  // An expired entry, pinned or not, or 0. Looks in vain at `budget` groups of buckets at most, and counts it down.
  uint32_t NextExpired(uint64_t now_us, uint32_t* budget);

  uint32_t bucket_count() const { return bucket_count_; }
  // Calls what(head) for each sealed head of a bucket's chain, as far as that is whole.
  template <typename What>
  void ForEachIn(uint32_t bucket, const What& what) const {
    uint32_t offset = buckets_[bucket];
    for (uint32_t i = 0; offset != 0 && i < kChainMax; ++i) {
      const EntryHead* head = Head(offset);
      if (head == nullptr) return Broken();
      if (Sealed(*head)) what(*head);
      offset = head->chain_next;
    }
  }

  // For the repair: empties the queues and forgets when what expires; then AddQueued() for each entry.
  void ClearQueues();
  void AddQueued(uint32_t offset, EntryHead* head);
  static QueueId QueueFor(const EntryHead& head, QueueId otherwise);

  uint32_t* BucketOf(uint64_t hash) const { return &buckets_[BucketIndex(hash)]; }
  uint64_t HashOf(const SessionKey& key) const;
  static uint64_t HashOf(const SessionKey& key, uint64_t seed);

 private:
  void Prefetch(uint32_t offset, int lines) const {
    for (int i = 0; i < lines; ++i) __builtin_prefetch(arena_.Bytes(offset) + i * 64);
  }
  uint32_t BucketIndex(uint64_t hash) const { return static_cast<uint32_t>(hash >> 8) & (bucket_count_ - 1); }
  static uint32_t Fingerprint(uint64_t hash) { return static_cast<uint32_t>(hash >> 32) | 1; }
  void Broken() const { needs_repair_->store(1, std::memory_order_release); }
  void SetPending(uint32_t head, uint32_t payload);
  void Enqueue(uint32_t offset, EntryHead* head, QueueId queue);
  void Dequeue(uint32_t offset, EntryHead* head, uint64_t units);
  bool LinkFits(uint32_t neighbour, uint32_t EntryHead::*back, uint32_t end, uint32_t offset) const;
  void NoteExpiry(const EntryHead& head, uint64_t hash);
  uint32_t ExpiredIn(uint32_t bucket, uint64_t now_us, uint64_t* next_expiry_us) const;

  Segment segment_;
  uint32_t index_;
  Shard* shard_;
  uint32_t* buckets_;
  uint32_t* ghosts_;
  uint32_t bucket_count_;
  std::atomic<uint32_t>* needs_repair_;
  Arena arena_;
  UndoLog undo_;
  Payloads payloads_;
  uint64_t seed_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SHARD_TABLE_H_
