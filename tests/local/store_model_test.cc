// Random operations on LocalStore, beside a map.
#include <algorithm>
#include <map>
#include <random>
#include <tuple>

#include "tests/local/store_fixture.h"

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
    REQUIRE(fixture_.store->Update(KeyOf(number), expected, {}, entry) == (known != nullptr && !wrong));
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

}  // namespace clustered_session
