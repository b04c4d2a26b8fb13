// Robust process-shared mutexes on pthreads. Layer: local.
#include "src/local/shared_mutex.h"

#include <cerrno>
#include <ctime>

#include "src/base/sanitizers.h"

// The thread sanitizer does not see pthread_mutex_clocklock.
#if CLUSTERED_SESSION_THREAD_SANITIZER || !defined(__GLIBC__)
#define CLUSTERED_SESSION_NO_CLOCKLOCK 1
#endif

namespace clustered_session {

namespace {

// A critical section of the store is shorter than a sleep and its wakeup.
constexpr int kSpins = 16;

LockOutcome OutcomeOf(int error) {
  switch (error) {
    case 0:
      return LockOutcome::kLocked;
    case EOWNERDEAD:
      return LockOutcome::kOwnerDied;
    case EBUSY:
    case ETIMEDOUT:
      return LockOutcome::kBusy;
    case EDEADLK:
      return LockOutcome::kOwned;
    default:
      return LockOutcome::kBroken;
  }
}

timespec ToTimespec(int64_t nanos) {
  timespec time;
  time.tv_sec = static_cast<time_t>(nanos / 1'000'000'000);
  time.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  return time;
}

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

bool SharedMutex::Init() {
  pthread_mutexattr_t attributes;
  if (pthread_mutexattr_init(&attributes) != 0) return false;
  // ERRORCHECK, because only then an owner's second lock is an answer instead of a hang.
  const bool made = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0 &&
                    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
                    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
                    pthread_mutex_init(&mutex_, &attributes) == 0;
  pthread_mutexattr_destroy(&attributes);
  return made;
}

LockOutcome SharedMutex::TryLock() { return OutcomeOf(pthread_mutex_trylock(&mutex_)); }

LockOutcome SharedMutex::Lock() {
  for (int i = 0; i < kSpins; ++i) {
    const LockOutcome outcome = TryLock();
    if (outcome != LockOutcome::kBusy) return outcome;
    Pause();
  }
  return LockUntil(std::chrono::steady_clock::now() + kWaitMax);
}

LockOutcome SharedMutex::LockUntil(TimePoint deadline) {
  const int64_t nanos = ToNanos(deadline) < 0 ? 0 : ToNanos(deadline);
#ifndef CLUSTERED_SESSION_NO_CLOCKLOCK
  const timespec time = ToTimespec(nanos);
  return OutcomeOf(pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &time));
#else
  // Only the wall clock can be waited for here; if it was set meanwhile, the wait goes on.
  for (;;) {
    const int64_t left = nanos - ToNanos(std::chrono::steady_clock::now());
    timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    const int64_t wall_nanos = static_cast<int64_t>(wall.tv_sec) * 1'000'000'000 + wall.tv_nsec;
    const timespec time = ToTimespec(left < 0 ? wall_nanos : wall_nanos + left);
    const int error = pthread_mutex_timedlock(&mutex_, &time);
    if (error != ETIMEDOUT || ToNanos(std::chrono::steady_clock::now()) >= nanos) return OutcomeOf(error);
  }
#endif
}

void SharedMutex::MarkConsistent() { pthread_mutex_consistent(&mutex_); }

void SharedMutex::Unlock() { pthread_mutex_unlock(&mutex_); }

bool SharedMutex::OwnedByThisThread() {
  const LockOutcome outcome = LockUntil(TimePoint{});
  if (outcome == LockOutcome::kOwnerDied) MarkConsistent();
  if (IsLocked(outcome)) Unlock();
  return outcome == LockOutcome::kOwned;
}

}  // namespace clustered_session
