// How SharedStore takes its mutexes: each guard refuses shared memory that needs a repair. Layer: local, only included
// by the .cc files of SharedStore.
#ifndef CLUSTERED_SESSION_LOCAL_STORE_MUTEXES_H_
#define CLUSTERED_SESSION_LOCAL_STORE_MUTEXES_H_

#include "src/local/shared_store.h"

namespace clustered_session {

// One shard, whole: repairs first where needed.
class SharedStore::ShardLock {
 public:
  ShardLock(const SharedStore* store, uint32_t shard) : mutex_(&store->segment_.shard(shard)->mutex) {
    for (int i = 0; i < kRepairsMax; ++i) {
      const LockOutcome outcome = mutex_->Lock();
      if (!IsLocked(outcome)) return;
      if (outcome == LockOutcome::kOwnerDied) {
        // First the mark that all shared memory waits for the repair; it outlives the death of this process, too.
        store->SetNeedsRepair();
        mutex_->MarkConsistent();
      }
      if (!store->NeedsRepair()) {
        locked_ = true;
        return;
      }
      mutex_->Unlock();
      if (!store->Repair()) return;
    }
  }
  ~ShardLock() {
    if (locked_) mutex_->Unlock();
  }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

  bool locked() const { return locked_; }

 private:
  static constexpr int kRepairsMax = 8;
  SharedMutex* mutex_;
  bool locked_ = false;
};

// The arena. REQUIRES: this thread holds a shard, and lets it go if the arena is not locked, so that a repair can
// begin.
class SharedStore::ArenaLock {
 public:
  explicit ArenaLock(const SharedStore* store) : mutex_(&store->segment_.header()->arena_mutex) {
    const LockOutcome outcome = mutex_->Lock();
    if (!IsLocked(outcome)) return;
    if (outcome == LockOutcome::kOwnerDied) {
      store->SetNeedsRepair();
      mutex_->MarkConsistent();
    }
    locked_ = !store->NeedsRepair();
    if (!locked_) mutex_->Unlock();
  }
  ~ArenaLock() {
    if (locked_) mutex_->Unlock();
  }
  ArenaLock(const ArenaLock&) = delete;
  ArenaLock& operator=(const ArenaLock&) = delete;

  bool locked() const { return locked_; }

 private:
  SharedMutex* mutex_;
  bool locked_ = false;
};

// Everything, for those who repair or check.
class SharedStore::AllLocks {
 public:
  explicit AllLocks(const SharedStore* store) : segment_(store->segment_) {
    locked_ = Take(&segment_.header()->repair_mutex);
    for (uint32_t i = 0; locked_ && i < segment_.geometry.shard_count; ++i) locked_ = Take(&segment_.shard(i)->mutex);
    locked_ = locked_ && Take(&segment_.header()->arena_mutex);
  }
  ~AllLocks() {
    while (taken_ > 0) {
      --taken_;
      Nth(taken_)->Unlock();
    }
  }
  AllLocks(const AllLocks&) = delete;
  AllLocks& operator=(const AllLocks&) = delete;

  bool locked() const { return locked_; }

 private:
  SharedMutex* Nth(uint32_t index) const {
    if (index == 0) return &segment_.header()->repair_mutex;
    if (index <= segment_.geometry.shard_count) return &segment_.shard(index - 1)->mutex;
    return &segment_.header()->arena_mutex;
  }

  bool Take(SharedMutex* mutex) {
    const LockOutcome outcome = mutex->Lock();
    if (!IsLocked(outcome)) return false;
    ++taken_;
    if (outcome == LockOutcome::kOwnerDied) {
      // The mark keeps everybody out until a repair is complete, so the mutex itself may be consistent from here on:
      // should this process die, too, the next one finds the mark.
      segment_.header()->needs_repair.store(1, std::memory_order_release);
      mutex->MarkConsistent();
    }
    return true;
  }

  const Segment segment_;
  uint32_t taken_ = 0;
  bool locked_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_STORE_MUTEXES_H_
