// Workers that are killed in the middle of the session locks' work, at each named point of each way through it.
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/local/fault_journal.h"
#include "tests/local/lock_checks.h"

namespace clustered_session {

namespace {

constexpr std::chrono::milliseconds kShort{1};

// The points of lock_queues.cc and shared_session_locks.cc. A new one belongs here, and into a way that meets it.
const std::set<std::string> kPoints = {
    "lock.collect.one",   "lock.enqueue.filled",  "lock.enqueue.in_use",  "lock.enqueue.linked",
    "lock.enqueued",      "lock.give_up.begun",   "lock.holding",         "lock.inherit.passed_by",
    "lock.inherit.alone", "lock.leave.released",  "lock.node_freed",      "lock.node_taken",
    "lock.release.begun", "lock.release.left",    "lock.repair.cleared",  "lock.repair.one",
    "lock.unlink.half",   "lock.unlink.unlinked", "lock.wait.before_gone"};

// -- Each way through the locks: one worker, the doomed one, goes it among others whose steps are conditions, not
// times.

struct Stage {
  StoreFixture fixture;
  struct Signs {
    std::atomic<int> given;
  };
  Shared<Signs> signs;
  std::function<void()> before_doomed = [] {};  // in the doomed worker, as its first step
  std::optional<ChildProcess> doomed;
  std::vector<ChildProcess> others;  // all end with 0

  void StartDoomed(std::function<void()> body) {
    doomed.emplace([this, body = std::move(body)] {
      before_doomed();
      body();
      return 0;
    });
  }
  bool DoomedLives() { return !end_.ended && !(end_ = doomed->Wait(std::chrono::milliseconds(0))).ended; }
  ChildProcess::End EndOfDoomed() {
    if (!end_.ended) end_ = doomed->Wait(kLong);
    return end_;
  }
  void StartOther(uint64_t session) {
    others.emplace_back([this, session] { return TakesAndReleases(&fixture, session) ? 0 : 1; });
  }
  // Dies holding or waiting for the sessions from 0 up to `count`.
  ChildProcess Holder(uint32_t count = 1) {
    const int before = signs->given;
    ChildProcess child([this, count] {
      for (uint64_t session = 0; session < count; ++session) {
        if (!fixture.locks->Acquire(KeyOf(session), FromNow(kLong)).ok()) return 1;
      }
      signs->given.fetch_add(1);
      for (;;) pause();
    });
    REQUIRE(WaitUntil([&] { return signs->given == before + 1; }, kLong));
    return child;
  }
  SessionLock Hold(uint64_t session) {
    Result<SessionLock> lock = fixture.locks->Acquire(KeyOf(session), FromNow(kLong));
    REQUIRE(lock.ok());
    return *lock;
  }
  void AwaitWaiting(uint32_t wanted) {
    REQUIRE(WaitUntil([&] { return fixture.locks->GetUsage().waiting == wanted || !DoomedLives(); }, kLong));
  }
  // As much as comes before the doomed one's death.
  void AwaitAllWaiting(uint32_t wanted_with_doomed) {
    REQUIRE(WaitUntil(
        [&] {
          const uint32_t waiting = fixture.locks->GetUsage().waiting;
          return waiting >= wanted_with_doomed || (!DoomedLives() && waiting + 1 >= wanted_with_doomed);
        },
        kLong));
  }

 private:
  ChildProcess::End end_;
};

void Alone(Stage* stage) {
  stage->StartDoomed([stage] { TakesAndReleases(&stage->fixture, 0); });
}

void BeforeAWaiter(Stage* stage) {
  stage->StartDoomed([stage] {
    Result<SessionLock> lock = stage->fixture.locks->Acquire(KeyOf(0), FromNow(kLong));
    stage->signs->given = 1;
    while (stage->signs->given != 2) sched_yield();
    if (lock.ok()) stage->fixture.locks->Release(&*lock);
  });
  REQUIRE(WaitUntil([&] { return stage->signs->given == 1 || !stage->DoomedLives(); }, kLong));
  stage->StartOther(0);
  stage->AwaitWaiting(1);
  stage->signs->given = 2;
}

void Between(Stage* stage) {
  SessionLock held = stage->Hold(0);
  stage->StartDoomed([stage] { TakesAndReleases(&stage->fixture, 0); });
  stage->AwaitAllWaiting(1);
  stage->StartOther(0);
  stage->AwaitAllWaiting(2);
  stage->fixture.locks->Release(&held);
}

void BehindTheDead(Stage* stage) {
  ChildProcess holder = stage->Holder();
  ChildProcess waiter([stage] { return TakesAndReleases(&stage->fixture, 0) ? 0 : 1; });
  REQUIRE(WaitUntil([&] { return stage->fixture.locks->GetUsage().waiting == 1; }, kLong));
  stage->StartDoomed([stage] { TakesAndReleases(&stage->fixture, 0); });
  stage->AwaitAllWaiting(2);
  waiter.Kill();
  holder.Kill();
}

void GivesUpLast(Stage* stage) {
  SessionLock held = stage->Hold(0);
  stage->StartDoomed([stage] { (void)stage->fixture.locks->Acquire(KeyOf(0), FromNow(kShort)).ok(); });
  stage->EndOfDoomed();
  stage->StartOther(0);
  stage->fixture.locks->Release(&held);
}

// The first to want a session whose partition somebody died in.
void Repairs(Stage* stage) {
  SessionLock held = stage->Hold(0);
  ChildProcess dies([stage] {
    DieAt("lock.enqueue.in_use", 1);
    return TakesAndReleases(&stage->fixture, 0) ? 0 : 1;
  });
  REQUIRE(dies.Wait(kLong).signal == SIGKILL);
  stage->StartDoomed([stage] { (void)stage->fixture.locks->Acquire(KeyOf(0), FromNow(kShort)).ok(); });
  stage->EndOfDoomed();
  stage->StartOther(0);
  stage->fixture.locks->Release(&held);
}

// What a dead holder and the dead waiter behind it left, and all other nodes.
void TakesFromTheDead(Stage* stage) {
  SessionLock held = stage->Hold(1000);
  ChildProcess waiter([stage] { return TakesAndReleases(&stage->fixture, 1000) ? 0 : 1; });
  REQUIRE(WaitUntil([&] { return stage->fixture.locks->GetUsage().waiting == 1; }, kLong));
  ChildProcess holder = stage->Holder(stage->fixture.locks->GetUsage().capacity - 2);
  waiter.Kill();
  holder.Kill();
  stage->StartDoomed([stage] { TakesAndReleases(&stage->fixture, 1001); });
  stage->EndOfDoomed();
  stage->fixture.locks->Release(&held);
}

struct Way {
  const char* name;
  void (*go)(Stage*);
};
constexpr Way kWays[] = {{"alone", Alone},
                         {"before a waiter", BeforeAWaiter},
                         {"between a holder and a waiter", Between},
                         {"behind a dead waiter and a dead holder", BehindTheDead},
                         {"gives up as the last", GivesUpLast},
                         {"repairs what a death left", Repairs},
                         {"takes a node of the dead", TakesFromTheDead}};

}  // namespace

TEST_CASE("a worker killed at any named point of the session locks hangs nobody and frees its session", "[local]") {
  std::set<std::string> met;
  for (const Way& way : kWays) {
    CAPTURE(way.name);
    Shared<FaultRecord> record;
    {
      Stage stage;
      stage.before_doomed = [&] { RecordFaults(&*record); };
      way.go(&stage);
      REQUIRE(stage.EndOfDoomed().code == 0);
      for (ChildProcess& other : stage.others) REQUIRE(other.Wait(kLong).code == 0);
      RequireWhole(&stage.fixture, 3);
    }
    for (const auto& [point, times] : PointsOf(*record)) {
      met.insert(point);
      for (const uint64_t nth : std::set<uint64_t>{1, 2, (times + 1) / 2, times}) {
        if (nth > times) continue;
        CAPTURE(point, nth, times);
        Stage stage;
        stage.before_doomed = [point = point, nth] { DieAt(point, nth); };
        way.go(&stage);
        REQUIRE(stage.EndOfDoomed().signal == SIGKILL);
        for (ChildProcess& other : stage.others) REQUIRE(other.Wait(kLong).code == 0);
        RequireWhole(&stage.fixture, 3);
      }
    }
  }
  REQUIRE(met == kPoints);
}

}  // namespace clustered_session
