// What the store does is counted in steps, which are the fault points met: they grow with what a call does, and not
// with the memory, the entries that live, or those that have expired.
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/local/fault_journal.h"
#include "tests/local/store_fixture.h"

namespace clustered_session {

namespace {

std::map<std::string, uint64_t> counted;  // points by name, of this process

// Counts the points that are met while it lives.
class PointCounter {
 public:
  PointCounter() {
    counted.clear();
    fault_handler = [](const char* name) { ++counted[name]; };
  }
  ~PointCounter() { fault_handler = nullptr; }
  PointCounter(const PointCounter&) = delete;
  PointCounter& operator=(const PointCounter&) = delete;

  uint64_t Of(const char* name) const { return counted.count(name) == 0 ? 0 : counted.at(name); }
  uint64_t All() const {
    uint64_t all = 0;
    for (const auto& [name, times] : counted) all += times;
    return all;
  }
};

// A session that is over then.
void PutUntil(StoreFixture* fixture, uint64_t number, size_t size, TimePoint expiry) {
  REQUIRE(fixture->store->Put(KeyOf(number), EntryOf(1, expiry), PayloadOf(number, 1, size), fixture->now).ok());
}

}  // namespace

TEST_CASE("a sweep takes steps for what has expired, none for memory or for what lives", "[local]") {
  const size_t memory = GENERATE(size_t{1} << 20, size_t{64} << 20);
  StoreFixture fixture(memory);
  for (uint64_t i = 0; i < 1500; ++i) REQUIRE(fixture.Put(i, 50));
  {
    const PointCounter points;
    REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
    CHECK(points.All() == 0);
  }
  constexpr uint64_t kExpired = 70;
  for (uint64_t i = 0; i < kExpired; ++i) PutUntil(&fixture, 10'000 + i, 50, fixture.now + std::chrono::seconds(5));
  fixture.now += std::chrono::seconds(6);
  {
    const PointCounter points;
    REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == kExpired);
    CHECK(points.Of("table.remove.unlinked") == kExpired);
    // The last of a group is followed by one look at the group that tells when the next one expires.
    CHECK(points.Of("table.expiry.vain") <= kExpired);
  }
  const PointCounter points;
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
  CHECK(points.All() == 0);
  CHECK(fixture.store->CheckInvariants() == "");
}

TEST_CASE("a session that was used again costs the sweep one look in vain, once", "[local]") {
  StoreFixture fixture(4u << 20);
  constexpr uint64_t kUsed = 50;
  for (uint64_t i = 0; i < kUsed; ++i) PutUntil(&fixture, i, 50, fixture.now + std::chrono::seconds(5));
  for (uint64_t i = 0; i < kUsed; ++i) PutUntil(&fixture, i, 50, fixture.now + std::chrono::seconds(1000));
  fixture.now += std::chrono::seconds(6);
  {
    const PointCounter points;
    REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
    CHECK(points.All() == points.Of("table.expiry.vain"));
    CHECK(points.Of("table.expiry.vain") > kUsed / 2);
    CHECK(points.Of("table.expiry.vain") <= kUsed);
  }
  const PointCounter points;
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
  CHECK(points.All() == 0);
}

TEST_CASE("a Put while thousands of entries expire removes what it needs and no more", "[local][long]") {
  StoreFixture fixture(16u << 20);
  uint64_t number = 0;
  while (fixture.store->counters().evictions.Get() == 0) {
    PutUntil(&fixture, number++, 300, fixture.now + std::chrono::seconds(5));
  }
  REQUIRE(number > 20'000);
  fixture.now += std::chrono::seconds(6);
  uint64_t removed_most = 0;
  uint64_t vain_most = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    const PointCounter points;
    PutUntil(&fixture, 1'000'000 + i, 1000, fixture.now + std::chrono::seconds(1000));
    removed_most = std::max(removed_most, points.Of("table.remove.unlinked"));
    vain_most = std::max(vain_most, points.Of("table.expiry.vain"));
  }
  CAPTURE(removed_most, vain_most);
  // 1000 bytes take the place of three such entries; where two lie apart, it is tried once more.
  CHECK(removed_most <= 2 * 3);
  CHECK(vain_most <= 2 * 16);
  CHECK(fixture.store->counters().evictions.Get() == 1);
}

TEST_CASE("a large Put into a full store of small entries evicts at most 2.5 times its size", "[local][long]") {
  const size_t small = GENERATE(1, 200, 700);
  const size_t size = GENERATE(16'000, 65'536);
  StoreFixture fixture(8u << 20);
  uint64_t number = 0;
  // Of several sizes, some of which have made place for others, so that what is free lies in pieces.
  const auto put_small = [&] {
    ++number;
    REQUIRE(fixture.Put(number, small + number % 40));
  };
  while (fixture.store->counters().evictions.Get() < 2000) put_small();
  uint64_t evicted_most = 0;
  uint64_t evicted_all = 0;
  constexpr uint64_t kPuts = 20;
  for (uint64_t i = 0; i < kPuts; ++i) {
    const LocalStore::Usage before = fixture.store->GetUsage();
    REQUIRE(fixture.Put(10'000'000 + i, size));
    const LocalStore::Usage after = fixture.store->GetUsage();
    // What is there of it, without its pieces' headers, and what had to go for it.
    const uint64_t evicted = before.payload_used + size - std::min(after.payload_used, before.payload_used + size);
    evicted_most = std::max(evicted_most, evicted);
    evicted_all += evicted;
    for (uint64_t j = 0; j < 300; ++j) put_small();
  }
  CAPTURE(small, size, evicted_most, evicted_all / kPuts);
  CHECK(evicted_most <= size * 5 / 2 + small + 256);
  CHECK(evicted_all / kPuts <= size * 3 / 2);
  CHECK(fixture.store->CheckInvariants() == "");
}

TEST_CASE("after a worker's death the next one takes a bounded number of steps, and other shards none",
          "[local][long]") {
  const char* point = GENERATE("table.insert.linked", "table.edit.sealed", "arena.push.half", "table.remove.dequeued");
  uint64_t steps_most = 0;
  for (const uint64_t entries : {uint64_t{10}, uint64_t{20'000}}) {
    StoreFixture fixture(32u << 20);
    for (uint64_t i = 0; i < entries; ++i) REQUIRE(fixture.Put(i, 500));
    ChildProcess child([&] {
      DieAt(point, 1);
      for (uint64_t i = 0;; ++i) {
        (void)fixture.Put(i % 10, 600, 0, 2);
        (void)fixture.Put(1'000'000, 600);
        fixture.store->Erase(KeyOf(1'000'000));
      }
      return 0;
    });
    REQUIRE(child.Wait().signal == SIGKILL);
    uint64_t shards_recovered = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      const uint64_t before = fixture.store->counters().store_repairs.Get();
      const PointCounter points;
      (void)fixture.Has(i % entries);
      CAPTURE(counted);
      const bool recovered = fixture.store->counters().store_repairs.Get() != before;
      if (!recovered) REQUIRE(points.All() == 0);
      shards_recovered += recovered ? 1 : 0;
      steps_most = std::max(steps_most, points.All());
      for (const auto& [name, times] : counted) REQUIRE(name.substr(0, 7) != "repair.");
    }
    REQUIRE(fixture.store->CheckInvariants() == "");
    if (entries > 1000) REQUIRE(shards_recovered == 1);
    REQUIRE(fixture.store->counters().store_repairs.Get() == 1);
    for (uint64_t i = 0; i < entries; ++i) REQUIRE(fixture.Has(i));
  }
  CAPTURE(steps_most);
  CHECK(steps_most < 100);
}

TEST_CASE("a lookup that cannot look is told from one that finds nothing", "[local]") {
  StoreFixture fixture;
  REQUIRE(fixture.Put(1, 100));
  const Segment& segment = fixture.store->segment();
  const LookupResult missing = fixture.store->Lookup(KeyOf(2), fixture.now, nullptr, nullptr);
  CHECK_FALSE(missing);
  CHECK_FALSE(missing.unknown());
  // Not even this thread gets a mutex twice: as if a worker that was stopped had them.
  for (uint32_t i = 0; i < segment.geometry.shard_count; ++i) REQUIRE(IsLocked(segment.shard(i)->mutex.Lock()));
  for (const uint64_t number : {1, 2}) {
    CHECK(fixture.store->Lookup(KeyOf(number), fixture.now, nullptr, nullptr).unknown());
    CHECK(fixture.store->LookupOver(KeyOf(number), fixture.now, nullptr, nullptr).unknown());
  }
  for (uint32_t i = 0; i < segment.geometry.shard_count; ++i) segment.shard(i)->mutex.Unlock();
  CHECK(fixture.Has(1));
}

TEST_CASE("every byte of local_memory up to a terabyte is planned for", "[local]") {
  for (const uint64_t gigabytes : {63, 64, 65, 96, 128, 500, 1024, 16384}) {
    const uint64_t memory = gigabytes << 30;
    const Result<Geometry> plan = PlanSegment(memory, 0);
    REQUIRE(plan.ok());
    CAPTURE(gigabytes, plan->arena_count, plan->arena_units, plan->shard_count);
    CHECK(uint64_t{plan->arena_units} * plan->arena_count * kUnitBytes > memory / 100 * 96);
    CHECK(plan->arena + uint64_t{plan->arena_units} * plan->arena_count * kUnitBytes <= memory);
    CHECK(plan->arena_count * 4 <= plan->shard_count);
  }
  const Result<Geometry> refused = PlanSegment(LocalStore::kMemoryMax + (1u << 20), 0);
  REQUIRE(refused.error().code() == ErrorCode::kInvalidArgument);
  REQUIRE(refused.error().message().find("at most") != std::string::npos);
}

TEST_CASE("a store of a terabyte has sessions in all its arenas", "[local][large]") {
  const Result<Geometry> plan = PlanSegment(size_t{1} << 40, 0);
  REQUIRE(plan.ok());
  // Never filled: the system need not have it.
  void* base = mmap(nullptr, plan->memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    WARN("this system maps no terabyte; skipped");
    return;
  }
  const Result<Segment> segment = MakeSegment(*plan, base);
  REQUIRE(segment.ok());
  SharedStore store(*segment, 7);  // unmaps it
  store.MakeEmpty();
  const TimePoint now = At(1000);
  constexpr uint64_t kSessions = 500;
  for (uint64_t i = 0; i < kSessions; ++i) {
    REQUIRE(store.Put(KeyOf(i), EntryOf(i + 1, At(2000)), PayloadOf(i, 1, 1000), now).ok());
  }
  for (uint64_t i = 0; i < kSessions; ++i) {
    Entry entry;
    std::string payload;
    REQUIRE(store.Lookup(KeyOf(i), now, &entry, &payload));
    REQUIRE(entry.version == i + 1);
    REQUIRE(payload == PayloadOf(i, 1, 1000));
  }
  uint32_t arenas_used = 0;
  for (uint32_t i = 0; i < plan->arena_count; ++i) {
    if (segment->arena(i).free_units() < plan->arena_units - 2) ++arenas_used;
  }
  CHECK(arenas_used == plan->arena_count);
  CHECK(store.GetUsage().entries == kSessions);
  CHECK(store.RemoveExpired(At(3000), 1000) == kSessions);
}

}  // namespace clustered_session
