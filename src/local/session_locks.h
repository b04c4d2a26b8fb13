// SessionLocks: one holder per session among all workers of this server, in order of arrival. Layer: local.
// Held for a whole request, unlike the store's mutexes. The kernel frees the lock of a holder that dies (robust
// mutexes), whatever it died of; a child made by fork() never owns its parent's locks and must not release them.
#ifndef CLUSTERED_SESSION_LOCAL_SESSION_LOCKS_H_
#define CLUSTERED_SESSION_LOCAL_SESSION_LOCKS_H_

#include <cstdint>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/base/session_key.h"

namespace clustered_session {

// A held lock: a value that its holder passes back to Release.
struct SessionLock {
  uint32_t partition = 0;  // of the lock table; sessions share it
  uint32_t place = 0;      // this holder's place in the queue
  uint64_t ticket = 0;
  bool held = false;
};

class SessionLocks {
 public:
  struct Usage {
    uint32_t held = 0;
    uint32_t waiting = 0;
    uint32_t capacity = 0;        // sessions that can be locked or waited for at once
    int64_t longest_wait_ns = 0;  // since the segment was made
  };

  virtual ~SessionLocks() = default;

  // Waits, in order of arrival, until this thread holds the lock of `key`. Woken at once by release or death of the one
  // before. Uncontended: no system call. Not recursive: a thread asks once per key.
  // Errors: kTimeout after `deadline`; at once, kTooMany when `waiters_max` others wait for it already (0: any number
  // may), and kNoMemory when more than `capacity` locks are in use.
  virtual Result<SessionLock> Acquire(const SessionKey& key, TimePoint deadline, uint32_t waiters_max = 0) = 0;

  // Releases and sets held = false. A lock taken by another process (before a fork) is left alone.
  virtual void Release(SessionLock* lock) = 0;

  virtual Usage GetUsage() const = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_SESSION_LOCKS_H_
