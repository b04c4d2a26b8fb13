// How SharedSessionLocks takes a partition's mutex. Layer: local, only included by the .cc files of SharedSessionLocks.
#ifndef CLUSTERED_SESSION_LOCAL_LOCK_PARTITION_H_
#define CLUSTERED_SESSION_LOCAL_LOCK_PARTITION_H_

#include <optional>

#include "src/local/shared_session_locks.h"

namespace clustered_session {

// One partition, whole: repairs first where its last owner died.
class SharedSessionLocks::PartitionLock {
 public:
  PartitionLock(const SharedSessionLocks* locks, uint32_t index, std::optional<TimePoint> deadline = {})
      : mutex_(&locks->Partition(index)->mutex) {
    LockOutcome outcome = deadline ? mutex_->TryLock() : mutex_->Lock();
    if (deadline && outcome == LockOutcome::kBusy) outcome = mutex_->LockUntil(*deadline);
    locked_ = IsLocked(outcome);
    if (outcome == LockOutcome::kOwnerDied) {
      locks->Repair(index);
      mutex_->MarkConsistent();
    }
  }
  ~PartitionLock() {
    if (locked_) mutex_->Unlock();
  }
  PartitionLock(const PartitionLock&) = delete;
  PartitionLock& operator=(const PartitionLock&) = delete;

  bool locked() const { return locked_; }

 private:
  SharedMutex* mutex_;
  bool locked_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_LOCK_PARTITION_H_
