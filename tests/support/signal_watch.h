// In which thread this process handles its signals. Layer: tests. For a process that has nothing else to do with
// SIGUSR1.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_SIGNAL_WATCH_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_SIGNAL_WATCH_H_

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "tests/support/child_process.h"

namespace clustered_session {

class SignalWatch {
 public:
  SignalWatch() {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      handled_in_ = static_cast<pid_t>(syscall(SYS_gettid));
      ++handled_;
    };
    sigaction(SIGUSR1, &action, nullptr);
  }

  // Sends this process one. False: no thread handled it, or one beside the first.
  bool FirstThreadHandlesOne() {
    const int before = handled_;
    kill(getpid(), SIGUSR1);
    return WaitUntil([&] { return handled_ > before; }) && handled_in_ == getpid();
  }

 private:
  static inline std::atomic<pid_t> handled_in_{0};
  static inline std::atomic<int> handled_{0};
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_SIGNAL_WATCH_H_
