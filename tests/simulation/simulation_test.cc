// Thousands of seeded histories; a violation prints its seed and its trace. Layer: tests.
// CLUSTERED_SESSION_TEST_SEED=<seed> replays one, CLUSTERED_SESSION_HISTORIES=<n> runs that many. Without them the same
// seeds are run each time.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/simulation/history.h"

using namespace clustered_session;

namespace {

constexpr uint64_t kFirstSeed = 1;
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kHistories = 200;  // each maps segments anew, which the sanitizer makes slow
#else
constexpr uint64_t kHistories = 3000;
#endif

uint64_t EnvironmentOr(const char* name, uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

// Returns how many histories violated something; the first is reported.
void RunHistories(const HistoryOptions& options) {
  const uint64_t first = EnvironmentOr("CLUSTERED_SESSION_TEST_SEED", kFirstSeed);
  const uint64_t count = std::getenv("CLUSTERED_SESSION_TEST_SEED") != nullptr
                             ? 1
                             : EnvironmentOr("CLUSTERED_SESSION_HISTORIES", kHistories);
  History::Tally sum;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    History history(seed, options);
    const std::string violation = history.Run();
    if (!violation.empty()) {
      for (const std::string& line : history.trace()) UNSCOPED_INFO(line);
      FAIL("seed " << seed << ": " << violation);
    }
    sum.requests += history.tally().requests;
    sum.acknowledged += history.tally().acknowledged;
    sum.takeovers += history.tally().takeovers;
    sum.conflicts += history.tally().conflicts;
  }
  if (count < 100) return;
  CHECK(sum.acknowledged > count * 3);
  CHECK(sum.takeovers > count);
  CHECK(sum.conflicts > count / 20);
}

}  // namespace

TEST_CASE("Nothing acknowledged is lost or overwritten while one copy of it survives", "[simulation]") {
  HistoryOptions options;
  options.partitions = false;
  options.lossy = false;
  options.destroys = false;
  options.one_at_a_time = true;
  RunHistories(options);
}

TEST_CASE("Nothing acknowledged is lost, and nothing destroyed comes back", "[simulation]") {
  HistoryOptions options;
  options.partitions = false;
  options.lossy = false;
  options.one_at_a_time = true;
  RunHistories(options);
}

TEST_CASE("Nothing acknowledged is lost under partitions, lost answers and several faults at once", "[simulation]") {
  HistoryOptions options;
  options.destroys = false;
  RunHistories(options);
}
