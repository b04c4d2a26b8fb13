// Shared memory is input: whatever bits are wrong in it, nothing crashes and nothing wrong is served.
#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "tests/local/store_fixture.h"

namespace clustered_session {

namespace {

// Flips bits anywhere in the segment but in its mutexes, which belong to the C library, and in its first fields.
class BitFlipper {
 public:
  BitFlipper(const Segment& segment, uint32_t seed) : segment_(segment), random_(seed) {
    SegmentHeader* header = segment.header();
    Except(header, offsetof(SegmentHeader, needs_repair));
    Except(&header->repair_mutex, sizeof(SharedMutex));
    for (uint32_t i = 0; i < segment.geometry.arena_count; ++i) {
      Except(&segment.arena_state(i)->mutex, sizeof(SharedMutex));
    }
    for (uint32_t i = 0; i < segment.geometry.shard_count; ++i) Except(&segment.shard(i)->mutex, sizeof(SharedMutex));
    for (uint32_t i = 0; i < kLockPartitions; ++i) Except(&segment.partition(i)->mutex, sizeof(SharedMutex));
    for (uint32_t i = 0; i < segment.geometry.lock_nodes; ++i) Except(&segment.node(i)->mutex, sizeof(SharedMutex));
  }

  void FlipIn(size_t from, size_t size) {
    const size_t at = from + random_() % size;
    for (const auto& [start, end] : except_) {
      if (at >= start && at < end) return;
    }
    segment_.base[at] ^= std::byte{1} << (random_() % 8);
  }

  void Flip() {
    const Geometry& geometry = segment_.geometry;
    // As often in the small structures as in the large ones.
    switch (random_() % 7) {
      case 0:
        return FlipIn(0, geometry.shards);
      case 1:
        return FlipIn(geometry.shards, geometry.buckets - geometry.shards);
      case 2:
        return FlipIn(geometry.buckets, geometry.partitions - geometry.buckets);
      case 3:
        return FlipIn(geometry.ghosts, geometry.arena - geometry.ghosts);
      case 4:
        return FlipIn(geometry.partitions, geometry.ghosts - geometry.partitions);
      default:
        return FlipIn(geometry.arena, size_t{geometry.arena_units} * kUnitBytes);
    }
  }

  uint32_t Random() { return random_(); }

 private:
  void Except(const void* start, size_t size) {
    const auto at = static_cast<size_t>(static_cast<const std::byte*>(start) - segment_.base);
    except_.emplace_back(at, at + size);
  }

  const Segment segment_;
  std::mt19937 random_;
  std::vector<std::pair<size_t, size_t>> except_;
};

}  // namespace

TEST_CASE("bits that flip anywhere crash nothing and never serve a wrong payload", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  for (uint32_t round = 0; round < 6; ++round) {
    StoreFixture fixture;
    BitFlipper flipper(fixture.store->segment(), seed + round);
    std::map<uint64_t, uint64_t> versions;  // what was put last
    uint64_t found = 0;
    for (uint64_t step = 1; step < 4000; ++step) {
      const uint64_t number = flipper.Random() % 150;
      const size_t size = (number * 131 + step) % 5000;
      switch (flipper.Random() % 6) {
        case 0:
          fixture.store->Erase(KeyOf(number));
          versions.erase(number);
          break;
        case 1:
        case 2: {
          const bool pinned = flipper.Random() % 8 == 0;
          const uint32_t flags = pinned ? uint32_t{kEntryUnreplicated} : flipper.Random() % 2 * kEntryLocalOnly;
          versions[number] = step;
          // A Put that fails leaves no older entry.
          if (!fixture.store
                   ->Put(KeyOf(number), EntryOf(step, fixture.expiry, flags), PayloadOf(number, step, size),
                         fixture.now)
                   .ok()) {
            versions.erase(number);
          }
          break;
        }
        case 3:
          fixture.store->RemoveExpired(fixture.now, 10);
          (void)fixture.store->GetUsage();
          break;
        default: {
          Entry entry;
          std::string payload;
          if (!fixture.store->Lookup(KeyOf(number), fixture.now, &entry, &payload)) break;
          ++found;
          REQUIRE(versions.count(number) == 1);
          REQUIRE(entry.version == versions[number]);
          REQUIRE((payload == PayloadOf(number, entry.version, (number * 131 + entry.version) % 5000)));
        }
      }
      if (step % 8 == 0) flipper.Flip();
    }
    REQUIRE(found > 100);
    // Reading all of them finds the torn ones; a repair leaves nothing else wrong behind.
    std::string payload;
    for (uint64_t i = 0; i < 150; ++i) fixture.store->Lookup(KeyOf(i), fixture.now, nullptr, &payload);
    fixture.store->segment().header()->needs_repair = 1;
    REQUIRE(fixture.store->CheckInvariants() == "");
    REQUIRE(fixture.Put(1000, 5000));
    REQUIRE(fixture.Has(1000));
  }
}

TEST_CASE("a payload with one wrong bit is a miss, is counted and is gone", "[local]") {
  StoreFixture fixture;
  const std::string payload(3000, 'p');
  REQUIRE(fixture.Put(1, 3000));
  REQUIRE(fixture.store->Put(KeyOf(2), EntryOf(1, fixture.expiry), payload, fixture.now).ok());
  const Segment& segment = fixture.store->segment();
  auto* bytes = reinterpret_cast<char*>(segment.base + segment.geometry.arena);
  char* end = bytes + size_t{segment.geometry.arena_units} * kUnitBytes;
  char* at = std::search(bytes, end, payload.begin(), payload.end());
  REQUIRE(at != end);
  at[1234] ^= 4;
  std::string found(4000, '?');  // longer than the payload, so that it is copied into
  Entry entry;
  REQUIRE_FALSE(fixture.store->Lookup(KeyOf(2), fixture.now, &entry, &found));
  REQUIRE(found.empty());
  REQUIRE(fixture.store->counters().corrupt_entries.Get() == 1);
  REQUIRE(fixture.Has(1));
  REQUIRE(fixture.store->GetUsage().entries == 1);
  REQUIRE(fixture.store->CheckInvariants() == "");
}

TEST_CASE("an entry that two chains lead to stays where its key is found", "[local]") {
  StoreFixture fixture;
  for (uint64_t i = 0; i < 100; ++i) REQUIRE(fixture.Put(i, 100));
  const Segment& segment = fixture.store->segment();
  uint32_t* buckets = segment.buckets(0);
  uint32_t* end = buckets + segment.geometry.shard_buckets;
  const uint32_t* filled = std::find_if(buckets, end, [](uint32_t bucket) { return bucket != 0; });
  uint32_t* empty = std::find(buckets, end, 0u);
  *empty = *filled;
  // And one that leads to itself, which nothing was behind.
  const auto head_of = [&](uint32_t offset) { return reinterpret_cast<EntryHead*>(segment.arena(0).Bytes(offset)); };
  uint32_t* last = segment.buckets(1) + segment.geometry.shard_buckets - 1;
  while (*last == 0 || head_of(*last)->chain_next != 0) --last;
  head_of(*last)->chain_next = *last;
  segment.header()->needs_repair = 1;
  REQUIRE(fixture.store->CheckInvariants() == "");
  for (uint64_t i = 0; i < 100; ++i) REQUIRE(fixture.Has(i));
}

TEST_CASE("bits that flip in the session locks crash nothing and hang nobody", "[local]") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  StoreFixture fixture;
  BitFlipper flipper(fixture.store->segment(), seed);
  const Geometry& geometry = fixture.store->segment().geometry;
  std::vector<SessionLock> held;
  size_t acquired = 0;
  for (int step = 0; step < 3000; ++step) {
    if (held.size() < 20 && flipper.Random() % 2 == 0) {
      const auto deadline = FromNow(std::chrono::milliseconds(1));
      const Result<SessionLock> lock = fixture.locks->Acquire(KeyOf(flipper.Random() % 1000), deadline);
      if (lock.ok()) held.push_back(*lock);
      acquired += lock.ok() ? 1 : 0;
    } else if (!held.empty()) {
      std::swap(held.back(), held[flipper.Random() % held.size()]);
      fixture.locks->Release(&held.back());
      held.pop_back();
    }
    // Mostly in the first nodes, which are in use.
    if (step % 10 == 0) flipper.FlipIn(geometry.partitions, geometry.nodes - geometry.partitions);
    if (step % 10 == 5) flipper.FlipIn(geometry.nodes, 40 * sizeof(LockNode));
  }
  REQUIRE(acquired > 500);
  (void)fixture.locks->GetUsage();
}

}  // namespace clustered_session
