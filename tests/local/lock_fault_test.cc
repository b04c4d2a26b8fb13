// Workers that are killed in the middle of the session locks' work: at each named point, and at random.
#include <cstdlib>
#include <optional>
#include <random>

#include "tests/local/fault_journal.h"
#include "tests/local/store_fixture.h"

namespace clustered_session {

namespace {

constexpr int kWorkers = 4;
constexpr uint64_t kSessions = 3;

constexpr int kWorkersEver = 20000;

// Who has each session, by their own word. A worker that was killed cannot take its word back, but is known to be
// doomed. Workers are numbered over all that ever were.
struct Ledger {
  std::atomic<int> holder[kSessions];  // 1 + worker
  std::atomic<int> doomed[kWorkersEver];
  std::atomic<uint64_t> turns[kWorkersEver];
  std::atomic<int> violations;
  std::atomic<int> failures;
  std::atomic<int> stop;
};

class Worker {
 public:
  Worker(StoreFixture* fixture, Ledger* ledger, int index) : fixture_(fixture), ledger_(ledger), index_(index) {}

  int Run(uint32_t seed) {
    std::mt19937 random(seed);
    while (!ledger_->stop) Turn(random() % kSessions, random());
    return 0;
  }

 private:
  void Turn(uint64_t session, uint32_t dice) {
    const std::chrono::microseconds wait{dice % 3 == 0 ? 0 : dice % 3 == 1 ? dice % 500 : 20'000'000};
    Result<SessionLock> lock = fixture_->locks->Acquire(KeyOf(session), std::chrono::steady_clock::now() + wait);
    ledger_->turns[index_].fetch_add(1);
    if (!lock.ok()) {
      if (lock.error().code() != ErrorCode::kTimeout || wait > std::chrono::seconds(1)) ledger_->failures.fetch_add(1);
      return;
    }
    const int before = ledger_->holder[session].exchange(index_ + 1);
    if (before != 0 && ledger_->doomed[before - 1] == 0) ledger_->violations.fetch_add(1);
    if (dice % 16 == 0) sched_yield();
    int mine = index_ + 1;
    if (!ledger_->holder[session].compare_exchange_strong(mine, 0)) ledger_->violations.fetch_add(1);
    fixture_->locks->Release(&*lock);
  }

  StoreFixture* fixture_;
  Ledger* ledger_;
  int index_;
};

void RequireWhole(StoreFixture* fixture, const Ledger& ledger) {
  REQUIRE(ledger.violations == 0);
  REQUIRE(ledger.failures == 0);
  REQUIRE(fixture->locks->CheckInvariants() == "");
  const SessionLocks::Usage usage = fixture->locks->GetUsage();
  REQUIRE(usage.held == 0);
  REQUIRE(usage.waiting == 0);
  REQUIRE(fixture->locks->CheckInvariants() == "");
  for (uint64_t i = 0; i < kSessions; ++i) {
    Result<SessionLock> lock = fixture->locks->Acquire(KeyOf(i), FromNow(std::chrono::milliseconds(0)));
    REQUIRE(lock.ok());
    fixture->locks->Release(&*lock);
  }
}

// Two workers die at the points that are named (null: lives), two go on and end well.
void RunWithDeaths(const std::array<const char*, 2>& points, FaultRecord* record) {
  StoreFixture fixture;
  Shared<Ledger> ledger;
  std::vector<ChildProcess> workers;
  for (int i = 0; i < kWorkers; ++i) {
    const char* point = i < 2 ? points[static_cast<size_t>(i)] : nullptr;
    if (point != nullptr) ledger->doomed[i] = 1;
    workers.emplace_back([&, i, point] {
      if (record != nullptr) RecordFaults(record);
      if (point != nullptr) DieAt(point, 3);
      return Worker(&fixture, &*ledger, i).Run(static_cast<uint32_t>(i));
    });
  }
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i] != nullptr) REQUIRE(workers[i].Wait().signal == SIGKILL);
  }
  // The others get on, all of them.
  const uint64_t from[] = {ledger->turns[2], ledger->turns[3]};
  REQUIRE(WaitUntil([&] { return ledger->turns[2] > from[0] + 100 && ledger->turns[3] > from[1] + 100; }));
  if (record != nullptr) REQUIRE(WaitUntil([&] { return fixture.store->counters().lock_timeouts.Get() > 50; }));
  ledger->stop = 1;
  for (size_t i = 0; i < workers.size(); ++i) {
    if (i >= 2 || points[i] == nullptr) REQUIRE(workers[i].Wait().code == 0);
  }
  RequireWhole(&fixture, *ledger);
}

}  // namespace

TEST_CASE("a worker killed at any named point of the session locks hangs nobody and frees its session", "[local]") {
  Shared<FaultRecord> record;
  RunWithDeaths({nullptr, nullptr}, &*record);
  const auto points = PointsOf(*record);
  REQUIRE(points.size() > 10);
  for (const auto& [name, times] : points) {
    CAPTURE(name, times);
    if (times < 100) continue;  // rare ones could take long to be met again
    RunWithDeaths({name, nullptr}, nullptr);
  }
  // Points that are only met after a death: the first worker dies, the second while it repairs what that left.
  for (const char* repairing : {"lock.repair.cleared", "lock.repair.one"}) {
    StoreFixture fixture;
    Shared<Ledger> ledger;
    SessionLock held = *fixture.locks->Acquire(KeyOf(0), FromNow(std::chrono::seconds(20)));
    const auto die_at = [&](const char* point) {
      return ChildProcess([&fixture, point] {
        DieAt(point, 1);
        (void)fixture.locks->Acquire(KeyOf(0), FromNow(std::chrono::seconds(20))).ok();
        return 0;
      });
    };
    REQUIRE(die_at("lock.enqueue.in_use").Wait().signal == SIGKILL);
    REQUIRE(die_at(repairing).Wait().signal == SIGKILL);
    REQUIRE(die_at("lock.enqueue.filled").Wait().signal == SIGKILL);
    fixture.locks->Release(&held);
    RequireWhole(&fixture, *ledger);
  }
}

TEST_CASE("workers killed at random hang no session and let no two have one", "[local]") {
  const char* kills_wanted = std::getenv("CLUSTERED_SESSION_TEST_KILLS");
  const int kills = kills_wanted == nullptr ? 250 : std::atoi(kills_wanted);
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  StoreFixture fixture;
  Shared<Ledger> ledger;
  REQUIRE(kills < kWorkersEver);
  std::array<std::optional<ChildProcess>, kWorkers> workers;
  std::array<int, kWorkers> numbers{};
  for (int number = 0; number < kills; ++number) {
    const size_t place = random() % kWorkers;
    ledger->doomed[numbers[place]] = 1;
    workers[place].reset();  // kills it
    numbers[place] = number;
    const auto worker_seed = static_cast<uint32_t>(random());
    workers[place].emplace([&, number] { return Worker(&fixture, &*ledger, number).Run(worker_seed); });
    const uint64_t more = random() % 100;
    REQUIRE(WaitUntil([&] { return ledger->turns[number] > more; }));
  }
  ledger->stop = 1;
  for (auto& worker : workers) {
    if (worker) REQUIRE(worker->Wait().code == 0);
  }
  RequireWhole(&fixture, *ledger);
}

}  // namespace clustered_session
