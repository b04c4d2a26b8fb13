// LocalStore as its callers see it, in one process.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <vector>

#include "tests/local/store_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {

TEST_CASE("a store in too little memory is refused with a reason", "[local]") {
  for (const size_t memory : {size_t{0}, size_t{1}, LocalStore::kMemoryMin - 1}) {
    const auto made = LocalStore::Create(memory, 0);
    REQUIRE_FALSE(made.ok());
    REQUIRE(made.error().code() == ErrorCode::kInvalidArgument);
    REQUIRE(made.error().message().find("local_memory") != std::string::npos);
  }
  REQUIRE(LocalStore::Create(LocalStore::kMemoryMin, 900 * 1024).error().code() == ErrorCode::kInvalidArgument);
  REQUIRE(LocalStore::Create(LocalStore::kMemoryMin, SIZE_MAX).error().code() == ErrorCode::kInvalidArgument);
  REQUIRE(LocalStore::Create(size_t{1} << 60, 0).error().code() == ErrorCode::kInvalidArgument);
  Geometry huge = *PlanSegment(LocalStore::kMemoryMin, 0);
  huge.memory = size_t{1} << 60;
  REQUIRE(MapSegment(huge).error().code() == ErrorCode::kNoMemory);
}

TEST_CASE("stores of odd sizes work", "[local]") {
  for (const size_t memory : {LocalStore::kMemoryMin, LocalStore::kMemoryMin + 1, size_t{3000001}, size_t{70} << 20}) {
    StoreFixture fixture(memory);
    REQUIRE(fixture.store->GetUsage().memory <= memory);
    REQUIRE(fixture.Put(1, fixture.store->PayloadMax()));
    REQUIRE(fixture.store->CheckInvariants().empty());
  }
}

TEST_CASE("the caller's own memory is zeroed, aligned and apart from the store's", "[local]") {
  StoreFixture fixture(LocalStore::kMemoryMin, 1000);
  auto* extra = static_cast<unsigned char*>(fixture.store->Extra());
  REQUIRE(reinterpret_cast<uintptr_t>(extra) % 64 == 0);
  REQUIRE(std::all_of(extra, extra + 1000, [](unsigned char byte) { return byte == 0; }));
  std::memset(extra, 0xff, 1000);
  REQUIRE(fixture.Put(1, 1000));
  REQUIRE(fixture.store->CheckInvariants().empty());
  REQUIRE(std::all_of(extra, extra + 1000, [](unsigned char byte) { return byte == 0xff; }));
}

TEST_CASE("an entry is updated only if its payload is the one that was seen", "[local]") {
  StoreFixture fixture;
  for (const size_t size : {size_t{40}, size_t{3000}, size_t{200000}}) {
    REQUIRE(fixture.Put(1, size));
    const Entry seen = EntryOf(1, fixture.expiry);
    const Entry changed = EntryOf(1, fixture.expiry, kEntryUnderReplicated);
    const std::string payload = PayloadOf(1, 1, size);
    CHECK(fixture.store->Update(KeyOf(1), seen, payload.substr(0, 12), changed));
    std::string other = payload.substr(0, 12);
    ++other[11];
    CHECK_FALSE(fixture.store->Update(KeyOf(1), seen, other, seen));
    CHECK_FALSE(fixture.store->Update(KeyOf(1), seen, payload + "x", seen));
    Entry found;
    REQUIRE(fixture.store->Lookup(KeyOf(1), fixture.now, &found, nullptr));
    CHECK(found.flags == kEntryUnderReplicated);
  }
}

TEST_CASE("huge pages are counted in the store's own memory alone", "[local]") {
  const TempDir dir;
  const std::string path = dir.path() + "/smaps";
  std::ofstream(path) << "7f0000000000-7f0000400000 rw-s 00000000 00:01 1 /dev/zero (deleted)\n"
                         "Size:               4096 kB\n"
                         "ShmemPmdMapped:     4096 kB\n"
                         "7f0000400000-7f0000c00000 rw-s 00000000 00:01 2 /dev/zero (deleted)\n"
                         "Size:               8192 kB\n"
                         "AnonHugePages:      2048 kB\n"
                         "ShmemPmdMapped:     6144 kB\n"
                         "VmFlags: rd wr sh hg dd\n"
                         "7f0000c00000-7f0000e00000 rw-s 00000000 00:01 3 /dev/zero (deleted)\n"
                         "ShmemPmdMapped:     2048 kB\n";
  const auto* base = reinterpret_cast<const void*>(uintptr_t{0x7f0000400000});
  REQUIRE(HugePageBytes(path.c_str(), base, 8u << 20) == size_t{6} << 20);
  REQUIRE(HugePageBytes((dir.path() + "/none").c_str(), base, 8u << 20) == 0);
  StoreFixture fixture;
  REQUIRE(fixture.store->HugeMemory() <= fixture.store->GetUsage().memory);
}

TEST_CASE("each store is another instance", "[local]") {
  StoreFixture a;
  StoreFixture b;
  REQUIRE(a.store->instance() != 0);
  REQUIRE(a.store->instance() == a.store->instance());
  REQUIRE(a.store->instance() != b.store->instance());
}

TEST_CASE("payloads from nothing to a quarter of the memory come back, larger ones are refused", "[local]") {
  StoreFixture fixture;
  const size_t max = fixture.store->PayloadMax();
  REQUIRE(max * 4 <= fixture.store->GetUsage().payload_memory);
  REQUIRE(max * 5 > fixture.store->GetUsage().payload_memory);
  const std::vector<size_t> sizes{0, 1, 8191, 8192, 8193, 65536, max - 1, max};
  for (const size_t size : sizes) {
    CAPTURE(size);
    REQUIRE(fixture.Put(7, size));
    std::string payload = "old";
    REQUIRE(fixture.store->Lookup(KeyOf(7), fixture.now, nullptr, &payload));
    REQUIRE(payload == PayloadOf(7, 1, size));
  }
  const std::string larger(max + 1, 'x');
  const Status refused = fixture.store->Put(KeyOf(7), EntryOf(2, fixture.expiry), larger, fixture.now);
  REQUIRE(refused.error().code() == ErrorCode::kTooLarge);
  REQUIRE_FALSE(fixture.Has(7));  // the one before would be stale
  REQUIRE(fixture.store->CheckInvariants().empty());
}

TEST_CASE("the largest payload fits into a store full of small ones", "[local]") {
  StoreFixture fixture;
  for (uint64_t i = 0; i < 5000; ++i) REQUIRE(fixture.Put(i, 100 + i % 900));
  const size_t max = fixture.store->PayloadMax();
  for (uint64_t i = 10000; i < 10010; ++i) {
    REQUIRE(fixture.Put(i, max));
    std::string payload;
    REQUIRE(fixture.store->Lookup(KeyOf(i), fixture.now, nullptr, &payload));
    REQUIRE(payload == PayloadOf(i, 1, max));
    REQUIRE(fixture.store->CheckInvariants().empty());
  }
}

TEST_CASE("unreplicated entries are listed with their pool, all of them before any again", "[local]") {
  StoreFixture fixture(4u << 20);
  constexpr uint64_t kUnreplicated = 300;
  for (uint64_t i = 0; i < kUnreplicated; ++i) {
    Entry entry = EntryOf(1, fixture.expiry, kEntryUnreplicated);
    entry.pool = static_cast<uint8_t>(i);
    REQUIRE(fixture.store->Put(KeyOf(i), entry, "x", fixture.now).ok());
  }
  for (uint64_t i = kUnreplicated; i < 2 * kUnreplicated; ++i) REQUIRE(fixture.Put(i, 10));
  std::set<uint64_t> seen;
  const auto list = [&](size_t limit) {
    const auto listed = fixture.store->ListUnreplicated(limit);
    REQUIRE(listed.size() <= limit);
    for (const auto& one : listed) {
      uint64_t number = 0;
      std::memcpy(&number, one.key.bytes.data(), sizeof number);
      REQUIRE(one.pool == static_cast<uint8_t>(number));
      REQUIRE(number < kUnreplicated);
      seen.insert(number);
    }
    return listed.size();
  };
  // Some of a shard may come twice while others come once, but none is kept waiting for ever.
  for (size_t listed = 0; listed < 8 * kUnreplicated;) {
    const size_t count = list(7);
    REQUIRE(count > 0);
    listed += count;
  }
  REQUIRE(seen.size() == kUnreplicated);
  REQUIRE(fixture.store->CheckInvariants().empty());
  for (uint64_t i = 1; i < kUnreplicated; ++i) REQUIRE(fixture.store->Erase(KeyOf(i)));
  seen.clear();
  REQUIRE(list(7) == 1);
  REQUIRE(seen == std::set<uint64_t>{0});
}

TEST_CASE("times are kept to the microsecond, rounded to the safe side", "[local]") {
  StoreFixture fixture;
  Entry entry = EntryOf(1, fixture.expiry);
  entry.expires_at_ns += 1999;
  entry.confirmed_at_ns = 5'000'000'001'999;
  entry.grace_until_ns = 5'000'000'001'001;
  entry.nodes_expire_at_ns = 5'000'000'001'999;
  REQUIRE(fixture.store->Put(KeyOf(1), entry, "", fixture.now).ok());
  Entry found;
  REQUIRE(fixture.store->Lookup(KeyOf(1), fixture.now, &found, nullptr));
  REQUIRE(found.expires_at_ns == entry.expires_at_ns - 999);
  REQUIRE(found.confirmed_at_ns == 5'000'000'001'000);
  REQUIRE(found.grace_until_ns == 5'000'000'002'000);
  REQUIRE(found.nodes_expire_at_ns == 5'000'000'001'000);
}

TEST_CASE("more node names than the store can number cost tokens, nothing else", "[local]") {
  StoreFixture fixture;
  for (uint32_t i = 1; i < 400; ++i) {
    Entry entry = EntryOf(i, fixture.expiry);
    entry.tokens[0] = {i, 1, i};
    REQUIRE(fixture.store->Put(KeyOf(i), entry, "", fixture.now).ok());
    Entry found;
    REQUIRE(fixture.store->Lookup(KeyOf(i), fixture.now, &found, nullptr));
    REQUIRE(found.tokens[0] == (i <= 255 ? entry.tokens[0] : EntryToken{}));
  }
}

TEST_CASE("while a shard cannot be looked at, every pool counts as in use", "[local]") {
  StoreFixture fixture;
  CHECK(fixture.store->PoolsInUse().none());
  SharedMutex& mutex = fixture.store->segment().shard(0)->mutex;
  REQUIRE(IsLocked(mutex.Lock()));  // not even this thread gets it twice
  CHECK(fixture.store->PoolsInUse().all());
  mutex.Unlock();
  CHECK(fixture.store->PoolsInUse().none());
}

TEST_CASE("The usage is told in time while a stopped worker holds a part, and says what it lacks", "[local]") {
  StoreFixture fixture;
  for (uint64_t i = 0; i < 300; ++i) REQUIRE(fixture.Put(i, 300));  // some in each part
  const LocalStore::Usage whole = fixture.store->GetUsage();
  CHECK(whole.busy_parts == 0);
  Shared<std::atomic<int>> holds;
  const ChildProcess stopped([&] {
    const bool locked = IsLocked(fixture.store->segment().shard(0)->mutex.Lock()) &&
                        IsLocked(fixture.store->segment().partition(0)->mutex.Lock());
    *holds = locked ? 1 : 2;
    for (;;) pause();
    return 0;
  });
  REQUIRE(WaitUntil([&] { return *holds == 1; }));
  stopped.Send(SIGSTOP);
  const TimePoint began = std::chrono::steady_clock::now();
  const LocalStore::Usage usage = fixture.store->GetUsage();
  const SessionLocks::Usage locks = fixture.locks->GetUsage();
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));  // of the 10 that others wait
  CHECK(usage.busy_parts == 1);
  CHECK(usage.entries == whole.entries);
  CHECK(usage.payload_used < whole.payload_used);
  CHECK(locks.capacity > 0);
}

TEST_CASE("The usage takes back what a dead worker left, like everybody", "[local]") {
  StoreFixture fixture;
  REQUIRE(fixture.Put(1, 300));
  ChildProcess dies([&] { return IsLocked(fixture.store->segment().shard(0)->mutex.Lock()) ? 0 : 1; });
  REQUIRE(dies.Wait().code == 0);
  CHECK(fixture.store->GetUsage().busy_parts == 0);
  CHECK(fixture.store->GetUsage().entries == 1);
}

TEST_CASE("metadata and waste stay within their limits for payloads from 200 bytes to 64 KB", "[local][long]") {
  for (const size_t size : {200, 209, 225, 300, 1000, 4000, 16000, 65536}) {
    StoreFixture fixture(8u << 20);
    for (uint64_t i = 0; fixture.store->counters().evictions.Get() == 0; ++i) REQUIRE(fixture.Put(i, size));
    const LocalStore::Usage usage = fixture.store->GetUsage();
    const double waste = static_cast<double>(usage.payload_used - usage.entries * (128 + size)) /
                         static_cast<double>(usage.entries * size);
    CAPTURE(size, usage.entries, waste);
    CHECK(waste < 0.15);
    // Of the whole segment, with its tables, locks and the arena's rest, at least so much is sessions.
    const size_t allowed = 128 + size + size * 15 / 100;
    CHECK(static_cast<double>(usage.entries * allowed) > 0.93 * static_cast<double>(usage.memory));
  }
}

}  // namespace clustered_session
