// Workers that are killed in the middle of the session locks' work: at each named point of each way through it, at
// random points of a busy day, and by others at any time.
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/local/fault_journal.h"
#include "tests/local/store_fixture.h"

namespace clustered_session {

namespace {

constexpr std::chrono::seconds kLong{100};  // never reached where the code is right, however loaded the machine is
constexpr std::chrono::milliseconds kShort{1};

// The points of lock_queues.cc and shared_session_locks.cc. A new one belongs here, and into a way that meets it.
const std::set<std::string> kPoints = {
    "lock.collect.one",   "lock.enqueue.filled",  "lock.enqueue.in_use",  "lock.enqueue.linked",
    "lock.enqueued",      "lock.give_up.begun",   "lock.holding",         "lock.inherit.passed_by",
    "lock.inherit.alone", "lock.leave.released",  "lock.node_freed",      "lock.node_taken",
    "lock.release.begun", "lock.release.left",    "lock.repair.cleared",  "lock.repair.one",
    "lock.unlink.half",   "lock.unlink.unlinked", "lock.wait.before_gone"};

bool TakesAndReleases(StoreFixture* fixture, uint64_t session) {
  Result<SessionLock> lock = fixture->locks->Acquire(KeyOf(session), FromNow(kLong));
  if (lock.ok()) fixture->locks->Release(&*lock);
  return lock.ok();
}

// REQUIRES: no worker lives.
void RequireWhole(StoreFixture* fixture, uint64_t sessions) {
  REQUIRE(fixture->locks->CheckInvariants() == "");
  const SessionLocks::Usage usage = fixture->locks->GetUsage();
  REQUIRE(usage.held == 0);
  REQUIRE(usage.waiting == 0);
  REQUIRE(fixture->locks->CheckInvariants() == "");
  for (uint64_t session = 0; session < sessions; ++session) {
    CAPTURE(session);
    Result<SessionLock> lock = fixture->locks->Acquire(KeyOf(session), FromNow(std::chrono::milliseconds(0)));
    REQUIRE(lock.ok());
    fixture->locks->Release(&*lock);
  }
}

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

// -- A busy day: workers that take a few sessions in turns, and die.
namespace {

constexpr int kWorkers = 8;
constexpr uint64_t kSessions = 3;
constexpr int kWorkersEver = 20000;

// Who has each session, by their own word. A worker that was killed cannot take its word back, but is known to be
// doomed. Workers are numbered over all that ever were.
struct Ledger {
  std::atomic<int> holder[kSessions];  // 1 + worker
  struct Worker {
    std::atomic<int> doomed;
    std::atomic<uint64_t> turns;
    std::atomic<const char*> last_point;  // a literal of the program
  };
  Worker workers[kWorkersEver];
  std::atomic<int> stop;
  std::atomic<int> wrongs;
  std::atomic<const char*> first_wrong;
  std::atomic<int> first_wrong_worker;
  std::atomic<int> first_wrong_other;  // 1 + worker, or the error's code

  void Note(const char* what, int worker, int other) {
    if (wrongs.fetch_add(1) != 0) return;
    first_wrong_worker = worker;
    first_wrong_other = other;
    first_wrong = what;
  }
  const char* PointOf(int worker) const {
    const char* point = worker < 0 || worker >= kWorkersEver ? nullptr : workers[worker].last_point.load();
    return point == nullptr ? "none" : point;
  }
};

// For the fault handler of a worker.
Ledger::Worker* this_worker = nullptr;
uint64_t points_to_live = 0;  // 0: for ever

void CountPoint(const char* name) {
  this_worker->last_point = name;
  if (points_to_live != 0 && --points_to_live == 0) kill(getpid(), SIGKILL);
}

class Day {
 public:
  // A child: works until the day ends, or until it has met `points` points.
  ChildProcess Start(int number, uint32_t seed, uint64_t points) {
    if (points != 0) ledger_->workers[number].doomed = 1;
    return ChildProcess([this, number, seed, points] {
      this_worker = &ledger_->workers[number];
      points_to_live = points;
      fault_handler = CountPoint;
      std::mt19937 random(seed);
      while (!ledger_->stop) Turn(number, random() % kSessions, random());
      return 0;
    });
  }

  void End(std::vector<std::optional<ChildProcess>>* living) {
    ledger_->stop = 1;
    for (std::optional<ChildProcess>& worker : *living) {
      INFO(Story());
      REQUIRE(worker->Wait(kLong).code == 0);
    }
    living->clear();
    ledger_->stop = 0;
    INFO(Story());
    REQUIRE(ledger_->wrongs == 0);
    RequireWhole(&fixture_, kSessions);
  }

  void NoteDeath(int number) { deaths_.push_back(number); }

  // For the log of a failure.
  std::string Story() const {
    std::string story;
    if (const char* wrong = ledger_->first_wrong.load()) {
      const int worker = ledger_->first_wrong_worker;
      const int other = ledger_->first_wrong_other;
      story = "worker " + std::to_string(worker) + " (last point " + ledger_->PointOf(worker) + ") " + wrong + " " +
              std::to_string(other) + " (if a worker: last point " + ledger_->PointOf(other - 1) + ")\n";
    }
    story += "last deaths:";
    for (size_t i = deaths_.size() < 12 ? 0 : deaths_.size() - 12; i < deaths_.size(); ++i) {
      story += " " + std::to_string(deaths_[i]) + " after " + ledger_->PointOf(deaths_[i]) + ";";
    }
    return story;
  }

  Ledger& ledger() { return *ledger_; }

 private:
  void Turn(int number, uint64_t session, uint32_t dice) {
    // At once, soon or never out of patience.
    const std::chrono::microseconds patience[] = {std::chrono::microseconds(0), std::chrono::microseconds(dice % 500),
                                                  kLong};
    const std::chrono::microseconds wait = patience[dice % 3];
    Result<SessionLock> lock = fixture_.locks->Acquire(KeyOf(session), std::chrono::steady_clock::now() + wait);
    ledger_->workers[number].turns.fetch_add(1);
    if (!lock.ok()) {
      if (lock.error().code() != ErrorCode::kTimeout || wait == kLong) {
        ledger_->Note("was refused a session with the error code", number, static_cast<int>(lock.error().code()));
      }
      return;
    }
    const int before = ledger_->holder[session].exchange(number + 1);
    if (before != 0 && ledger_->workers[before - 1].doomed == 0) {
      ledger_->Note("got a session that is held by 1 +", number, before);
    }
    if (dice % 16 < 4) sched_yield();
    int mine = number + 1;
    if (!ledger_->holder[session].compare_exchange_strong(mine, 0)) {
      ledger_->Note("has lost its session to 1 +", number, mine);
    }
    fixture_.locks->Release(&*lock);
  }

  StoreFixture fixture_;
  Shared<Ledger> ledger_;
  std::vector<int> deaths_;
};

int Wanted(int deaths) {
  const char* wanted = std::getenv("CLUSTERED_SESSION_TEST_KILLS");
  return std::min(wanted == nullptr ? deaths : std::atoi(wanted), kWorkersEver / 2);
}

}  // namespace

TEST_CASE("workers that die at points of the session locks among others hang nobody", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Day day;
  int number = 0;
  // All is looked at after each round; the next ones find what it left.
  for (const int deaths = Wanted(200); number < 2 * deaths;) {
    std::vector<ChildProcess> doomed;
    std::vector<std::optional<ChildProcess>> living;
    const int first = number;
    for (int i = 0; i < kWorkers / 2; ++i) {
      doomed.push_back(day.Start(number++, static_cast<uint32_t>(random()), 1 + random() % 200));
      living.push_back(day.Start(number++, static_cast<uint32_t>(random()), 0));
    }
    for (size_t i = 0; i < doomed.size(); ++i) {
      INFO(day.Story());
      REQUIRE(doomed[i].Wait(kLong).signal == SIGKILL);
      day.NoteDeath(first + 2 * static_cast<int>(i));
    }
    day.End(&living);
  }
}

TEST_CASE("workers killed at random hang no session and let no two have one", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Day day;
  constexpr int kKillsPerRound = 50;
  int number = 0;
  for (int kills = Wanted(250); kills > 0; kills -= kKillsPerRound) {
    std::vector<std::optional<ChildProcess>> workers;
    std::array<int, kWorkers> numbers{};
    for (int& mine : numbers) {
      mine = number;
      workers.push_back(day.Start(number++, static_cast<uint32_t>(random()), 0));
    }
    for (int kill = 0; kill < kKillsPerRound; ++kill) {
      const size_t place = random() % kWorkers;
      // One that got on a little, so that it dies at work.
      const uint64_t turns = random() % 10;
      INFO(day.Story());
      REQUIRE(WaitUntil([&] { return day.ledger().workers[numbers[place]].turns > turns; }, kLong));
      day.ledger().workers[numbers[place]].doomed = 1;
      workers[place]->Kill();
      day.NoteDeath(numbers[place]);
      numbers[place] = number;
      workers[place].emplace(day.Start(number++, static_cast<uint32_t>(random()), 0));
    }
    day.End(&workers);
  }
}

}  // namespace clustered_session
