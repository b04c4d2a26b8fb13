// Which entries give way, and which never do.
#include "tests/local/one_hit_trace.h"
#include "tests/local/store_fixture.h"

namespace clustered_session {

TEST_CASE("expired entries give way before live ones", "[local]") {
  StoreFixture fixture;
  constexpr uint64_t kLive = 200;
  for (uint64_t i = 0; i < kLive; ++i) REQUIRE(fixture.Put(i, 1000));
  const Entry short_lived = EntryOf(1, fixture.now + std::chrono::seconds(1));
  uint64_t expired = 0;
  while (fixture.store->GetUsage().payload_used + 8000 < fixture.store->GetUsage().payload_memory) {
    const std::string payload(1000, 'x');
    REQUIRE(fixture.store->Put(KeyOf(10000 + expired++), short_lived, payload, fixture.now).ok());
  }
  REQUIRE(fixture.store->counters().evictions.Get() == 0);
  fixture.now += std::chrono::seconds(2);
  // As much again as the expired ones take, but for what lies in pieces too small.
  for (uint64_t i = 0; i < expired * 9 / 10; ++i) REQUIRE(fixture.Put(20000 + i, 1000));
  REQUIRE(fixture.store->counters().evictions.Get() == 0);
  REQUIRE(fixture.store->counters().expirations.Get() > expired / 2);
  for (uint64_t i = 0; i < kLive; ++i) REQUIRE(fixture.Has(i));
}

TEST_CASE("empty new sessions give way before sessions of visitors", "[local]") {
  StoreFixture fixture;
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(fixture.Put(i, 1000));
  uint64_t empty = 0;
  while (fixture.store->counters().evictions.Get() == 0) REQUIRE(fixture.Put(10000 + empty++, 0, kEntryLocalOnly));
  REQUIRE(empty > 1000);
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(fixture.Put(20000 + i, 300));
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(fixture.Has(i));
  REQUIRE(fixture.store->counters().evictions.Get() > 100);
  REQUIRE(fixture.store->CheckInvariants().empty());
}

TEST_CASE("sessions used again outlive any number of one-hit sessions", "[local][long]") {
  StoreFixture fixture;
  for (uint64_t i = 0; i < 200; ++i) REQUIRE(fixture.Put(i, 1000));
  for (uint64_t i = 0; i < 200; ++i) REQUIRE(fixture.Has(i));
  for (uint64_t i = 0; i < 20000; ++i) REQUIRE(fixture.Put(1000 + i, 1000));
  int left = 0;
  for (uint64_t i = 0; i < 200; ++i) left += fixture.Has(i) ? 1 : 0;
  // Mostly all but a few; which shard a session falls into is random, and one may be full of those in use. With plain
  // LRU none would be left.
  REQUIRE(left > 120);
}

TEST_CASE("where nine sessions in ten are one-hit, visitors are found more often than with plain LRU",
          "[local][long]") {
  StoreFixture fixture(4u << 20);
  PlainLru lru(fixture.store->GetUsage().payload_memory);
  OneHitTrace trace;
  constexpr size_t kSize = 2000;
  int requests = 0;
  int hits = 0;
  int lru_hits = 0;
  for (int i = 0; i < 200000; ++i) {
    const OneHitTrace::Request request = trace.Next();
    const bool hit = fixture.Has(request.session);
    if (!hit) REQUIRE(fixture.Put(request.session, kSize));
    const bool lru_hit = lru.Use(request.session, kSize + 128);
    if (request.returns && i > 20000) {
      ++requests;
      hits += hit ? 1 : 0;
      lru_hits += lru_hit ? 1 : 0;
    }
  }
  const double ratio = static_cast<double>(hits) / requests;
  const double lru_ratio = static_cast<double>(lru_hits) / requests;
  CAPTURE(ratio, lru_ratio);
  REQUIRE(ratio > lru_ratio);
  REQUIRE(fixture.store->CheckInvariants().empty());
}

TEST_CASE("unreplicated entries are never evicted, and a store full of them says so", "[local]") {
  StoreFixture fixture;
  uint64_t pinned = 0;
  uint64_t refused = 0;  // of those that nodes have, where all the others are unreplicated
  Status status;
  for (; status.ok(); ++pinned) {
    const Entry entry = EntryOf(1, fixture.expiry, kEntryUnreplicated);
    status = fixture.store->Put(KeyOf(pinned), entry, PayloadOf(pinned, 1, 2000), fixture.now);
    if (pinned % 2 == 0 && !fixture.Put(100000 + pinned, 500)) ++refused;
  }
  --pinned;
  REQUIRE(status.error().code() == ErrorCode::kNoMemory);
  REQUIRE(refused <= 2);
  REQUIRE(fixture.store->counters().store_full.Get() == 1 + refused);
  REQUIRE(pinned * 2000 > fixture.store->GetUsage().payload_memory * 85 / 100);
  REQUIRE(fixture.store->GetUsage().unreplicated == pinned);
  for (uint64_t i = 0; i < pinned; ++i) {
    std::string payload;
    REQUIRE(fixture.store->Lookup(KeyOf(i), fixture.now, nullptr, &payload));
    REQUIRE(payload == PayloadOf(i, 1, 2000));
  }
  REQUIRE_FALSE(fixture.Has(pinned));
  REQUIRE(fixture.store->CheckInvariants().empty());

  // A new version of one fits where its old one was, or the old one is gone.
  const bool fits = fixture.Put(0, 2000, kEntryUnreplicated, 2);
  Entry found;
  REQUIRE(fixture.store->Lookup(KeyOf(0), fixture.now, &found, nullptr) == fits);
  if (fits) REQUIRE(found.version == 2);

  // As soon as nodes have them, they give way.
  for (uint64_t i = 0; i < pinned; ++i) {
    fixture.store->Update(KeyOf(i), EntryOf(1, fixture.expiry), {}, EntryOf(1, fixture.expiry));
  }
  for (uint64_t i = 0; i < 1000; ++i) REQUIRE(fixture.Put(200000 + i, 2000));
  REQUIRE(fixture.store->CheckInvariants().empty());
}

TEST_CASE("an entry that changes its flags changes its place in the order of eviction", "[local]") {
  StoreFixture fixture;
  REQUIRE(fixture.Put(1, 100, kEntryLocalOnly));
  REQUIRE(fixture.Put(1, 100, kEntryUnreplicated));
  REQUIRE(fixture.store->GetUsage().unreplicated == 1);
  REQUIRE(fixture.Put(1, 2000));
  REQUIRE(fixture.store->GetUsage().unreplicated == 0);
  REQUIRE(
      fixture.store->Update(KeyOf(1), EntryOf(1, fixture.expiry), {}, EntryOf(2, fixture.expiry, kEntryUnreplicated)));
  REQUIRE(fixture.store->GetUsage().unreplicated == 1);
  REQUIRE(fixture.store->CheckInvariants().empty());
  REQUIRE(fixture.store->Erase(KeyOf(1)));
  REQUIRE(fixture.store->GetUsage().unreplicated == 0);
  REQUIRE(fixture.store->GetUsage().payload_used == 0);
}

}  // namespace clustered_session
