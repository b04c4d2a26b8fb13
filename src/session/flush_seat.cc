// Waiting and waking over processes. Layer: session.
#include "src/session/flush_seat.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <thread>

#include "src/base/sanitizers.h"

// The thread sanitizer does not see sem_clockwait.
#if CLUSTERED_SESSION_THREAD_SANITIZER || !defined(__GLIBC__)
#define CLUSTERED_SESSION_NO_CLOCKWAIT 1
#elif !__GLIBC_PREREQ(2, 30)
#define CLUSTERED_SESSION_NO_CLOCKWAIT 1
#endif

namespace clustered_session {

bool FlushSeat::Init() { return taken.Init() && sem_init(&wake, /*pshared=*/1, 0) == 0; }

void FlushSeat::NotePending() {
  pending.store(kPending);
  int posted = 0;
  if (sem_getvalue(&wake, &posted) == 0 && posted <= 0) Wake();
}

void FlushSeat::Wake() { sem_post(&wake); }

bool FlushSeat::Take() {
  const LockOutcome outcome = taken.TryLock();
  if (outcome == LockOutcome::kOwnerDied) taken.MarkConsistent();
  return IsLocked(outcome);
}

void FlushSeat::Wait(Duration wait) {
  const TimePoint until = std::chrono::steady_clock::now() + std::max(wait, Duration::zero());
#ifndef CLUSTERED_SESSION_NO_CLOCKWAIT
  const int64_t nanos = ToNanos(until);
  timespec time;
  time.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
  time.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  while (sem_clockwait(&wake, CLOCK_MONOTONIC, &time) != 0 && errno == EINTR) {
  }
#else
  // Only the wall clock can be waited for here, and nothing may depend on it: looks again and again instead.
  constexpr Duration kLook = std::chrono::milliseconds(2);
  while (sem_trywait(&wake) != 0) {
    const TimePoint now = std::chrono::steady_clock::now();
    if (now >= until) return;
    std::this_thread::sleep_for(std::min<Duration>(kLook, until - now));
  }
#endif
}

}  // namespace clustered_session
