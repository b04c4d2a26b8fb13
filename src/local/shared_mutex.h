// SharedMutex: a robust mutex in shared memory, for the processes and threads of one server. Layer: local; the session
// layer has some in its own shared memory. When its owner dies, the kernel hands it to the next caller with kOwnerDied:
// that caller first repairs what the mutex guards, then calls MarkConsistent(). A child made by fork() never owns its
// parent's mutexes.
#ifndef CLUSTERED_SESSION_LOCAL_SHARED_MUTEX_H_
#define CLUSTERED_SESSION_LOCAL_SHARED_MUTEX_H_

#include <pthread.h>

#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

enum class LockOutcome : uint8_t {
  kLocked,
  kOwnerDied,  // locked as well, but what it guards may be half done
  kBusy,       // not locked: somebody has it, and the deadline is over
  kOwned,      // not locked again: this thread has it already
  kBroken,     // not locked: these bytes are no mutex any more
};

inline bool IsLocked(LockOutcome outcome) {
  return outcome == LockOutcome::kLocked || outcome == LockOutcome::kOwnerDied;
}

class SharedMutex {
 public:
  // REQUIRES: called once, before any other process or thread can see it.
  bool Init();

  // Waits; a mutex held longer than kWaitMax (its owner was stopped by a signal) is kBusy: nothing waits for ever.
  [[nodiscard]] LockOutcome Lock();
  [[nodiscard]] LockOutcome LockUntil(TimePoint deadline);
  [[nodiscard]] LockOutcome TryLock();

  // REQUIRES: the last lock of it said kOwnerDied, and this thread holds it.
  void MarkConsistent();
  // REQUIRES: this thread holds it.
  void Unlock();

  // Without a system call if it does.
  bool OwnedByThisThread();

  static constexpr Duration kWaitMax = std::chrono::seconds(10);

 private:
  pthread_mutex_t mutex_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SHARED_MUTEX_H_
