// Which slot of shared memory belongs to a node. Mirrors src/cluster/health_table.h.
#include "src/cluster/health_table.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace clustered_session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart = FromNanos(1'000'000'000'000);
constexpr NodeTimeouts kTimeouts{milliseconds(100), milliseconds(250)};

std::unique_ptr<HealthTable> MakeTable() { return std::make_unique<HealthTable>(); }

// Keys of this and of no other test value.
uint64_t KeyOf(int number) { return HealthKey("node " + std::to_string(number), kTimeouts); }

void Fail(NodeHealth* health, TimePoint now) {
  for (uint32_t i = 0; i < kEvidenceMax; ++i) ReportFailure(health, NodeSign::kNoAnswer, now);
}

TEST_CASE("callers share a slot if they ask the same node with the same timeouts") {
  const uint64_t key = HealthKey("m1 10.0.0.1:11211", kTimeouts);
  CHECK(HealthKey("m1 10.0.0.1:11211", kTimeouts) == key);
  const std::vector<uint64_t> others = {
      HealthKey("m1 10.0.0.2:11211", kTimeouts),
      HealthKey("m1 10.0.0.1:11211", {milliseconds(100), milliseconds(1)}),
      HealthKey("m1 10.0.0.1:11211", {milliseconds(1), milliseconds(250)}),
      HealthKey("m1 10.0.0.1:11211", {milliseconds(250), milliseconds(100)}),
      HealthKey("m1 10.0.0.1:11211", kTimeouts, "another"),
  };
  std::set<uint64_t> keys(others.begin(), others.end());
  keys.insert(key);
  CHECK(keys.size() == others.size() + 1);
  for (const uint64_t each : keys) CHECK(each % 2 == 0);
}

TEST_CASE("every key has a slot of its own, and the same one each time") {
  const auto table = MakeTable();
  std::set<NodeHealth*> found;
  for (uint32_t i = 0; i < HealthTable::kSlots; ++i) {
    // Many of them want the same place.
    NodeHealth* slot = table->Find(2 * HealthTable::kSlots * (i + 1), kStart);
    REQUIRE(slot != nullptr);
    found.insert(slot);
  }
  CHECK(found.size() == HealthTable::kSlots);
  for (uint32_t i = 0; i < HealthTable::kSlots; ++i) {
    const uint64_t key = 2 * HealthTable::kSlots * (i + 1);
    CHECK(table->Find(key, kStart)->key.load() == key);
  }
  CHECK(table->Find(0, kStart) == nullptr);
  CHECK(table->InUse(kStart) == HealthTable::kSlots);
}

TEST_CASE("while all slots are in use a newcomer has memory of its own, and shares as soon as one is unused") {
  const auto table = MakeTable();
  std::vector<HealthHandle> held;
  for (uint32_t i = 0; i < HealthTable::kSlots; ++i) held.emplace_back(table.get(), KeyOf(static_cast<int>(i)), kStart);
  HealthHandle newcomer(table.get(), KeyOf(-1), kStart);
  CHECK_FALSE(newcomer.shared());
  CHECK(newcomer.holds());
  Fail(newcomer.Use(kStart), kStart);
  CHECK(Fails(newcomer->answers));

  // All but one go on.
  const TimePoint later = kStart + HealthTable::kIdle;
  for (size_t i = 1; i < held.size(); ++i) held[i].Use(later - milliseconds(1));
  NodeHealth* unused = held[0].get();
  CHECK(newcomer.Use(later) == unused);
  CHECK(newcomer.shared());
  CHECK(unused->key.load() == KeyOf(-1));
  HealthHandle neighbour(table.get(), KeyOf(-1), later);
  CHECK(neighbour.get() == unused);
  for (size_t i = 1; i < held.size(); ++i) CHECK(held[i].Use(later)->key.load() == KeyOf(static_cast<int>(i)));
}

TEST_CASE("a slot that was taken over begins anew, and its former holder neither reads nor writes it") {
  const auto table = MakeTable();
  HealthHandle former(table.get(), KeyOf(0), kStart);
  NodeHealth* slot = former.Use(kStart);
  Fail(slot, kStart);
  slot->item_size_max = 1000;
  slot->incarnation = 7;
  slot->classic = 7;
  slot->forgotten_at_ns = 1;
  slot->operations = 3;
  slot->address_sum = 5;
  const TimePoint later = kStart + seconds(60);
  std::vector<HealthHandle> others;
  for (uint32_t i = 1; i <= HealthTable::kSlots; ++i)
    others.emplace_back(table.get(), KeyOf(static_cast<int>(i)), later);
  CHECK(slot->key.load() != KeyOf(0));
  CHECK_FALSE(Fails(slot->answers));
  CHECK(slot->answers.tried_at_ns.load() == 0);
  CHECK(slot->failures.load() == 0);
  CHECK(slot->operations.load() == 0);
  CHECK(slot->item_size_max.load() == 0);
  CHECK(slot->incarnation.load() == 0);
  CHECK(slot->classic.load() == 0);
  CHECK(slot->forgotten_at_ns.load() == 0);
  CHECK(slot->address_sum.load() == 0);

  CHECK_FALSE(former.holds());
  CHECK(former.get() == slot);  // until it looks
  CHECK(former.Use(later) != slot);
  CHECK(former.holds());
  CHECK_FALSE(former.shared());
  CHECK(former->failures.load() == 0);
}

TEST_CASE("a slot whose claimer died before it was cleared is cleared by the next one") {
  const auto table = MakeTable();
  NodeHealth* slot = table->Find(KeyOf(1), kStart);
  Fail(slot, kStart);
  slot->key = KeyOf(2) | 1;  // as it is in the middle of a claim
  CHECK(table->Find(KeyOf(2), kStart) == slot);
  CHECK(slot->key.load() == KeyOf(2));
  CHECK_FALSE(Fails(slot->answers));
}

TEST_CASE("a handle without a table has memory that nobody takes") {
  NodeHealth health{};
  HealthHandle given(&health);
  CHECK(given.Use(kStart + seconds(3600)) == &health);
  CHECK(given.holds());
  HealthHandle own;
  HealthHandle moved = std::move(own);
  CHECK(moved.Use(kStart) != nullptr);
  CHECK_FALSE(moved.shared());
}

TEST_CASE("workers that claim slots at once agree on them", "[threads]") {
  constexpr int kNodes = 8;
  for (int round = 0; round < 50; ++round) {
    const auto table = MakeTable();
    std::vector<std::vector<NodeHealth*>> seen(4, std::vector<NodeHealth*>(kNodes));
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (size_t worker = 0; worker < seen.size(); ++worker) {
      threads.emplace_back([&, worker] {
        ++ready;
        while (ready.load() < 4) std::this_thread::yield();
        for (size_t i = 0; i < kNodes; ++i) {
          const size_t node = (i + worker * 3) % kNodes;
          seen[worker][node] = table->Find(2 * HealthTable::kSlots * (node + 1), kStart);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (size_t node = 0; node < kNodes; ++node) {
      REQUIRE(seen[0][node] != nullptr);
      CHECK(seen[0][node]->key.load() == 2 * HealthTable::kSlots * (node + 1));
      for (const auto& worker : seen) CHECK(worker[node] == seen[0][node]);
    }
  }
}

}  // namespace
}  // namespace clustered_session
