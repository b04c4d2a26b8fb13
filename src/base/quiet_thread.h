// A thread beside PHP's: it handles no signal, so that what a program's signals are for is done where the program waits
// for it. Layer: base.
#ifndef CLUSTERED_SESSION_BASE_QUIET_THREAD_H_
#define CLUSTERED_SESSION_BASE_QUIET_THREAD_H_

#include <pthread.h>
#include <signal.h>

#include <exception>
#include <optional>
#include <thread>
#include <utility>

namespace clustered_session {

// Starts `main` in a new thread that has all signals blocked; none if there is no thread to be had.
template <typename Main>
std::optional<std::thread> StartQuietThread(Main main) {
  // The new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::optional<std::thread> thread;
  try {
    thread.emplace(std::move(main));
  } catch (const std::exception&) {
    // Left empty: no thread, or no memory for one.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_QUIET_THREAD_H_
