// SharedSessionLocks: the SessionLocks in shared memory (lock_table.h has the idea). Layer: local; made by SharedStore.
//
// Mutexes: a thread in a queue holds its own node's mutex, and blocks on the one before it holding nothing else but
// nodes. A partition's mutex is held for a few hundred instructions; under it nodes are only tried, never waited for.
// So no circle of waiting can arise: a thread waits for those who arrived earlier at the same session, or for a
// partition.
#ifndef CLUSTERED_SESSION_LOCAL_SHARED_SESSION_LOCKS_H_
#define CLUSTERED_SESSION_LOCAL_SHARED_SESSION_LOCKS_H_

#include <atomic>
#include <string>

#include "src/local/segment.h"
#include "src/local/session_locks.h"

namespace clustered_session {

class SharedSessionLocks final : public SessionLocks {
 public:
  SharedSessionLocks(const Segment& segment, uint64_t seed);
  // Before the segment is unmapped.
  ~SharedSessionLocks() override;
  SharedSessionLocks(const SharedSessionLocks&) = delete;
  SharedSessionLocks& operator=(const SharedSessionLocks&) = delete;

  Result<SessionLock> Acquire(const SessionKey& key, TimePoint deadline, uint32_t waiters_max = 0) override;
  void Release(SessionLock* lock) override;
  Usage GetUsage() const override;

  // A sentence about the first thing that is wrong, or empty: for tests.
  std::string CheckInvariants() const;

 private:
  class PartitionLock;

  // A key's place: its partition, and its bucket there.
  struct Place {
    uint32_t partition;
    uint32_t bucket;
  };
  Place PlaceOf(const SessionKey& key) const;

  // Nodes are named by number = index + 1; null for numbers that are none.
  LockNode* Node(uint32_t number) const;
  uint32_t NumberOf(const LockNode* node) const { return static_cast<uint32_t>(node - Node(1)) + 1; }
  LockPartition* Partition(uint32_t index) const { return segment_.partition(index); }

  static LockState StateOf(uint32_t state) { return static_cast<LockState>(state & 0xff); }

  uint32_t TakeNode();
  uint32_t TryNodes();
  void SetFree(LockNode* node) const;
  void FreeNode(LockNode* node) const;
  LockOutcome TryNode(LockNode* node) const;
  void SetState(LockNode* node, LockState state, uint32_t partition) const;
  bool IsFree(const LockNode& node) const;
  bool InUse(const LockNode& node, uint32_t partition) const;

  // For each, REQUIRES: the mutex of the partition.
  uint32_t* FindLast(const Place& place, const SessionKey& key) const;
  bool Enqueue(const Place& place, const SessionKey& key, LockNode* node);
  LockNode* Before(const Place& place, LockNode* node) const;
  uint32_t CountWaiters(const Place& place, const SessionKey& key, uint32_t limit) const;
  bool MayWait(const Place& place, const SessionKey& key, uint32_t waiters_max) const;
  bool Leave(const Place& place, LockNode* node) const;
  void Unlink(uint32_t* link, LockNode* node, LockNode* before) const;
  void Inherit(const Place& place, LockNode* node, LockNode* before) const;
  void BecomeHolder(const Place& place, LockNode* node) const;
  void CollectDead(uint32_t partition) const;
  void Repair(uint32_t partition) const;

  enum class WaitOutcome : uint8_t { kHolding, kTimeout, kFailed };
  WaitOutcome Wait(const Place& place, LockNode* node, TimePoint deadline);
  WaitOutcome GiveUp(const Place& place, LockNode* node, WaitOutcome outcome);
  void NoteWait(TimePoint since);

  const Segment segment_;
  const uint64_t seed_;
  std::atomic<uint32_t> hint_{0};  // of this process: where a free node was found last
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SHARED_SESSION_LOCKS_H_
