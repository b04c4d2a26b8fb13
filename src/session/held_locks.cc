// The locks of one session that a request holds, see held_locks.h. Layer: session.
#include "src/session/held_locks.h"

#include "src/base/units.h"

namespace clustered_session {

void HeldLocks::BeLocksOf(const SessionKey& local_key) {
  if (session_ == local_key) return;
  Release();
  session_ = local_key;
}

Status HeldLocks::TakeLocal(const SessionKey& local_key, TimePoint give_up_at, bool known_to_nobody) {
  if (context_.settings.lock == LockMode::kNone || local_.held) return Status::Ok();
  const uint32_t waiters_max = context_.settings.lock_waiters_max;
  Result<SessionLock> lock = context_.store->locks().Acquire(local_key, give_up_at, waiters_max);
  if (lock.ok()) {
    local_ = *lock;
    return Status::Ok();
  }
  switch (lock.error().code()) {
    case ErrorCode::kTimeout:
      return TimedOut("another request of this session still runs");
    case ErrorCode::kTooMany:
      return Error(ErrorCode::kTooMany, "session lock refused: " + std::to_string(waiters_max) +
                                            " requests of this session wait for it already "
                                            "(clustered_session.lock_waiters_max) [CS-LOCK-WAITERS]");
    case ErrorCode::kNoMemory:
      if (known_to_nobody) return Status::Ok();
      return lock.error();
    default:
      return lock.error();
  }
}

bool HeldLocks::TryLocal(const SessionKey& local_key) {
  Result<SessionLock> lock = context_.store->locks().Acquire(local_key, context_.clock->Now());
  if (lock.ok()) local_ = *lock;
  return lock.ok();
}

Status HeldLocks::TimedOut(const std::string& why) const {
  return Error(ErrorCode::kTimeout, "session lock not free within clustered_session.lock_wait (" +
                                        FormatDuration(context_.settings.lock_wait) + "): " + why + " [CS-LOCK-WAIT]");
}

void HeldLocks::NoteLoss() {
  const std::string why = cluster_ ? cluster_->TakeLoss() : std::string();
  if (why.empty()) return;
  notices_->push_back(
      {false, "a running request lost the cluster lock of its session (" + why +
                  "): clustered_session.on_conflict decides what becomes of another server's changes [CS-LOCK-LOST]"});
}

void HeldLocks::Release() {
  NoteLoss();
  if (cluster_) cluster_->Release();
  cluster_.reset();
  if (local_.held) context_.store->locks().Release(&local_);
  session_ = SessionKey();
}

}  // namespace clustered_session
