// A walk through all entries of the local store. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "tests/local/store_fixture.h"

using namespace clustered_session;

namespace {

struct WalkFixture : StoreFixture {
  WalkFixture() : StoreFixture(8u << 20) {}

  // How often each entry is met, in steps of `limit`; `between` happens after each.
  template <typename Between>
  std::map<uint64_t, int> Walk(size_t limit, const Between& between) {
    std::map<uint64_t, int> met;
    LocalStore::WalkPosition position;
    bool more = true;
    while (more) {
      std::vector<LocalStore::Walked> found;
      more = store->Walk(&position, limit, &found);
      CHECK(found.size() <= limit + 64);
      for (const LocalStore::Walked& each : found) {
        CHECK(each.entry.version == 1);
        ++met[each.key.Hash64()];
      }
      between();
    }
    return met;
  }
};

}  // namespace

TEST_CASE_METHOD(WalkFixture, "A walk meets every entry once, whatever its steps are", "[local]") {
  constexpr uint64_t kEntries = 2000;
  for (uint64_t i = 0; i < kEntries; ++i) REQUIRE(Put(i, 100, i % 3 == 0 ? kEntryUnreplicated : 0u));
  const size_t limit = GENERATE(1, 7, 64, 1000, 100'000);
  const std::map<uint64_t, int> met = Walk(limit, [] {});
  CHECK(met.size() == kEntries);
  CHECK(std::all_of(met.begin(), met.end(), [](const auto& each) { return each.second == 1; }));
}

TEST_CASE_METHOD(WalkFixture, "A walk of a store that changes meets once what stays", "[local]") {
  constexpr uint64_t kEntries = 1000;
  for (uint64_t i = 0; i < kEntries; ++i) REQUIRE(Put(i, 100));
  uint64_t next = kEntries;
  uint64_t gone = 0;
  const std::map<uint64_t, int> met = Walk(10, [&] {
    REQUIRE(Put(next++, 100));
    store->Erase(KeyOf(gone++));
  });
  for (uint64_t i = gone; i < kEntries; ++i) CHECK(met.at(KeyOf(i).Hash64()) == 1);
}

TEST_CASE("An empty store is walked through in a few steps", "[local]") {
  StoreFixture empty(64u << 20);
  LocalStore::WalkPosition position;
  std::vector<LocalStore::Walked> found;
  int steps = 1;
  while (empty.store->Walk(&position, 1000, &found)) ++steps;
  CHECK(found.empty());
  CHECK(steps < 100);
}

TEST_CASE_METHOD(WalkFixture, "A look at an entry is no use of it", "[local]") {
  // Entries that were used again survive a flood of others; those that were only looked at do not.
  for (uint64_t i = 0; i < 40; ++i) REQUIRE(Put(i, 1000));
  Entry entry;
  std::string payload;
  for (uint64_t i = 0; i < 20; ++i) {
    REQUIRE(store->Lookup(KeyOf(i), now, &entry, &payload));
    REQUIRE(store->Peek(KeyOf(20 + i), now, &entry, &payload));
    CHECK(payload == PayloadOf(20 + i, 1, 1000));
  }
  LocalStore::WalkPosition position;
  std::vector<LocalStore::Walked> found;
  while (store->Walk(&position, 1000, &found)) {
  }
  for (uint64_t i = 1000; i < 20'000; ++i) REQUIRE(Put(i, 1000));
  int used = 0;
  int looked_at = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    used += store->Peek(KeyOf(i), now, &entry, nullptr) ? 1 : 0;
    looked_at += store->Peek(KeyOf(20 + i), now, &entry, nullptr) ? 1 : 0;
  }
  CHECK(used > 0);
  CHECK(looked_at == 0);
}
