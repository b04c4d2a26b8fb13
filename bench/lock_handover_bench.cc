// What a session lock costs: nobody else wants it, another process waits for it, its holder is killed. Layer: bench.
// Beside the time of a handover stands that of a byte through a pipe, the barest way to wake another process.
// Counters are of the single times: median, 99th percentile and maximum.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "src/local/local_store.h"
#include "src/local/session_locks.h"

namespace clustered_session {

namespace {

constexpr std::chrono::seconds kLong{60};
// Long enough for a waiter to have fallen asleep after it has queued.
constexpr std::chrono::microseconds kSleepy{100};

TimePoint Now() { return std::chrono::steady_clock::now(); }

SessionKey KeyOf(uint64_t number) {
  SessionKey key;
  std::memcpy(key.bytes.data(), &number, sizeof number);
  return key;
}

// What the two processes of a benchmark share.
struct Shared {
  std::atomic<int> round;  // the partner has the lock in this round
  std::atomic<int> done;   // the last round that the benchmark is done with
  std::atomic<int64_t> began_ns;
};

class Stage {
 public:
  Stage() {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Result<std::unique_ptr<LocalStore>> store = LocalStore::Create(64u << 20, 0);
    if (memory == MAP_FAILED || !store.ok()) std::abort();
    shared = new (memory) Shared{};
    store_ = std::move(store.value());
    locks = &store_->locks();
  }
  ~Stage() {
    EndPartner();
    munmap(shared, sizeof(Shared));
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Another process, which ends with this one at the latest.
  void StartPartner(const std::function<void()>& body) {
    partner_ = fork();
    if (partner_ < 0) std::abort();
    if (partner_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    _exit(0);
  }
  void EndPartner() {
    if (partner_ == 0) return;
    kill(partner_, SIGKILL);
    waitpid(partner_, nullptr, 0);
    partner_ = 0;
  }

  SessionLock MustAcquire(uint64_t session) {
    Result<SessionLock> lock = locks->Acquire(KeyOf(session), Now() + kLong);
    if (!lock.ok()) std::abort();
    return *lock;
  }
  // For the partner, who holds the lock: until the benchmark sleeps behind it.
  void AwaitSleeper() {
    while (locks->GetUsage().waiting == 0) sched_yield();
    for (const TimePoint until = Now() + kSleepy; Now() < until;) {
    }
    shared->began_ns = ToNanos(Now());
  }

  Shared* shared;
  SessionLocks* locks;

 private:
  std::unique_ptr<LocalStore> store_;
  pid_t partner_ = 0;
};

class Times {
 public:
  void Add(benchmark::State* state, int64_t nanos) {
    state->SetIterationTime(static_cast<double>(nanos) * 1e-9);
    micros_.push_back(static_cast<double>(nanos) * 1e-3);
  }
  void Report(benchmark::State* state) {
    std::sort(micros_.begin(), micros_.end());
    if (micros_.empty()) return;
    state->counters["median_us"] = micros_[micros_.size() / 2];
    state->counters["p99_us"] = micros_[micros_.size() * 99 / 100];
    state->counters["max_us"] = micros_.back();
  }

 private:
  std::vector<double> micros_;
};

void Uncontended(benchmark::State& state) {
  Stage stage;
  const TimePoint deadline = Now() + std::chrono::hours(1);
  uint64_t session = 0;
  for (auto _ : state) {
    Result<SessionLock> lock = stage.locks->Acquire(KeyOf(++session % 1024), deadline);
    if (!lock.ok()) std::abort();
    stage.locks->Release(&*lock);
  }
}
BENCHMARK(Uncontended);

// From the beginning of the release to the waiter's return from its wait.
void Handover(benchmark::State& state) {
  Stage stage;
  stage.StartPartner([&] {
    for (int round = 1;; ++round) {
      SessionLock lock = stage.MustAcquire(1);
      stage.shared->round = round;
      stage.AwaitSleeper();
      stage.locks->Release(&lock);
      while (stage.shared->done != round) sched_yield();
    }
  });
  Times times;
  int round = 0;
  for (auto _ : state) {
    ++round;
    while (stage.shared->round != round) sched_yield();
    SessionLock lock = stage.MustAcquire(1);
    times.Add(&state, ToNanos(Now()) - stage.shared->began_ns);
    stage.locks->Release(&lock);
    stage.shared->done = round;
  }
  times.Report(&state);
}
BENCHMARK(Handover)->UseManualTime()->Iterations(2000)->Unit(benchmark::kMicrosecond);

void PipeWakeup(benchmark::State& state) {
  Stage stage;
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  stage.StartPartner([&] {
    for (int round = 1;; ++round) {
      stage.shared->round = round;
      for (const TimePoint until = Now() + 2 * kSleepy; Now() < until;) {
      }
      stage.shared->began_ns = ToNanos(Now());
      if (write(ends[1], "", 1) != 1) _exit(1);
      while (stage.shared->done != round) sched_yield();
    }
  });
  Times times;
  int round = 0;
  char byte = 0;
  for (auto _ : state) {
    ++round;
    while (stage.shared->round != round) sched_yield();
    if (read(ends[0], &byte, 1) != 1) std::abort();
    times.Add(&state, ToNanos(Now()) - stage.shared->began_ns);
    stage.shared->done = round;
  }
  times.Report(&state);
  stage.EndPartner();
  close(ends[0]);
  close(ends[1]);
}
BENCHMARK(PipeWakeup)->UseManualTime()->Iterations(2000)->Unit(benchmark::kMicrosecond);

// From the SIGKILL that the holder sends itself to the waiter's return from its wait.
void HolderKilled(benchmark::State& state) {
  Stage stage;
  Times times;
  for (auto _ : state) {
    stage.shared->round = 0;
    stage.StartPartner([&] {
      SessionLock lock = stage.MustAcquire(1);
      stage.shared->round = 1;
      stage.AwaitSleeper();
      kill(getpid(), SIGKILL);
      stage.locks->Release(&lock);
    });
    while (stage.shared->round != 1) sched_yield();
    SessionLock lock = stage.MustAcquire(1);
    times.Add(&state, ToNanos(Now()) - stage.shared->began_ns);
    stage.locks->Release(&lock);
    stage.EndPartner();
  }
  times.Report(&state);
}
BENCHMARK(HolderKilled)->UseManualTime()->Iterations(500)->Unit(benchmark::kMicrosecond);

}  // namespace

}  // namespace clustered_session

BENCHMARK_MAIN();
