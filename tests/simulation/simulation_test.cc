// Thousands of seeded histories, each kind of them a test. A violation prints its seed and its trace; scripts/simulate
// runs one seed, or any number. Layer: tests.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "src/base/sanitizers.h"
#include "tests/simulation/history.h"

using namespace clustered_session;

namespace {

#if CLUSTERED_SESSION_ADDRESS_SANITIZER
constexpr uint64_t kHistories = 200;  // of all kinds; each maps segments anew, which the sanitizer makes slow
#else
constexpr uint64_t kHistories = 4000;
#endif

uint64_t EnvironmentOr(const char* name, uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

struct Sum {
  uint64_t histories = 0;
  History::Tally tally;

  void Add(const History::Tally& one) {
    ++histories;
    tally.requests += one.requests;
    tally.acknowledged += one.acknowledged;
    tally.takeovers += one.takeovers;
    tally.conflicts += one.conflicts;
    tally.destroyed += one.destroyed;
    tally.unasked += one.unasked;
    tally.kills += one.kills;
    tally.faults += one.faults;
  }
};

Sum RunKind(Kind kind) {
  const uint64_t histories = EnvironmentOr("CLUSTERED_SESSION_HISTORIES", kHistories);
  Sum sum;
  for (uint64_t seed = static_cast<uint64_t>(kind); seed < histories; seed += kKinds) {
    History history(seed);
    const std::string violation = history.Run();
    if (!violation.empty()) {
      for (const std::string& line : history.trace()) UNSCOPED_INFO(line);
      FAIL("seed " << seed << ": " << violation);
    }
    sum.Add(history.tally());
  }
  // What was to happen has happened.
  CHECK(sum.tally.requests > sum.histories * 10);
  CHECK(sum.tally.acknowledged > sum.histories * 4);
  CHECK(sum.tally.unasked > sum.histories);
  return sum;
}

void Print(const std::vector<std::string>& trace) {
  for (const std::string& line : trace) std::cout << line << '\n';
}

}  // namespace

TEST_CASE("While nothing fails, nothing is lost, stale, overwritten or back again", "[simulation]") {
  const Sum sum = RunKind(Kind::kCalm);
  CHECK(sum.tally.conflicts > sum.histories / 4);
  CHECK(sum.tally.destroyed > sum.histories / 10);
}

TEST_CASE("Nothing acknowledged is lost, and nothing destroyed comes back, whatever single thing fails",
          "[simulation]") {
  const Sum sum = RunKind(Kind::kSingleFaults);
  CHECK(sum.tally.kills > sum.histories / 2);
  CHECK(sum.tally.destroyed > sum.histories / 10);
}

TEST_CASE("Nothing acknowledged is lost under partitions, lost answers and several faults at once", "[simulation]") {
  const Sum sum = RunKind(Kind::kManyFaults);
  CHECK(sum.tally.faults > sum.histories * 3);
  CHECK(sum.tally.conflicts > sum.histories / 4);
}

TEST_CASE("In strict mode, nothing destroyed comes back under several faults at once", "[simulation]") {
  const Sum sum = RunKind(Kind::kDestructions);
  CHECK(sum.tally.faults > sum.histories * 3);
  CHECK(sum.tally.destroyed > sum.histories / 10);
}

TEST_CASE("A seed is the same history each time", "[simulation][long]") {
  for (uint64_t seed = 100; seed < 120; ++seed) {
    History first(seed);
    (void)first.Run();
    History other(seed + 1);
    (void)other.Run();
    History again(seed);
    (void)again.Run();
    CHECK(first.trace() == again.trace());
  }
}

// What scripts/simulate runs. CLUSTERED_SESSION_SEED: the first seed; CLUSTERED_SESSION_TRACE: print every trace;
// CLUSTERED_SESSION_KEEP_GOING: go on after a violation, printing its line alone.
TEST_CASE("simulate", "[.simulate]") {
  const uint64_t first = EnvironmentOr("CLUSTERED_SESSION_SEED", 1);
  const uint64_t histories = EnvironmentOr("CLUSTERED_SESSION_HISTORIES", 1);
  const bool trace = std::getenv("CLUSTERED_SESSION_TRACE") != nullptr;
  const bool keep_going = std::getenv("CLUSTERED_SESSION_KEEP_GOING") != nullptr;
  const auto started = std::chrono::steady_clock::now();
  uint64_t violations = 0;
  Sum sum;
  for (uint64_t seed = first; seed < first + histories; ++seed) {
    History history(seed);
    const std::string violation = history.Run();
    sum.Add(history.tally());
    if (trace || (!violation.empty() && !keep_going)) Print(history.trace());
    if (!violation.empty()) {
      ++violations;
      std::cout << "seed " << seed << ": " << violation << std::endl;
      if (!keep_going) break;
    }
    if (sum.histories % 10'000 == 0) std::cout << sum.histories << " histories" << std::endl;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::cout << sum.histories << " histories in " << took.count() << " s: " << sum.tally.requests << " requests, "
            << sum.tally.acknowledged << " acknowledged changes, " << sum.tally.takeovers << " takeovers, "
            << sum.tally.conflicts << " conflicts, " << sum.tally.destroyed << " destructions, " << sum.tally.kills
            << " servers killed; " << violations << " violations" << std::endl;
  CHECK(violations == 0);
}
