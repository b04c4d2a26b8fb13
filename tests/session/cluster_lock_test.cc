// lock=cluster: the session lock that all servers respect, over imagined nodes and an imagined clock; and the item that
// it is. Layer: tests. Leases and failing nodes: cluster_lock_faults_test.cc; histories: cluster_lock_history_test.cc.
#include "src/session/cluster_lock.h"

#include <unistd.h>

#include "tests/session/cluster_lock_fixture.h"

using namespace clustered_session;
using Catch::Contains;

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
                                      std::to_string(getpid()) + " of server a has it [CS-LOCK-WAIT]");
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
  const uint64_t asked = m1.reads + m2.reads + m3.reads - reads;  // three for the session, then one for the lock's item
  CHECK(asked > 300);                                             // 30 seconds
  CHECK(asked < 650);
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
  a.context().space = Hash128({}, "local", "m2,m1,m3");
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
  const std::string key = LockKey(StorageKey(std::string(64, 'p'), Hash128({}, "cs:", "id")));
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
