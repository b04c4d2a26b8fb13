// How SharedStore takes its mutexes: each guard refuses shared memory that needs a repair. Layer: local, only included
// by the .cc files of SharedStore.
#ifndef CLUSTERED_SESSION_LOCAL_STORE_MUTEXES_H_
#define CLUSTERED_SESSION_LOCAL_STORE_MUTEXES_H_

#include "src/local/fault_point.h"
#include "src/local/shared_store.h"

namespace clustered_session {

// One shard, whole: takes back what a dead owner left, and repairs first where needed.
class SharedStore::ShardLock {
 public:
  // The same until a deadline, after which only what nobody holds is locked. Leaves a repair of the store to others.
  ShardLock(const SharedStore* store, uint32_t shard, TimePoint deadline) : ShardLock(store, shard, No::kLock) {
    LockOutcome outcome = mutex_->TryLock();
    if (outcome == LockOutcome::kBusy) outcome = mutex_->LockUntil(deadline);
    if (!IsLocked(outcome)) return;
    if (outcome == LockOutcome::kOwnerDied) {
      store->Recover(shard);
      mutex_->MarkConsistent();
    }
    locked_ = !store->NeedsRepair();
    if (!locked_) mutex_->Unlock();
  }
  ShardLock(const SharedStore* store, uint32_t shard) : ShardLock(store, shard, No::kLock) {
    for (int i = 0; i < kRepairsMax; ++i) {
      const LockOutcome outcome = mutex_->Lock();
      if (!IsLocked(outcome)) return;
      if (outcome == LockOutcome::kOwnerDied) {
        // Only then consistent: should this process die in there, the next one begins again.
        store->Recover(shard);
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
    if (!locked_) return;
    undo_.Commit();  // of a call that met a wrong byte half way: the repair goes on from what it left
    mutex_->Unlock();
  }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

  bool locked() const { return locked_; }

 private:
  enum class No { kLock };
  ShardLock(const SharedStore* store, uint32_t shard, No)
      : mutex_(&store->segment_.shard(shard)->mutex), undo_(store->segment_.undo(store->segment_.shard(shard))) {}

  static constexpr int kRepairsMax = 8;
  SharedMutex* mutex_;
  UndoLog undo_;
  bool locked_ = false;
};

// An arena. REQUIRES: this thread holds a shard, and lets it go if the arena is not locked, so that a repair can
// begin.
class SharedStore::ArenaLock {
 public:
  ArenaLock(const SharedStore* store, uint32_t arena)
      : mutex_(&store->segment_.arena_state(arena)->mutex), undo_(store->segment_.arena(arena).undo()) {
    const LockOutcome outcome = mutex_->Lock();
    if (!IsLocked(outcome)) return;
    if (outcome == LockOutcome::kOwnerDied) {
      if (!undo_.RollBack()) store->SetNeedsRepair();
      FaultPoint("recover.arena");
      mutex_->MarkConsistent();
    }
    locked_ = !store->NeedsRepair();
    if (!locked_) mutex_->Unlock();
  }
  ~ArenaLock() {
    if (!locked_) return;
    undo_.Commit();
    mutex_->Unlock();
  }
  ArenaLock(const ArenaLock&) = delete;
  ArenaLock& operator=(const ArenaLock&) = delete;

  bool locked() const { return locked_; }

 private:
  SharedMutex* mutex_;
  UndoLog undo_;
  bool locked_ = false;
};

// Everything, for those who repair or check.
class SharedStore::AllLocks {
 public:
  explicit AllLocks(const SharedStore* store) : segment_(store->segment_) {
    locked_ = Take(&segment_.header()->repair_mutex);
    for (uint32_t i = 0; locked_ && i < segment_.geometry.shard_count; ++i) {
      Shard* shard = segment_.shard(i);
      bool owner_died = false;
      locked_ = Take(&shard->mutex, &owner_died);
      if (owner_died) (void)segment_.undo(shard).RollBack();  // a log that is not whole leaves it to the repair
    }
    for (uint32_t i = 0; locked_ && i < segment_.geometry.arena_count; ++i) {
      locked_ = Take(&segment_.arena_state(i)->mutex);
    }
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
    return &segment_.arena_state(index - 1 - segment_.geometry.shard_count)->mutex;
  }

  bool Take(SharedMutex* mutex, bool* owner_died = nullptr) {
    const LockOutcome outcome = mutex->Lock();
    if (!IsLocked(outcome)) return false;
    if (owner_died != nullptr) *owner_died = outcome == LockOutcome::kOwnerDied;
    ++taken_;
    if (outcome == LockOutcome::kOwnerDied) {
      // Not recovered, but rebuilt with all the others. The mark keeps everybody out until a repair is complete, so the
      // mutex itself may be consistent from here on: should this process die, too, the next one finds the mark.
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
