// When entries expire, and how they are removed then.
#include "tests/local/store_fixture.h"

namespace clustered_session {

TEST_CASE("an expired entry is a miss and gone, also if no node ever had it", "[local]") {
  StoreFixture fixture;
  const Entry entry = EntryOf(1, fixture.now + std::chrono::seconds(5));
  Entry unreplicated = entry;
  unreplicated.flags = kEntryUnreplicated;
  REQUIRE(fixture.store->Put(KeyOf(1), entry, "a", fixture.now).ok());
  REQUIRE(fixture.store->Put(KeyOf(2), entry, "b", fixture.now).ok());
  REQUIRE(fixture.store->Put(KeyOf(3), unreplicated, "c", fixture.now).ok());
  REQUIRE(fixture.store->Put(KeyOf(4), unreplicated, "d", fixture.now).ok());
  fixture.now += std::chrono::microseconds(4999999);
  REQUIRE(fixture.Has(1));
  fixture.now += std::chrono::microseconds(1);
  REQUIRE_FALSE(fixture.Has(1));
  REQUIRE_FALSE(fixture.Has(3));
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 10) == 2);
  REQUIRE(fixture.store->counters().expirations.Get() == 4);
  REQUIRE(fixture.store->GetUsage().entries == 0);
  REQUIRE(fixture.store->GetUsage().unreplicated == 0);
}

TEST_CASE("no more expired entries are removed than asked for, and all in the end", "[local]") {
  StoreFixture fixture;
  const Entry entry = EntryOf(1, fixture.now + std::chrono::seconds(5));
  for (uint64_t i = 0; i < 500; ++i) REQUIRE(fixture.store->Put(KeyOf(i), entry, "x", fixture.now).ok());
  for (uint64_t i = 500; i < 600; ++i) REQUIRE(fixture.Put(i, 10));
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
  fixture.now += std::chrono::seconds(6);
  for (int i = 0; i < 5; ++i) REQUIRE(fixture.store->RemoveExpired(fixture.now, 90) == 90);
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 90) == 50);
  REQUIRE(fixture.store->GetUsage().entries == 100);
}

TEST_CASE("what expires is found after a repair as before, whatever came or was changed since", "[local]") {
  const auto [looked_before, looked_after, changed] = GENERATE(table<bool, bool, bool>(
      {{false, false, false}, {true, false, false}, {false, true, false}, {false, false, true}, {true, true, true}}));
  StoreFixture fixture;
  const auto put = [&](uint64_t number, int seconds) {
    const Entry entry = EntryOf(1, fixture.now + std::chrono::seconds(seconds));
    REQUIRE(fixture.store->Put(KeyOf(number), entry, "x", fixture.now).ok());
  };
  for (uint64_t i = 0; i < 200; ++i) put(i, 5);
  for (uint64_t i = 200; i < 300; ++i) put(i, 1000);
  if (looked_before) REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
  fixture.store->segment().header()->needs_repair = 1;
  REQUIRE(fixture.store->CheckInvariants().empty());
  REQUIRE(fixture.store->counters().store_repairs.Get() == 1);
  if (looked_after) REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == 0);
  if (changed) {
    for (uint64_t i = 300; i < 400; ++i) put(i, 4);
    for (uint64_t i = 200; i < 250; ++i) {  // some live shorter from now on
      Entry before;
      REQUIRE(fixture.store->Lookup(KeyOf(i), fixture.now, &before, nullptr));
      Entry after = before;
      after.expires_at_ns = ToNanos(fixture.now + std::chrono::seconds(3));
      REQUIRE(fixture.store->Update(KeyOf(i), before, {}, after));
    }
  }
  fixture.now += std::chrono::seconds(6);
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == (changed ? 350 : 200));
  REQUIRE(fixture.store->GetUsage().entries == (changed ? 50 : 100));
  fixture.now += std::chrono::seconds(1000);
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == (changed ? 50 : 100));
}

}  // namespace clustered_session
