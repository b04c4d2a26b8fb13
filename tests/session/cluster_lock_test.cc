// lock=cluster: the session lock that all servers respect, over imagined nodes and an imagined clock. Layer: tests.
#include "src/session/cluster_lock.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct ClusterLockFixture : ClusterFixture {
  ClusterLockFixture() {
    for (WebServer* server : {&a, &b}) server->context().settings.lock = LockMode::kCluster;
    Serve(&a, "", "n|i:1;");
    tab = browser;
  }

  // Where a lock is, or null; REQUIRES: no more than one.
  FakeMemcached* LockNode(std::string* holder = nullptr) {
    FakeMemcached* found = nullptr;
    for (FakeMemcached* node : nodes) {
      for (const auto& [key, item] : std::map<std::string, FakeMemcached::Item>(node->items())) {
        if (!key.ends_with(":lock") || node->Find(key) == nullptr) continue;
        REQUIRE(found == nullptr);
        found = node;
        if (holder != nullptr) *holder = item.value;
      }
    }
    return found;
  }
  std::string Holder() {
    std::string text;
    LockNode(&text);
    const std::optional<LockHolder> holder = LockHolder::Parse(text);
    return holder ? holder->server_id : "";
  }
  size_t IndexOf(const FakeMemcached* node) const {
    return static_cast<size_t>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
  }
  // As a worker that is killed: nothing is written, nothing given back, its session lock is free.
  void DieInRequest(WebServer* server) {
    std::thread([&] {
      auto* dies = new Request(server, &browser);
      if (!dies->Start().ok()) std::abort();
      dead.emplace_back(dies);
    }).join();
  }
  // A request of server a that has the session for longer than it renews, while b serves one.
  std::unique_ptr<Request> Overtaken(std::string_view written_by_b) {
    auto slow = std::make_unique<Request>(&a, &browser);
    REQUIRE(slow->Start().ok());
    clock.Advance(16s);
    Serve(&b, "n|i:1;", written_by_b, &tab);
    return slow;
  }
  void Serve(WebServer* server, std::string_view expected, std::string_view payload, Browser* who) {
    Request request(server, who);
    Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    REQUIRE(*read == expected);
    REQUIRE(request.Finish(payload).ok());
  }
  using ClusterFixture::Serve;

  Browser tab;  // another one of the same session
  std::vector<std::unique_ptr<Request>> dead;  // freed with their locks long gone
};

#define CLUSTER_LOCK_TEST(name) TEST_CASE_METHOD(ClusterLockFixture, name, "[session]")

bool Logged(const Request& request, const std::string& text) {
  return std::any_of(request.notices().begin(), request.notices().end(),
                     [&](const Notice& notice) { return notice.text.find(text) != std::string::npos; });
}

}  // namespace

CLUSTER_LOCK_TEST("A cluster lock costs no wait of its own, and nothing is served unvalidated") {
  CHECK(View(&a, "n|i:1;") == 1);
  CHECK(View(&a, "n|i:1;") == 1);
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 2);
  CHECK(Serve(&b, "n|i:2;", "n|i:3;") == 2);
  CHECK(LockNode() == nullptr);
  CHECK(a.counters().local_hits.Get() == 0);
  CHECK(a.counters().lock_waits.Get() == 0);
  browser = {};
  CHECK(Serve(&a, "", "") == 0);  // an ID made in this request is known to nobody else
  browser = {};
  CHECK(Serve(&a, "", "n|i:1;") == 1);
}

CLUSTER_LOCK_TEST("Another server does not get a session that is locked, and never goes on without the lock") {
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  CHECK(Holder() == "a");
  CHECK(LockNode() == NodeInId());
  const TimePoint before = clock.Now();
  b.context().settings.lock_wait = 10s;
  Request second(&b, &tab);
  const Result<std::string> read = second.Start();
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code() == ErrorCode::kTimeout);
  CHECK(read.error().message() == "session lock not free within clustered_session.lock_wait (10s): process " +
                                      std::to_string(getpid()) + " of server a has it");
  CHECK(clock.Now() - before == 10s);
  CHECK(b.counters().lock_waits.Get() == 1);
  CHECK(b.counters().lock_timeouts.Get() == 1);
  CHECK(Holder() == "a");
  REQUIRE(first.Finish("n|i:2;").ok());
  Serve(&b, "n|i:2;", "n|i:3;");
  CHECK(b.counters().conflicts.Get() == 0);
}

CLUSTER_LOCK_TEST("Who waited for a cluster lock reads what was written under it") {
  auto first = std::make_unique<Request>(&a, &browser);
  REQUIRE(first->Start().ok());
  clock.OnPause([&] {
    if (clock.pauses() == 5) REQUIRE(first->Finish("n|i:2;").ok());
  });
  Request second(&b, &tab);
  CHECK(*second.Start() == "n|i:2;");
  CHECK(Holder() == "b");
  CHECK(clock.pauses() == 5);
  REQUIRE(second.Finish("n|i:3;").ok());
  clock.OnPause({});
  Serve(&a, "n|i:3;", "n|i:4;");
  CHECK(a.counters().conflicts.Get() + b.counters().conflicts.Get() == 0);
}

CLUSTER_LOCK_TEST("Waiting for a cluster lock asks soon at first, then some ten times a second") {
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  const TimePoint before = clock.Now();
  Duration first_pause{};
  clock.OnPause([&] {
    if (clock.pauses() == 1) first_pause = clock.Now() - before;
    if (clock.pauses() % 50 == 0) a.RenewLocks();
  });
  const uint64_t reads = m1.reads + m2.reads + m3.reads;
  Request second(&b, &tab);
  REQUIRE_FALSE(second.Start().ok());
  CHECK(first_pause <= 2ms);
  const uint64_t flights = (m1.reads + m2.reads + m3.reads - reads) / 3;
  CHECK(flights > 300);  // 30 seconds
  CHECK(flights < 650);
}

CLUSTER_LOCK_TEST("lock_wait=0 asks once") {
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  b.context().settings.lock_wait = 0s;
  Request second(&b, &tab);
  CHECK_FALSE(second.Start().ok());
  CHECK(clock.pauses() == 0);
  CHECK(second.waits() == 1);
}

CLUSTER_LOCK_TEST("The lock of a server that died is free after a lease") {
  DieInRequest(&a);
  const TimePoint before = clock.Now();
  Serve(&b, "n|i:1;", "n|i:2;", &tab);
  CHECK(clock.Now() - before > kLockLease - 1s);
  CHECK(clock.Now() - before <= kLockLease + 100ms);
}

CLUSTER_LOCK_TEST("A worker that died with a cluster lock keeps nobody of its own server waiting") {
  DieInRequest(&a);
  REQUIRE(Holder() == "a");
  const TimePoint before = clock.Now();
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 3);  // one for the takeover
  CHECK(clock.Now() == before);
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("A release that got lost keeps nobody of the same server waiting") {
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    for (size_t i = 0; i < nodes.size(); ++i) a.Partition(i, true);
    REQUIRE(request.FinishUnchanged().ok());
    for (size_t i = 0; i < nodes.size(); ++i) a.Partition(i, false);
  }
  REQUIRE(Holder() == "a");
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(clock.pauses() == 0);
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("A pool with another save_path respects the lock of its own server's other pool") {
  // Their local locks do not know of each other.
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  a.context().space = HashSessionId({}, "local", "m2,m1,m3");
  a.context().settings.lock_wait = 1s;
  Request second(&a, &tab);
  CHECK_FALSE(second.Start().ok());
  a.context().space = {};
}

CLUSTER_LOCK_TEST("Every end of a request gives the cluster lock back") {
  SECTION("read only") {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    request.End();
  }
  SECTION("destroyed") {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  SECTION("unchanged") { View(&b, "n|i:1;"); }
  SECTION("another session in the same open") {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    CHECK(request.session().Read("an-id-that-nobody-knows", Request::kLifetime).ok());
    CHECK(LockNode() != nullptr);
  }
  SECTION("a strict mode that refuses the ID") {
    tab.session_id = "an-id-that-nobody-knows";
    Request request(&a, &tab, /*strict=*/true);
    REQUIRE(request.Start().ok());
    CHECK(tab.session_id != "an-id-that-nobody-knows");
    CHECK(LockNode() == nullptr);
  }
  CHECK(LockNode() == nullptr);
  Request other(&b, &tab);
  CHECK(other.Start().ok());
  CHECK(clock.pauses() == 0);
}

CLUSTER_LOCK_TEST("A read that fails gives the cluster lock back") {
  // Both nodes that should have it are cut off from b: the third one has the lock, and no answer that counts.
  for (FakeMemcached* node : nodes) {
    if (node->items().size() == 1) b.Partition(IndexOf(node), true);
  }
  Request request(&b, &tab);
  const Result<std::string> read = request.Start();
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code() == ErrorCode::kUnavailable);
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("session_reset reads anew under the cluster lock it holds") {
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  std::string before;
  LockNode(&before);
  request.session().ReadAnew();
  CHECK(*request.session().Read(browser.session_id, Request::kLifetime) == "n|i:1;");
  std::string after;
  LockNode(&after);
  CHECK(before == after);
  REQUIRE(request.Finish("n|i:2;").ok());
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("Who waited for a session that was destroyed meanwhile finds it destroyed") {
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  clock.OnPause([&] {
    if (clock.pauses() == 2) REQUIRE(first.Destroy().ok());
  });
  Request second(&b, &tab);
  CHECK(*second.Start() == "");
  REQUIRE(second.Finish("").ok());
  clock.OnPause({});
  CHECK(LockNode() == nullptr);
  View(&a, "");
}

CLUSTER_LOCK_TEST("write=behind writes through where all servers take turns") {
  for (WebServer* server : {&a, &b}) server->context().settings.write = WriteMode::kBehind;
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 2);
  CHECK(a.counters().deferred_writes.Get() == 0);
  CHECK(Serve(&b, "n|i:2;", "n|i:3;") == 2);
}

CLUSTER_LOCK_TEST("Single-server mode has no cluster lock to wait for") {
  WebServer alone("solo", {}, &clock);
  alone.context().settings.lock = LockMode::kCluster;
  browser = {};
  CHECK(Serve(&alone, "", "n|i:1;") == 0);
  CHECK(View(&alone, "n|i:1;") == 0);
}

// -- Leases ------------------------------------------------------------------------------------------------------------

CLUSTER_LOCK_TEST("A lease that is renewed lasts as long as its request") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  for (int i = 0; i < 12; ++i) {  // a minute
    const TimePoint next = a.RenewLocks();
    CHECK(next - clock.Now() <= kLockLease / 3);
    clock.Advance(next - clock.Now());
  }
  CHECK(a.counters().lock_renewals.Get() == 11);
  b.context().settings.lock_wait = 0s;
  CHECK_FALSE(Request(&b, &tab).Start().ok());
  REQUIRE(slow.Finish("n|i:2;").ok());
  CHECK(LockNode() == nullptr);
  CHECK(a.counters().lock_lost.Get() == 0);
  CHECK(Request(&b, &tab).Start().ok());
}

CLUSTER_LOCK_TEST("A lease that is renewed no more ends, and who had it is told") {
  std::unique_ptr<Request> slow = Overtaken("n|i:1;b|i:1;");
  CHECK(a.counters().lock_lost.Get() == 0);
  REQUIRE(slow->Finish("n|i:1;a|i:1;").ok());
  CHECK(a.counters().lock_lost.Get() == 1);
  CHECK(Logged(*slow, "lost while its request ran (no node has renewed it in time)"));
  CHECK(slow->notices().size() == 1);
}

CLUSTER_LOCK_TEST("A renewal that finds another holder gives up, and so does the release") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  clock.Advance(16s);
  Request other(&b, &tab);
  REQUIRE(other.Start().ok());
  a.RenewLocks();
  CHECK(a.counters().lock_lost.Get() == 1);
  CHECK(a.counters().lock_renewals.Get() == 0);
  clock.Advance(6s);
  a.RenewLocks();
  CHECK(Holder() == "b");
  REQUIRE(slow.FinishUnchanged().ok());
  CHECK(Logged(slow, "of server b has it now"));
  CHECK(Holder() == "b");
  REQUIRE(other.Finish("n|i:2;").ok());
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("A release is checked: it does not end a later holder's lock") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  clock.Advance(16s);
  Request other(&b, &tab);
  REQUIRE(other.Start().ok());
  REQUIRE(slow.FinishUnchanged().ok());
  CHECK(Holder() == "b");
}

CLUSTER_LOCK_TEST("A renewal waits out a node that does not answer for some seconds") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  const size_t node = IndexOf(LockNode());
  a.renewing_connection(node).set_partitioned(true);
  clock.Advance(5s);
  a.RenewLocks();
  clock.Advance(3s);
  CHECK(a.RenewLocks() - clock.Now() <= 1s);
  a.renewing_connection(node).set_partitioned(false);
  clock.Advance(3s);
  a.RenewLocks();
  CHECK(a.counters().lock_renewals.Get() == 1);
  clock.Advance(6s);
  REQUIRE(slow.Finish("n|i:2;").ok());
  CHECK(a.counters().lock_lost.Get() == 0);
}

CLUSTER_LOCK_TEST("A lock that its node has lost is taken again, and counted") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  FakeMemcached* node = LockNode();
  SECTION("restarted empty") { node->RestartEmpty(); }
  SECTION("evicted") {
    std::erase_if(node->items(), [](const auto& item) { return item.first.ends_with(":lock"); });
  }
  clock.Advance(5s);
  a.RenewLocks();
  CHECK(Holder() == "a");
  CHECK(a.counters().lock_lost.Get() == 1);
  REQUIRE(slow.Finish("n|i:2;").ok());
  CHECK(Logged(slow, "its node had lost it"));
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("Leases that have ended are renewed no more, and their renewal retires") {
  View(&a, "n|i:1;");
  CHECK_FALSE(a.leases().Retire());  // one was held a moment ago
  clock.Advance(5s);
  a.RenewLocks();
  CHECK(a.counters().lock_renewals.Get() == 0);
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  clock.Advance(14s);
  a.RenewLocks();
  clock.Advance(14s);
  CHECK_FALSE(a.leases().Retire());
  slow.End();
  CHECK(a.leases().Retire());
}

// -- Fencing -----------------------------------------------------------------------------------------------------------

CLUSTER_LOCK_TEST("A holder that lost the lock overwrites nothing: both changes stay") {
  std::unique_ptr<Request> slow = Overtaken("n|i:1;b|i:1;");
  REQUIRE(slow->Finish("n|i:1;a|i:1;").ok());
  CHECK(a.counters().conflicts.Get() == 1);
  CHECK(a.counters().merges.Get() == 1);
  Request after(&b, &tab);
  const std::string both = *after.Start();
  CHECK_THAT(both, Contains("a|i:1;") && Contains("b|i:1;"));
  CHECK(LockNode() != nullptr);
}

CLUSTER_LOCK_TEST("on_conflict says whose change stays when a holder lost the lock") {
  a.context().settings.on_conflict = GENERATE(ConflictRule::kMine, ConflictRule::kTheirs);
  std::unique_ptr<Request> slow = Overtaken("n|i:2;b|i:1;");
  REQUIRE(slow->Finish("n|i:3;a|i:1;").ok());
  CHECK(a.counters().conflicts.Get() == 1);
  View(&b, a.context().settings.on_conflict == ConflictRule::kMine ? "n|i:3;a|i:1;" : "n|i:2;b|i:1;");
}

CLUSTER_LOCK_TEST("A lock node that restarts empty lets another server in, and neither's change is lost") {
  auto slow = std::make_unique<Request>(&a, &browser);
  REQUIRE(slow->Start().ok());
  LockNode()->RestartEmpty();
  Serve(&b, "n|i:1;", "n|i:1;b|i:1;", &tab);
  REQUIRE(slow->Finish("n|i:1;a|i:1;").ok());
  Request after(&b, &tab);
  CHECK_THAT(*after.Start(), Contains("a|i:1;") && Contains("b|i:1;"));
}

CLUSTER_LOCK_TEST("Servers that see different nodes work may both hold the lock, and neither's change is lost") {
  auto slow = std::make_unique<Request>(&a, &browser);
  REQUIRE(slow->Start().ok());
  b.Partition(IndexOf(LockNode()), true);
  Serve(&b, "n|i:1;", "n|i:1;b|i:1;", &tab);
  CHECK(clock.pauses() == 0);
  REQUIRE(slow->Finish("n|i:1;a|i:1;").ok());
  Request after(&a, &browser);
  CHECK_THAT(*after.Start(), Contains("a|i:1;") && Contains("b|i:1;"));
}

// -- Nodes that fail ---------------------------------------------------------------------------------------------------

CLUSTER_LOCK_TEST("Where the lock's node is down, the next one has the lock for all servers") {
  NodeInId()->set_down(true);
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  CHECK(first.waits() == 2);  // the failure is met once
  CHECK(LockNode() != nullptr);
  CHECK(LockNode() != NodeInId());
  b.context().settings.lock_wait = 1s;
  Request second(&b, &tab);
  CHECK_FALSE(second.Start().ok());
  REQUIRE(first.Finish("n|i:2;").ok());
  CHECK(LockNode() == nullptr);
  CHECK(Serve(&b, "n|i:2;", "n|i:3;") == 2);
}

CLUSTER_LOCK_TEST("A lock's node that hangs costs one timeout, then the next one has the lock") {
  NodeInId()->set_hung(&clock);
  const TimePoint before = clock.Now();
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  CHECK(clock.Now() - before == 350ms);
  CHECK(first.waits() == 2);
  NodeInId()->RestartEmpty();  // it has taken the claim that nobody waited for any more
  CHECK(LockNode() != nullptr);
}

CLUSTER_LOCK_TEST("A claim whose answer is lost is made good on the next node") {
  NodeInId()->LoseNextAnswer();
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  REQUIRE(first.Finish("n|i:2;").ok());
  CHECK(Holder() == "a");  // what nobody released ends with its lease
  Serve(&b, "n|i:2;", "n|i:3;");
  CHECK(clock.pauses() > 0);
  CHECK(b.counters().conflicts.Get() == 0);
}

CLUSTER_LOCK_TEST("A node without room for the lock leaves it to the next one") {
  NodeInId()->set_full(true);
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  CHECK(LockNode() != nullptr);
  CHECK(LockNode() != NodeInId());
  b.context().settings.lock_wait = 1s;
  Request second(&b, &tab);
  CHECK_FALSE(second.Start().ok());
}

CLUSTER_LOCK_TEST("If no node that answers takes the lock, no session is started without it") {
  for (FakeMemcached* node : nodes) node->set_full(true);
  Request request(&a, &browser);
  const Result<std::string> read = request.Start();
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message() ==
        "none of the nodes that answer takes the session's lock (out of memory?): no session is started without it");
  CHECK(clock.pauses() == 0);
}

CLUSTER_LOCK_TEST("With all nodes down a session that is local goes on, as with lock=local") {
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  Serve(&a, "n|i:2;", "n|i:3;");
  CHECK_FALSE(Request(&b, &tab).Start().ok());
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(3s);
  Serve(&a, "n|i:3;", "n|i:4;");
  Serve(&b, "n|i:4;", "n|i:5;");
}

CLUSTER_LOCK_TEST("Bytes of another program under the lock's key are replaced") {
  FakeMemcached* node = NodeInId();
  const std::string key = LockKey(node->items().begin()->first);
  node->items()[key] = {"not a lock", 77, clock.Now() + std::chrono::hours(10)};
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(a.counters().corrupt_records.Get() == 1);
  CHECK(clock.pauses() == 0);
  CHECK(LockNode() == nullptr);
}

// -- Histories ---------------------------------------------------------------------------------------------------------

namespace {

// Three servers, some requests at once, each of which counts up; servers that are killed; nodes that always work.
struct CountingHistory {
  explicit CountingHistory(uint64_t seed) : random(static_cast<uint32_t>(seed)) {
    SeedWebServers(seed + 1);
    for (size_t i = 0; i < kServers; ++i) servers.push_back(StartServer(i));
    Request first(servers[0].get(), &browser);
    if (!first.Start().ok() || !first.Finish("n|i:0;").ok()) std::abort();
  }

  std::unique_ptr<WebServer> StartServer(size_t number) {
    auto server = std::make_unique<WebServer>(std::string(1, static_cast<char>('a' + number)), nodes, &clock);
    server->context().settings.lock = LockMode::kCluster;
    server->context().settings.lock_wait = 0s;
    return server;
  }

  void Step() {
    const size_t number = random() % kServers;
    std::unique_ptr<Request>& request = requests[number];
    switch (random() % 6) {
      case 0:
        clock.Advance(std::chrono::milliseconds(random() % 4000));
        break;
      case 1:
        if (random() % 4 == 0) {  // killed: what its request held stays behind
          dead.push_back({std::move(servers[number]), std::move(request)});
          servers[number] = StartServer(number);
        }
        break;
      default:
        if (request == nullptr) {
          request = std::make_unique<Request>(servers[number].get(), &tabs[number]);
          tabs[number].session_id = browser.session_id;
          const Result<std::string> read = request->Start();
          if (read.ok()) payloads[number] = *read;
          if (read.ok() && payloads[number] != "n|i:" + std::to_string(counted) + ";") wrong = true;
          if (!read.ok()) request.reset();
          refused += read.ok() ? 0 : 1;
        } else {
          const int n = std::stoi(payloads[number].substr(4)) + 1;
          if (request->Finish("n|i:" + std::to_string(n) + ";").ok()) ++counted;
          request.reset();
        }
    }
    for (const std::unique_ptr<WebServer>& server : servers) server->RenewLocks();
  }

  static constexpr size_t kServers = 3;
  struct Dead {
    std::unique_ptr<WebServer> server;
    std::unique_ptr<Request> request;
  };
  FakeClock clock;
  FakeMemcached m1{"m1", &clock};
  FakeMemcached m2{"m2", &clock};
  std::vector<FakeMemcached*> nodes{&m1, &m2};
  std::vector<std::unique_ptr<WebServer>> servers;
  Browser browser;
  Browser tabs[kServers];
  std::vector<Dead> dead;
  std::unique_ptr<Request> requests[kServers];
  std::string payloads[kServers];
  std::mt19937 random;
  int counted = 0;
  int refused = 0;
  bool wrong = false;
};

}  // namespace

TEST_CASE("While nodes work no count is lost with lock=cluster, whichever servers are killed", "[session]") {
  int counted = 0;
  int refused = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    CountingHistory history(seed);
    for (int i = 0; i < 80 && !history.wrong; ++i) history.Step();
    INFO("seed " << seed);
    REQUIRE_FALSE(history.wrong);
    counted += history.counted;
    refused += history.refused;
  }
  CHECK(counted > 1000);
  CHECK(refused > 1000);
}

// -- The item ----------------------------------------------------------------------------------------------------------

TEST_CASE("A lock's item says who holds it, and nothing else passes for it", "[session]") {
  const LockHolder holder{0x0123456789abcdef, 0xfedcba9876543210, 4711, "web-1"};
  const std::string text = holder.Format();
  CHECK(text == "CSL1 0123456789abcdef fedcba9876543210 4711 web-1");
  const std::optional<LockHolder> parsed = LockHolder::Parse(text);
  REQUIRE(parsed);
  CHECK(parsed->Format() == text);
  CHECK(parsed->ToString() == "process 4711 of server web-1");
  CHECK(LockHolder::Parse(LockHolder{1, 2, 3, ""}.Format()));
  const auto wrong = GENERATE(
      "", "CSL1", "CSL1 ", "CSL2 0123456789abcdef fedcba9876543210 4711 web-1", "CSL1 0123456789abcdef",
      "CSL1 0123456789abcdef fedcba9876543210 4711", "CSL1 0123456789abcdef fedcba9876543210 4711 ",
      "CSL1 0123456789abcdeg fedcba9876543210 4711 web-1", "CSL1 0123456789abcdef fedcba9876543210 -1 web-1",
      "CSL1 0123456789abcdef fedcba9876543210  web-1", "CSL1 0123456789abcdef fedcba9876543210 99999999999 web-1",
      "CSL1 0123456789abcdef fedcba9876543210 4711 web\n1", "CSL1 0123456789abcdef fedcba9876543210 4711 we b");
  CHECK_FALSE(LockHolder::Parse(wrong));
}

TEST_CASE("A lock's key is no session's, and fits", "[session]") {
  const std::string key = LockKey(StorageKey(std::string(64, 'p'), HashSessionId({}, "cs:", "id")));
  CHECK(key.size() <= 250);
  CHECK(key.substr(key.size() - 22).find(':') != std::string::npos);  // a session's has no colon there
}

TEST_CASE("Pauses grow from 2 to 100 ms, and differ", "[session]") {
  LockPauses one(1);
  LockPauses other(2);
  Duration longest = 2ms;
  int different = 0;
  for (int i = 0; i < 20; ++i) {
    const Duration pause = one.Next();
    CHECK(pause >= longest / 2);
    CHECK(pause <= longest);
    longest = std::min<Duration>(2 * longest, 100ms);
    different += other.Next() != pause ? 1 : 0;
  }
  CHECK(different > 15);
}
