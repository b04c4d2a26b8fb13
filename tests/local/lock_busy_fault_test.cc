// A busy day of the session locks: workers that take a few sessions in turns, and die at random points, or are killed
// by others at any time.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>

#include "tests/local/fault_journal.h"
#include "tests/local/lock_checks.h"

namespace clustered_session {

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
