// Child processes by fork(). Layer: tests.
#include "tests/support/child_process.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace clustered_session {

ChildProcess::ChildProcess(const std::function<int()>& body) : pid_(0) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ > 0) return;
  // No child outlives its test.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(98);
  int code = 99;
  try {
    code = body();
  } catch (...) {
  }
  _exit(code);
}

ChildProcess::~ChildProcess() { Kill(); }

ChildProcess::End ChildProcess::Wait(std::chrono::milliseconds limit) {
  End end;
  if (pid_ == 0) return end;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  int status = 0;
  for (;;) {
    const pid_t waited = waitpid(pid_, &status, WNOHANG);
    if (waited == pid_) break;
    if (waited < 0 || std::chrono::steady_clock::now() > deadline) return end;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  pid_ = 0;
  end.ended = true;
  if (WIFEXITED(status)) end.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

void ChildProcess::Send(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

void ChildProcess::Kill() {
  if (pid_ == 0) return;
  Send(SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

bool WaitUntil(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

void* MapShared(size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

void UnmapShared(void* memory, size_t size) { munmap(memory, size); }

}  // namespace clustered_session
