// LocalStore as its callers see it, in one process.
#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "tests/local/store_fixture.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {

namespace {

struct Known {
  Entry entry;
  std::string payload;
};

// Random operations on a store that evicts nothing, beside a map.
class ModelRun {
 public:
  explicit ModelRun(uint32_t seed) : random_(seed), fixture_(8u << 20) {}

  void Step() {
    const uint64_t number = random_() % 300;
    const SessionKey key = KeyOf(number);
    fixture_.now += std::chrono::milliseconds(random_() % 50);
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2:
        return Put(number);
      case 3: {
        REQUIRE(fixture_.store->Erase(key) == (Find(number) != nullptr));
        known_.erase(number);
        return;
      }
      case 4:
      case 5:
        return Update(number);
      default:
        return Lookup(number);
    }
  }

  void Check() {
    const std::string wrong = fixture_.store->CheckInvariants();
    REQUIRE(wrong.empty());
    const size_t removed = fixture_.store->RemoveExpired(fixture_.now, 1000000);
    size_t expired = 0;
    for (auto it = known_.begin(); it != known_.end();) {
      const bool gone = Expired(it->second);
      if (gone) ++expired;
      it = gone ? known_.erase(it) : std::next(it);
    }
    REQUIRE(removed == expired);
    REQUIRE(fixture_.store->GetUsage().entries == known_.size());
    REQUIRE(fixture_.store->CheckInvariants().empty());
    const auto pinned = std::count_if(known_.begin(), known_.end(), [](const auto& known) {
      return (known.second.entry.flags & kEntryUnreplicated) != 0;
    });
    REQUIRE(fixture_.store->GetUsage().unreplicated == static_cast<size_t>(pinned));
  }

 private:
  bool Over(const Known& known) const { return known.entry.expires_at_ns <= ToNanos(fixture_.now); }
  bool Expired(const Known& known) const {
    const bool pinned = (known.entry.flags & kEntryUnreplicated) != 0;
    return Over(known) && (pinned || known.entry.nodes_expire_at_ns <= ToNanos(fixture_.now));
  }

  Known* Find(uint64_t number) {
    const auto it = known_.find(number);
    return it == known_.end() ? nullptr : &it->second;
  }

  Entry RandomEntry() {
    Entry entry;
    entry.version = random_();
    entry.epoch = random_() % 3;
    entry.flags = random_() % 32;
    entry.lifetime_s = static_cast<uint32_t>(random_());
    const auto time = [this] {
      return (ToNanos(fixture_.now) / 1000 + static_cast<int64_t>(random_() % 40000000)) * 1000;
    };
    entry.expires_at_ns = time();
    entry.confirmed_at_ns = time();
    entry.grace_until_ns = time();
    entry.nodes_expire_at_ns = random_() % 4 == 0 ? 0 : time();
    entry.home_node = static_cast<uint32_t>(random_() % 9);
    entry.pool = static_cast<uint8_t>(random_());
    for (EntryToken& token : entry.tokens) {
      if (random_() % 2 == 0) continue;
      token = {random_(), static_cast<uint32_t>(random_()), static_cast<uint32_t>(random_() % 9)};
    }
    return entry;
  }

  void Put(uint64_t number) {
    Known known{RandomEntry(), PayloadOf(number, random_(), random_() % (random_() % 8 == 0 ? 30000 : 3000))};
    REQUIRE(fixture_.store->Put(KeyOf(number), known.entry, known.payload, fixture_.now).ok());
    known_[number] = known;
  }

  void Update(uint64_t number) {
    Known* known = Find(number);
    Entry expected = known != nullptr ? known->entry : Entry{};
    const bool wrong = random_() % 4 == 0;
    if (wrong) (random_() % 2 == 0 ? expected.version : expected.epoch) += 1;
    const Entry entry = RandomEntry();
    REQUIRE(fixture_.store->Update(KeyOf(number), expected, entry) == (known != nullptr && !wrong));
    if (known != nullptr && !wrong) known->entry = entry;
  }

  void Lookup(uint64_t number) {
    Entry entry;
    std::string payload = "untouched";
    Known* known = Find(number);
    const bool over = random_() % 2 == 0;
    const bool found = over ? fixture_.store->LookupOver(KeyOf(number), fixture_.now, &entry, &payload)
                            : fixture_.store->Lookup(KeyOf(number), fixture_.now, &entry, &payload);
    REQUIRE(found == (known != nullptr && !Expired(*known) && Over(*known) == over));
    if (!found) {
      REQUIRE(payload == "untouched");
      if (known != nullptr && Expired(*known)) known_.erase(number);  // one that a lookup met is gone
      return;
    }
    REQUIRE(payload == known->payload);
    const Entry& mine = known->entry;
    REQUIRE(std::tie(entry.version, entry.epoch, entry.flags, entry.lifetime_s) ==
            std::tie(mine.version, mine.epoch, mine.flags, mine.lifetime_s));
    REQUIRE(std::tie(entry.expires_at_ns, entry.confirmed_at_ns, entry.grace_until_ns, entry.nodes_expire_at_ns) ==
            std::tie(mine.expires_at_ns, mine.confirmed_at_ns, mine.grace_until_ns, mine.nodes_expire_at_ns));
    REQUIRE(entry.tokens == mine.tokens);
    REQUIRE(std::tie(entry.home_node, entry.pool) == std::tie(mine.home_node, mine.pool));
  }

  std::mt19937_64 random_;
  StoreFixture fixture_;
  std::map<uint64_t, Known> known_;
};

}  // namespace

TEST_CASE("the store holds what a map holds", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  ModelRun run(seed);
  for (int step = 0; step < 30000; ++step) {
    run.Step();
    if (step % 500 == 0) run.Check();
  }
  run.Check();
}

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
  REQUIRE(LocalStore::Create(LocalStore::kMemoryMax, 0).error().code() == ErrorCode::kNoMemory);
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
      REQUIRE(fixture.store->Update(KeyOf(i), before, after));
    }
  }
  fixture.now += std::chrono::seconds(6);
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == (changed ? 350 : 200));
  REQUIRE(fixture.store->GetUsage().entries == (changed ? 50 : 100));
  fixture.now += std::chrono::seconds(1000);
  REQUIRE(fixture.store->RemoveExpired(fixture.now, 1000) == (changed ? 50 : 100));
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

TEST_CASE("metadata and waste stay within their limits for payloads from 200 bytes to 64 KB", "[local]") {
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
