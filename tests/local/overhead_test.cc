// What an entry takes of local_memory beside its payload.
#include "tests/local/store_fixture.h"

namespace clustered_session {

TEST_CASE("an entry costs its 128 bytes of metadata and at most 15% of its payload, tables and rounding",
          "[local][long]") {
  // Sizes that rounding suits and such that it does not.
  for (const size_t size : {200, 209, 216, 217, 300, 345, 500, 1000, 2001, 4096, 10'000, 30'001, 65'536}) {
    StoreFixture fixture(16u << 20);
    const std::string payload(size, 'x');
    for (uint64_t i = 0; fixture.store->counters().evictions.Get() == 0; ++i) {
      REQUIRE(fixture.store->Put(KeyOf(i), EntryOf(1, fixture.expiry), payload, fixture.now).ok());
    }
    const LocalStore::Usage usage = fixture.store->GetUsage();
    // All of the memory but the session locks, of which there are as many without any entry.
    const size_t locks = fixture.store->segment().geometry.lock_nodes * sizeof(LockNode);
    const size_t bytes_per_entry = (usage.memory - locks) / usage.entries;
    CAPTURE(size, bytes_per_entry);
    REQUIRE(sizeof(EntryHead) == 128);
    REQUIRE((bytes_per_entry - size - sizeof(EntryHead)) * 100 <= 15 * size);
  }
}

TEST_CASE("no memory is lost to sizes that come and go", "[local]") {
  StoreFixture fixture(4u << 20);
  const std::string payload(65'536, 'x');
  uint64_t state = 1;
  uint64_t number = 0;
  const auto put = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    // From 200 bytes to 64 KB, each power of two as often as another.
    const size_t size = std::max<size_t>(200, (size_t{65'536} >> ((state >> 60) % 9)) - (state >> 33) % 100);
    REQUIRE(
        fixture.store
            ->Put(KeyOf(++number), EntryOf(1, fixture.expiry), std::string_view(payload).substr(0, size), fixture.now)
            .ok());
  };
  while (fixture.store->counters().evictions.Get() < 20'000) put();
  // Over many Puts, for one large entry may just have given way.
  uint64_t used = 0;
  for (int i = 0; i < 1000; ++i) {
    put();
    used += fixture.store->GetUsage().payload_used;
  }
  REQUIRE(used / 1000 * 100 >= 95 * fixture.store->GetUsage().payload_memory);
  REQUIRE(fixture.store->CheckInvariants().empty());
}

}  // namespace clustered_session
