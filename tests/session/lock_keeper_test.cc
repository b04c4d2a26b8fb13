// The thread that renews cluster locks: with nodes of the imagination for the thread sanitizer, with real ones for the
// rest. Layer: tests.
#include "src/session/lock_keeper.h"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "src/session/cluster_lock.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_node.h"
#include "tests/support/memcached_process.h"
#include "tests/support/signal_watch.h"

using namespace clustered_session;
using namespace std::chrono_literals;

namespace {

constexpr char kId[] = "0123456789abcdefghijklmnopqrstuv";

std::unique_ptr<LocalStore> MakeStore() {
  Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(4u << 20, sizeof(SharedState));
  if (!made.ok() || !static_cast<SharedState*>((*made)->Extra())->Init()) return nullptr;
  return std::move(*made);
}

// One server of the cluster with one worker: this process.
struct Server {
  explicit Server(std::string save_path, Duration lease = 6s)
      : path(std::move(save_path)),
        store(MakeStore()),
        keeper(store.get(), &clock, lease),
        worker(store.get(), &clock) {
    settings.lock = LockMode::kCluster;
    settings.server_id = "a";
    settings.lock_wait = 20s;
    settings.connect_timeout = settings.operation_timeout = 1900ms;  // on a busy machine nothing may seem to hang
    worker.SetLeases(keeper.leases());
  }
  const SessionContext& context() { return **worker.ContextFor(path, settings, 1); }
  uint64_t renewals() { return store->counters().lock_renewals.Get(); }

  SystemClock clock;
  std::string path;
  std::unique_ptr<LocalStore> store;
  SessionSettings settings;
  LockKeeper keeper;
  Worker worker;
};

std::string PathOf(const MemcachedProcess& node) { return "m1=127.0.0.1:" + std::to_string(node.port()); }

bool Create(Server* server) {
  Session session(server->context());
  return session.Read(kId, 1440).ok() && session.Write(kId, "n|i:1;", 1440).ok();
}

}  // namespace

TEST_CASE("A request that runs for longer than a lease keeps its lock, and then no thread is left", "[session]") {
  MemcachedProcess node;
  Server a(PathOf(node));
  Server b(PathOf(node));
  REQUIRE(Create(&a));
  {
    Session session(a.context());
    REQUIRE(session.Read(kId, 1440).ok());
    CHECK(a.keeper.running());
    const TimePoint over = a.clock.Now() + 7s;
    REQUIRE(WaitUntil([&] { return a.renewals() >= 3 && a.clock.Now() > over; }));
    b.settings.lock_wait = 0s;
    Session other(b.context());
    CHECK_FALSE(other.Read(kId, 1440).ok());
    REQUIRE(session.Write(kId, "n|i:2;", 1440).ok());
    session.Close();
    CHECK(*other.Read(kId, 1440) == "n|i:2;");
    CHECK(session.TakeNotices().empty());
  }
  CHECK(a.store->counters().lock_lost.Get() == 0);
  CHECK(WaitUntil([&] { return !a.keeper.running(); }));
  REQUIRE(Create(&a));
  CHECK(a.keeper.running());
}

TEST_CASE("Another server gets the lock of one that was killed, after its lease", "[session]") {
  MemcachedProcess node;
  Server b(PathOf(node));
  REQUIRE(Create(&b));
  Shared<std::atomic<int>> locked;
  ChildProcess dies([&]() -> int {
    Server a(PathOf(node));
    Session session(a.context());
    if (!session.Read(kId, 1440).ok()) return 1;
    if (!WaitUntil([&] { return a.renewals() >= 2; })) return 2;
    *locked = 1;
    for (;;) pause();
  });
  REQUIRE(WaitUntil([&] { return *locked == 1; }));
  dies.Kill();
  Session session(b.context());
  REQUIRE(session.Read(kId, 1440).ok());
  CHECK(b.store->counters().lock_waits.Get() == 1);
}

TEST_CASE("A child made by fork gives none of its parent's locks back, and has a thread of its own", "[session]") {
  MemcachedProcess node;
  ChildProcess parent([&] {
    Server a(PathOf(node));
    if (!Create(&a)) return 1;
    Session session(a.context());
    if (!session.Read(kId, 1440).ok()) return 2;
    const uint64_t items = node.Stat("curr_items");
    ChildProcess child([&] {
      session.Close();
      if (a.keeper.Mine()) return 1;
      a.keeper.Stop();  // not its own
      LockKeeper own(a.store.get(), &a.clock, 6s);
      a.worker.SetLeases(own.leases());
      Session own_session(a.context());
      if (!own_session.Read("another-session-of-the-child", 1440).ok()) return 2;
      return own.running() ? 0 : 3;
    });
    if (child.Wait().code != 0) return 3;
    if (!WaitUntil([&] { return node.Stat("curr_items") <= items; }) || node.Stat("curr_items") != items) return 4;
    const uint64_t renewals = a.renewals();
    if (!WaitUntil([&] { return a.renewals() > renewals; })) return 5;
    session.Close();
    return WaitUntil([&] { return node.Stat("curr_items") == items - 1; }) ? 0 : 6;
  });
  CHECK(parent.Wait().code == 0);
}

TEST_CASE("The renewing thread handles no signal of the process", "[session]") {
  MemcachedProcess node;
  ChildProcess process([&] {
    SignalWatch signals;
    Server a(PathOf(node));
    Session session(a.context());
    if (!session.Read(kId, 1440).ok() || !a.keeper.running()) return 1;
    for (int i = 0; i < 50; ++i) {
      if (!signals.FirstThreadHandlesOne()) return 2;
    }
    return 0;
  });
  CHECK(process.Wait().code == 0);
}

// As under ZTS: many threads take and give back locks, one renews them all.
TEST_CASE("Threads share the leases of their process with the one that renews", "[session][threads]") {
  constexpr int kThreads = 3;
  SystemClock clock;
  FakeMemcached server("m1", &clock);
  std::unique_ptr<LocalStore> store = MakeStore();
  REQUIRE(store != nullptr);
  NodeSet::Member member;
  member.node = std::make_unique<FakeNode>(&server, &clock);
  member.hash = 1;
  std::vector<NodeSet::Member> members;
  members.push_back(std::move(member));
  NodeSet nodes(std::move(members), 1s, &clock, &store->counters());  // of the renewing thread alone
  LockKeeper keeper(store.get(), &clock, 15ms, [&](const Lease&) { return &nodes; });
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string key = "lock " + std::to_string(thread) + " " + std::to_string(i);
        // The item is not there: the first renewal finds it gone and puts it there.
        auto lease = std::make_shared<Lease>(key, "holder", 1, nullptr, nullptr, NodeToken{1, 1}, clock.Now());
        keeper.leases()->Add(lease);
        const uint64_t before = store->counters().lock_renewals.Get();
        const bool renewed = i % 3 == 0 || WaitUntil([&] {
                               (void)keeper.leases()->Lost(lease);
                               return store->counters().lock_renewals.Get() > before;
                             });
        if (!renewed) ++wrong;
        keeper.leases()->End(lease);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(WaitUntil([&] { return !keeper.running(); }));
  keeper.Stop();
}
