// Child processes of a test, and memory they share with it. Layer: tests.
// Every child is killed and waited for at the end of its ChildProcess, also if the test fails; nothing else is ever
// ended.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_CHILD_PROCESS_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <new>
#include <utility>

namespace clustered_session {

class ChildProcess {
 public:
  // Forks; the child runs `body` and exits with what it returns. It must not use Catch's assertions.
  explicit ChildProcess(const std::function<int()>& body);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;

  struct End {
    bool ended = false;  // false: it still runs
    int code = -1;       // its exit code, or -1 if a signal ended it
    int signal = 0;
  };

  // Waits up to `limit` for its end.
  End Wait(std::chrono::milliseconds limit = std::chrono::seconds(20));
  void Send(int signal) const;
  // SIGKILL, and waits.
  void Kill();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;  // 0 = waited for
};

// Waits until `condition` holds; false after `limit`.
bool WaitUntil(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(20));

void* MapShared(size_t size);
void UnmapShared(void* memory, size_t size);

// A value that a test and its children share. T is made of atomics and plain numbers, zeroed.
template <typename T>
class Shared {
 public:
  Shared() : value_(new (MapShared(sizeof(T))) T{}) {}
  ~Shared() { UnmapShared(value_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T* operator->() const { return value_; }
  T& operator*() const { return *value_; }

 private:
  T* value_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_CHILD_PROCESS_H_
