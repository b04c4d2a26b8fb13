// Thousands of wide histories. A violation prints its seed and its trace; the hidden test runs one seed, or any number,
// with all that may be drawn. Layer: tests.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "src/base/sanitizers.h"
#include "tests/simulation/wide_history.h"

using namespace clustered_session;

namespace {

#if CLUSTERED_SESSION_ADDRESS_SANITIZER
constexpr uint64_t kHistories = 24;
#else
constexpr uint64_t kHistories = 3000;
#endif

uint64_t EnvironmentOr(const char* name, uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

// CLUSTERED_SESSION_BREADTH: names of parts, each with a "-" in front if it is left out; none: what is kept today.
Breadth GivenBreadth() {
  Breadth breadth = KeptBreadth();
  const char* given = std::getenv("CLUSTERED_SESSION_BREADTH");
  if (given == nullptr) return breadth;
  breadth = Breadth();
  std::istringstream names(given);
  for (std::string name; names >> name;) {
    const bool left_out = name[0] == '-';
    if (!SetBreadth(left_out ? name.substr(1) : name, !left_out, &breadth)) FAIL("no such breadth: " << name);
  }
  return breadth;
}

void RunKind(WideKind kind) {
  // An eighth of what the narrow ones run.
  const uint64_t histories = EnvironmentOr("CLUSTERED_SESSION_HISTORIES", kHistories * 8) / 8;
  uint64_t acknowledged = 0;
  uint64_t ran = 0;
  for (uint64_t seed = static_cast<uint64_t>(kind); seed < histories; seed += kWideKinds) {
    WideHistory history(seed, KeptBreadth());
    const std::string violation = history.Run();
    if (!violation.empty()) {
      for (const std::string& line : history.trace()) UNSCOPED_INFO(line);
      FAIL("wide seed " << seed << ": " << violation);
    }
    acknowledged += history.tally().acknowledged;
    ++ran;
  }
  CHECK(acknowledged > ran * 4);
}

}  // namespace

TEST_CASE("With several sessions, while nothing fails, nothing is lost or back again", "[simulation][wide]") {
  RunKind(WideKind::kCalm);
}

TEST_CASE("With several sessions, only what faults have taken from every node is lost or back again",
          "[simulation][wide]") {
  RunKind(WideKind::kSingle);
}

TEST_CASE("With several sessions, many faults lose and bring back only what they have taken from every node",
          "[simulation][wide]") {
  RunKind(WideKind::kMany);
}

TEST_CASE("A wide seed is the same history each time", "[simulation][wide][long]") {
  Breadth all;
  SetBreadth("all", true, &all);
  for (uint64_t seed = 100; seed < 112; ++seed) {
    WideHistory first(seed, all);
    (void)first.Run();
    WideHistory again(seed, all);
    (void)again.Run();
    CHECK(first.trace() == again.trace());
  }
}

// As "simulate" in simulation_test.cc, and CLUSTERED_SESSION_BREADTH. CLUSTERED_SESSION_KIND: only this one.
TEST_CASE("simulate wide", "[.simulate_wide]") {
  const uint64_t first = EnvironmentOr("CLUSTERED_SESSION_SEED", 1);
  const uint64_t histories = EnvironmentOr("CLUSTERED_SESSION_HISTORIES", 1);
  const uint64_t kind = EnvironmentOr("CLUSTERED_SESSION_KIND", kWideKinds);
  const bool trace = std::getenv("CLUSTERED_SESSION_TRACE") != nullptr;
  const bool keep_going = std::getenv("CLUSTERED_SESSION_KEEP_GOING") != nullptr;
  const Breadth breadth = GivenBreadth();
  uint64_t violations = 0;
  uint64_t ran = 0;
  WideHistory::Tally sum;
  for (uint64_t seed = first; seed < first + histories; ++seed) {
    if (kind < kWideKinds && seed % kWideKinds != kind) continue;
    WideHistory history(seed, breadth);
    const std::string violation = history.Run();
    ++ran;
    sum.requests += history.tally().requests;
    sum.acknowledged += history.tally().acknowledged;
    sum.destroyed += history.tally().destroyed;
    sum.whole += history.tally().whole;
    sum.regenerated += history.tally().regenerated;
    sum.conflicts += history.tally().conflicts;
    sum.lists += history.tally().lists;
    if (trace || (!violation.empty() && !keep_going)) {
      for (const std::string& line : history.trace()) std::cout << line << '\n';
    }
    if (violation.empty()) continue;
    ++violations;
    std::cout << "seed " << seed << ": " << violation << std::endl;
    if (!keep_going) break;
  }
  std::cout << ran << " histories: " << sum.requests << " requests, " << sum.acknowledged << " acknowledged changes, "
            << sum.conflicts << " conflicts, " << sum.destroyed << " destructions, " << sum.regenerated
            << " IDs regenerated, " << sum.lists << " lists given, " << sum.whole << " times whole; " << violations
            << " violations" << std::endl;
  CHECK(violations == 0);
}
