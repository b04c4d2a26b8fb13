// Cluster locks whose leases end, whose holders die or come too late, and whose nodes fail. Layer: tests.
#include <optional>
#include <string>

#include "tests/session/cluster_lock_fixture.h"

using namespace clustered_session;
using Catch::Contains;

// -- Leases

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
  CHECK(Logged(*slow, "lost the cluster lock of its session (no node renewed it in time)"));
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
  CHECK(Logged(slow, "its node lost it"));
  CHECK(LockNode() == nullptr);
}

CLUSTER_LOCK_TEST("A lease counts from when its claim was sent, however slow the answer") {
  std::optional<Request> slow;
  TimePoint sent_at;
  SECTION("claimed") {
    Placed(browser.session_id)[1]->set_hung(&clock);  // the lock's node answers, and is waited for with the others
    sent_at = clock.Now();
    slow.emplace(&a, &browser);
    REQUIRE(slow->Start().ok());
    REQUIRE(clock.Now() > sent_at);
  }
  SECTION("taken over from a worker that died") {
    DieInRequest(&a);
    sent_at = clock.Now();
    LockNode()->AfterWrite([&] { clock.Advance(200ms); });
    slow.emplace(&a, &browser);
    REQUIRE(slow->Start().ok());
    REQUIRE(clock.Now() > sent_at);
  }
  SECTION("renewed") {
    slow.emplace(&a, &browser);
    REQUIRE(slow->Start().ok());
    clock.Advance(5s);
    sent_at = clock.Now();
    LockNode()->AfterWrite([&] { clock.Advance(200ms); });
    a.RenewLocks();
    REQUIRE(clock.Now() > sent_at);
  }
  CHECK(a.RenewLocks() == sent_at + kLockLease / 3);
  // A second before its end by that, it may be gone on the node.
  clock.Advance(sent_at + kLockLease - 1s - clock.Now());
  REQUIRE(slow->Finish("n|i:2;").ok());
  CHECK(a.counters().lock_lost.Get() == 1);
}

CLUSTER_LOCK_TEST("A lock that is given back in the middle of its renewal is free after it") {
  Request slow(&a, &browser);
  REQUIRE(slow.Start().ok());
  FakeMemcached* node = LockNode();
  const auto give_back = [&] {
    REQUIRE(slow.FinishUnchanged().ok());
    // This very moment the item is the renewal's business: nobody else gets in before its end.
    CHECK(LockNode() == node);
  };
  SECTION("before the node has heard of the renewal") { node->BeforeWrite(give_back); }
  SECTION("before the answer") { node->AfterWrite(give_back); }
  clock.Advance(5s);
  a.RenewLocks();
  CHECK(LockNode() == nullptr);
  CHECK(a.counters().lock_lost.Get() == 0);
  CHECK(a.counters().lock_renewals.Get() == 1);
  clock.Advance(kLockLease);
  CHECK(a.leases().Retire());
  Serve(&b, "n|i:1;", "n|i:2;");
  CHECK(clock.pauses() == 0);
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

// -- Fencing

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

CLUSTER_LOCK_TEST("A lock that its node loses while it is taken over from a dead worker is claimed anew") {
  DieInRequest(&a);
  // Between the look at the lock and its takeover, another server gets in on the empty node, and is done.
  LockNode()->BeforeWrite([this, node = LockNode()] {
    node->RestartEmpty();
    Serve(&b, "n|i:1;", "n|i:1;b|i:1;", &tab);
  });
  Request next(&a, &browser);
  CHECK(*next.Start() == "n|i:1;b|i:1;");
  CHECK(Holder() == "a");
  REQUIRE(next.Finish("n|i:1;b|i:1;a|i:1;").ok());
  CHECK(a.counters().conflicts.Get() == 0);
  CHECK(LockNode() == nullptr);
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

// -- Nodes that fail

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
  NodeInId()->LoseAnswer();
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
        "no node takes the session's lock (out of memory?): the session does not start without it [CS-LOCK-NODE]");
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
