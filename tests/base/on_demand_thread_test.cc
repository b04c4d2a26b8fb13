// The thread that exists only while there is work: started, ended, asked again, forked. Layer: tests.
#include "src/base/on_demand_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/signal_watch.h"

using namespace clustered_session;
using namespace std::chrono_literals;

namespace {

void AwaitStop(OnDemandThread* thread) {
  while (!thread->stopping()) thread->Pause(1h);
}

}  // namespace

TEST_CASE("A thread on demand ends with its work, and starts again when it is asked to", "[base][threads]") {
  std::atomic<int> rounds{0};
  OnDemandThread thread([&] { ++rounds; });
  CHECK_FALSE(thread.running());
  for (int round = 1; round <= 3; ++round) {
    REQUIRE(thread.Start());
    REQUIRE(WaitUntil([&] { return !thread.running(); }));
    CHECK(rounds == round);
  }
}

TEST_CASE("Whoever asks while the work runs has it run once more", "[base][threads]") {
  std::atomic<int> rounds{0};
  std::atomic<bool> go_on{false};
  OnDemandThread thread([&] {
    ++rounds;
    while (!go_on) std::this_thread::yield();
  });
  REQUIRE(thread.Start());
  REQUIRE(WaitUntil([&] { return rounds == 1; }));
  REQUIRE(thread.Start());
  REQUIRE(thread.Start());
  go_on = true;
  REQUIRE(WaitUntil([&] { return !thread.running(); }));
  CHECK(rounds == 2);
}

// Each item is added before the thread is asked for. If none is left behind, the last round has seen the last item.
TEST_CASE("Nothing is left behind, however the end of the work and new work meet", "[base][threads]") {
  constexpr int kThreads = 3;
  constexpr int kItems = 300;
  std::atomic<int> waiting{0};
  std::atomic<int> done{0};
  OnDemandThread thread([&] { done += waiting.exchange(0); });
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int item = 0; item < kItems; ++item) {
        ++waiting;
        (void)thread.Start();
      }
    });
  }
  for (std::thread& each : threads) each.join();
  CHECK(WaitUntil([&] { return done == kThreads * kItems; }));
}

TEST_CASE("A stop ends any wait of the work, and no thread starts afterwards", "[base][threads]") {
  std::atomic<bool> woken{false};
  std::atomic<int> rounds{0};
  OnDemandThread pauses([&] {
    ++rounds;
    AwaitStop(&pauses);
  });
  OnDemandThread waits_itself(
      [&] {
        ++rounds;
        while (!woken) std::this_thread::yield();
      },
      [&] { woken = true; });
  for (OnDemandThread* thread : {&pauses, &waits_itself}) {
    REQUIRE(thread->Start());
    REQUIRE(WaitUntil([&] { return rounds > 0; }));
    thread->Stop();
    CHECK_FALSE(thread->running());
    CHECK_FALSE(thread->Start());
    thread->Stop();
    rounds = 0;
  }
}

TEST_CASE("A child made by fork leaves the thread of its parent alone", "[base]") {
  ChildProcess parent([] {
    std::optional<OnDemandThread> thread;
    thread.emplace([&thread] { AwaitStop(&*thread); });
    if (!thread->Start()) return 1;
    ChildProcess child([&] {
      if (thread->Mine() || thread->running() || thread->Start()) return 1;
      thread->Stop();
      thread.reset();
      std::atomic<bool> done{false};
      OnDemandThread own([&] { done = true; });
      return own.Start() && WaitUntil([&] { return done.load(); }) ? 0 : 2;
    });
    if (child.Wait().code != 0) return 2;
    return thread->running() ? 0 : 3;
  });
  CHECK(parent.Wait().code == 0);
}

TEST_CASE("A thread on demand handles no signal of the process", "[base]") {
  ChildProcess process([] {
    SignalWatch signals;
    OnDemandThread thread([&thread] { AwaitStop(&thread); });
    if (!thread.Start()) return 1;
    for (int i = 0; i < 50; ++i) {
      if (!signals.FirstThreadHandlesOne()) return 2;
    }
    return 0;
  });
  CHECK(process.Wait().code == 0);
}
