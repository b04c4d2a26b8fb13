// Causal contexts: which writes a record was made from, also when there are more intervals than room. Layer: tests.
#include "src/record/causal_context.h"

#include <catch2/catch.hpp>
#include <string>

using namespace clustered_session;

namespace {

constexpr uint32_t kA = 1;
constexpr uint32_t kB = 2;

// A context of `count` intervals that do not touch, of actors `first` and up; the last one grew last.
CausalContext Full(uint32_t first, size_t count) {
  CausalContext context;
  for (uint32_t i = 0; i < count; ++i) context.Add({first + i, 10}, 10);
  return context;
}

}  // namespace

TEST_CASE("A context contains the writes of its intervals and no others", "[record]") {
  CausalContext context;
  context.Add({kA, 10}, 5);
  CHECK(context.Contains({kA, 5}));
  CHECK(context.Contains({kA, 10}));
  CHECK_FALSE(context.Contains({kA, 4}));
  CHECK_FALSE(context.Contains({kA, 11}));
  CHECK_FALSE(context.Contains({kB, 7}));
  CHECK(context.Contains(Dot()));
  CHECK_FALSE(CausalContext().Contains({kA, 1}));
}

TEST_CASE("A server that remembers its writes extends its interval", "[record]") {
  CausalContext context;
  context.Add({kA, 10}, 10);
  context.Add({kA, 25}, 10);
  CHECK(context.size() == 1);
  CHECK(context.Contains({kA, 17}));
}

TEST_CASE("A server that has lost its copy does not claim the writes in between", "[record]") {
  CausalContext context;
  context.Add({kA, 10}, 0);
  context.Add({kA, 25}, 20);
  CHECK(context.size() == 2);
  CHECK_FALSE(context.Contains({kA, 15}));
  CHECK(context.Contains({kA, 20}));
  // Once the write in between is met, the gap closes.
  context.Add({kA, 19}, 11);
  CHECK(context.size() == 1);
  CHECK(context.Contains({kA, 15}));
}

TEST_CASE("Two contexts that are merged contain what either does", "[record]") {
  CausalContext mine;
  mine.Add({kA, 3}, 1);
  mine.Add({kB, 9}, 9);
  CausalContext theirs;
  theirs.Add({kA, 5}, 2);
  theirs.Add({3, 1}, 1);
  CHECK(mine.Absorb(theirs));
  CHECK(mine.Contains({kA, 1}));
  CHECK(mine.Contains({kA, 5}));
  CHECK(mine.Contains({kB, 9}));
  CHECK(mine.Contains({3, 1}));
  CHECK_FALSE(mine.Contains({kB, 8}));
  CHECK(mine.size() == 3);
}

TEST_CASE("What no longer fits is unknown, and that is said", "[record]") {
  CausalContext context = Full(1, CausalContext::kIntervalsMax);
  CHECK(context.Contains({1, 10}));
  CHECK_FALSE(context.Add({99, 7}, 7));
  CHECK(context.size() == CausalContext::kIntervalsMax);
  CHECK_FALSE(context.Contains({1, 10}));  // the one that grew longest ago
  CHECK(context.Contains({2, 10}));
  CHECK(context.Contains({99, 7}));
  CHECK(context.Add({99, 8}, 8));  // an interval that grows takes no room
}

TEST_CASE("Of two full contexts the own intervals stay", "[record]") {
  CausalContext mine = Full(1, CausalContext::kIntervalsMax);
  const CausalContext before = mine;
  CHECK_FALSE(mine.Absorb(Full(100, CausalContext::kIntervalsMax)));
  CHECK(mine == before);
}

TEST_CASE("A context is read as it was stored, and garbage is none", "[record]") {
  CausalContext context;
  context.Add({kA, (uint64_t{1} << 48) - 1}, uint64_t{1} << 40);
  context.Add({0xffffffff, 3}, 0);
  std::string bytes(context.stored_size(), '\0');
  context.Store(bytes.data());
  CausalContext read;
  REQUIRE(read.Load(bytes.data(), 2));
  CHECK(read == context);
  CHECK_FALSE(read.Load(std::string(CausalContext::kIntervalBytes, '\0').data(), 1));  // no actor
  std::string reversed(CausalContext::kIntervalBytes, '\0');
  reversed[0] = 1;
  reversed[4] = 2;  // from 2 to 0
  CHECK_FALSE(read.Load(reversed.data(), 1));
  CHECK_FALSE(read.Load(nullptr, CausalContext::kIntervalsMax + 1));
}
