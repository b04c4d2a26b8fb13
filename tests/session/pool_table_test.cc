// The table of pools in shared memory: who gets a number, who keeps it, and what an entry says when it was lost. Layer:
// tests.
#include "src/session/pool_table.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;

namespace {

struct PoolsFixture {
  PoolsFixture() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(4u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(shared()->Init());
    settings.server_id = "a";
    settings.copies = 1;
    settings.retry_interval = std::chrono::milliseconds(20);
  }

  SharedState* shared() { return static_cast<SharedState*>(store->Extra()); }
  SharedPoolTable& pools() { return shared()->pools; }
  SharedPoolTable::Number NumberOf(const std::string& path) { return NumberOf(path, settings); }
  SharedPoolTable::Number NumberOf(const std::string& path, const SessionSettings& own) {
    now = clock.Now();
    return pools().NumberOf(path, own, store.get(), now);
  }

  static SessionKey KeyOf(uint8_t number) {
    SessionKey key{};
    key.bytes[0] = number;
    key.bytes[5] = 1;
    return key;
  }
  // An entry that refers to the pool.
  void Leave(uint8_t number) {
    Entry entry;
    entry.version = entry.epoch = 1;
    entry.flags = kEntryUnreplicated;
    entry.pool = number;
    entry.lifetime_s = 1440;
    entry.expires_at_ns = ToNanos(now + std::chrono::seconds(1440));
    REQUIRE(store->Put(KeyOf(number), entry, "payload", now).ok());
  }
  std::string PathOf(uint8_t number) {
    std::string path;
    SessionSettings loaded;
    return pools().Load(number, &path, &loaded) ? path : "";
  }
  // As a script does that sets one save_path after the other.
  void WalkThrough(int paths) {
    for (int i = 0; i < paths; ++i) (void)NumberOf("walk" + std::to_string(walked++) + ":11211");
  }

  SystemClock clock;
  TimePoint now = clock.Now();
  std::unique_ptr<LocalStore> store;
  SessionSettings settings;
  int walked = 0;
};

}  // namespace

TEST_CASE_METHOD(PoolsFixture, "a pool keeps its number, and other settings have another one", "[session]") {
  const SharedPoolTable::Number a = NumberOf("a:11211");
  const SharedPoolTable::Number b = NumberOf("b:11211");
  CHECK(a.number != 0);
  CHECK(b.number != 0);
  CHECK(a.number != b.number);
  CHECK(NumberOf("a:11211").number == a.number);
  CHECK(pools().Holds(a));
  CHECK(PathOf(a.number) == "a:11211");
  SessionSettings other = settings;
  other.prefix = "other:";
  CHECK(NumberOf("a:11211", other).number != a.number);
  other.tls = {"/ca.pem", "/web.pem", "", "nodes.example", false};
  const SharedPoolTable::Number with_tls = NumberOf("a:11211", other);
  SessionSettings loaded;
  std::string path;
  REQUIRE(pools().Load(with_tls.number, &path, &loaded));
  CHECK(path == "a:11211");
  CHECK(loaded.prefix == "other:");
  CHECK(loaded.tls == other.tls);
  REQUIRE(pools().Load(a.number, &path, &loaded));
  CHECK(loaded.tls == NodeTls());
  CHECK_FALSE(pools().Holds({a.number, b.hash}));
}

TEST_CASE_METHOD(PoolsFixture, "a script that walks through save_paths leaves a slot to whoever needs one",
                 "[session]") {
  const SharedPoolTable::Number referred = NumberOf("a:11211");
  Leave(referred.number);
  std::set<uint8_t> numbers;
  for (int i = 0; i < 1000; ++i) {
    const SharedPoolTable::Number number = NumberOf("walk" + std::to_string(i) + ":11211");
    REQUIRE(number.number != 0);
    REQUIRE(number.number != referred.number);
    numbers.insert(number.number);
  }
  CHECK(numbers.size() > SharedPoolTable::kSlots);  // a slot's next pool is told from the one before
  CHECK(pools().Holds(referred));
  CHECK(PathOf(referred.number) == "a:11211");
  CHECK(NumberOf("b:11211").number != 0);
}

TEST_CASE_METHOD(PoolsFixture, "a slot that an unreplicated entry refers to is given to nobody before that is written",
                 "[session]") {
  std::vector<SharedPoolTable::Number> all;
  for (int i = 0; i < SharedPoolTable::kSlots; ++i) {
    all.push_back(NumberOf("pool" + std::to_string(i) + ":11211"));
    Leave(all.back().number);
  }
  CHECK(NumberOf("b:11211").number == 0);
  for (const SharedPoolTable::Number& number : all) CHECK(pools().Holds(number));
  REQUIRE(store->Erase(KeyOf(all[5].number)));
  const SharedPoolTable::Number b = NumberOf("b:11211");
  CHECK(b.number != 0);
  CHECK(b.number != all[5].number);
  CHECK_FALSE(pools().Holds(all[5]));
  CHECK(PathOf(all[5].number).empty());  // nobody writes its sessions to b's nodes
  CHECK(PathOf(b.number) == "b:11211");
}

TEST_CASE_METHOD(PoolsFixture, "credentials come and go, and those that are needed keep their seat", "[session]") {
  SessionSettings kept = settings;
  kept.username = "kept";
  kept.password = "secret";
  const SharedPoolTable::Number number = NumberOf("a:11211", kept);
  Leave(number.number);
  FlushSeat* const seat = pools().SeatOfPool(number.number);
  CHECK(seat != pools().SeatOf(0));
  for (int i = 0; i < 100; ++i) {
    SessionSettings other = settings;
    other.username = "user" + std::to_string(i);
    const SharedPoolTable::Number another = NumberOf("a:11211", other);
    REQUIRE(another.number != 0);
    REQUIRE(pools().SeatOfPool(another.number) == pools().SeatOf(SharedPoolTable::CredentialsHash(other)));
    REQUIRE(pools().SeatOfPool(another.number) != seat);
  }
  CHECK(pools().SeatOf(SharedPoolTable::CredentialsHash(kept)) == seat);
}

TEST_CASE_METHOD(PoolsFixture, "who dies while a slot changes hands takes none from anybody", "[session]") {
  const SharedPoolTable::Number a = NumberOf("a:11211");
  const SharedPoolTable::Number b = NumberOf("b:11211");
  ChildProcess dies([&] {
    if (!IsLocked(pools().change.Lock())) return 1;
    for (SharedPoolTable::Slot& slot : pools().slots) {
      if (slot.hash.load() == a.hash) slot.state.store(SharedPoolTable::kClosing);
      if (slot.hash.load() == b.hash) slot.state.store(SharedPoolTable::kFilling);
    }
    return 0;
  });
  REQUIRE(dies.Wait().code == 0);
  CHECK(NumberOf("c:11211").number != 0);  // repairs
  CHECK(pools().Holds(a));
  CHECK(NumberOf("b:11211").number != 0);
}

TEST_CASE_METHOD(PoolsFixture, "a request whose pool has lost its number writes through, or behind under a new one",
                 "[session]") {
  MemcachedProcess node;
  settings.write = WriteMode::kBehind;
  const std::string path = "127.0.0.1:" + std::to_string(node.port());
  Worker worker(store.get(), &clock);
  const auto write = [&](uint64_t random) {
    const auto context = worker.ContextFor(path, settings, 1);
    REQUIRE(context.ok());
    Session session(**context);
    const std::string id = session.CreateId(std::to_string(random) + "0123456789abcdefghijklmnopqrst", random);
    REQUIRE(session.Read(id, 1440).ok());
    const SharedPoolTable::Number number = {(*context)->pool, (*context)->pool_hash};
    REQUIRE(pools().Holds(number));
    WalkThrough(2 * SharedPoolTable::kSlots);
    REQUIRE_FALSE(pools().Holds(number));
    REQUIRE(session.Write(id, "n|i:1;", 1440).ok());
  };
  write(1);
  CHECK(store->UnreplicatedCount() == 0);
  CHECK(node.Stat("cmd_set") >= 1);

  node.Kill();  // what no node takes stays here, where its pool can be found
  write(2);
  const std::vector<LocalStore::Unreplicated> left = store->ListUnreplicated(10);
  REQUIRE(left.size() == 1);
  WalkThrough(2 * SharedPoolTable::kSlots);
  CHECK(PathOf(left[0].pool) == path);
}

TEST_CASE_METHOD(PoolsFixture, "without a slot nothing is written behind", "[session]") {
  MemcachedProcess node;
  settings.write = WriteMode::kBehind;
  for (int i = 0; i < SharedPoolTable::kSlots; ++i) Leave(NumberOf("pool" + std::to_string(i) + ":11211").number);
  const std::string path = "127.0.0.1:" + std::to_string(node.port());
  Worker worker(store.get(), &clock);
  const auto context = worker.ContextFor(path, settings, 1);
  REQUIRE(context.ok());
  Session session(**context);
  REQUIRE(session.Read("0123456789abcdefghijklmnopqrstuv", 1440).ok());
  REQUIRE(session.Write("0123456789abcdefghijklmnopqrstuv", "n|i:1;", 1440).ok());
  CHECK(store->counters().deferred_writes.Get() == 0);
  CHECK(store->UnreplicatedCount() == SharedPoolTable::kSlots);
  CHECK(node.Stat("cmd_set") >= 1);
}
