// Each server has a clock of its own, which no other knows, and may be wrong about what has expired. Layer: tests.
#include <catch2/catch.hpp>

#include "src/session/flusher.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint32_t kLifetime = Request::kLifetime;

// Servers whose clocks show other times than the nodes', and than each other's.
struct Clocks : ClusterFixture {
  Clocks() {
    clock.Advance(hours(1000));  // so that no clock shows a time before the first
  }

  // What each of two servers is off by.
  struct Offsets {
    Duration a;
    Duration b;
  };
  static Offsets Pick() {
    const auto [of_a, of_b] = GENERATE(table<minutes, minutes>(
        {{minutes(10), minutes(-10)}, {minutes(-10), minutes(10)}, {hours(5), hours(-7)}, {hours(-300), hours(200)}}));
    return {of_a, of_b};
  }

  Offsets offsets = Pick();
  OffsetClock clock_of_a{&clock, offsets.a};
  OffsetClock clock_of_b{&clock, offsets.b};
  WebServer early{"a", nodes, &clock_of_a};
  WebServer late{"b", nodes, &clock_of_b};
};

}  // namespace

TEST_CASE_METHOD(Clocks, "Failover and failback need no common time", "[session]") {
  CHECK(Serve(&early, "", "n|i:1;") == 1);
  CHECK(View(&early, "n|i:1;") == 0);
  CHECK(Serve(&late, "n|i:1;", "n|i:2;") == 2);
  CHECK(View(&late, "n|i:2;") == 1);  // in the grace
  CHECK(Serve(&early, "n|i:2;", "n|i:3;") == 2);
  CHECK(Serve(&late, "n|i:3;", "n|i:4;") == 2);
  clock.Advance(seconds(61));
  CHECK(View(&late, "n|i:4;") == 1);
  CHECK(View(&late, "n|i:4;") == 0);  // the grace is over
  late.Restart();
  Serve(&early, "n|i:4;", "n|i:5;");
  early.Restart();
  View(&late, "n|i:5;");
  CHECK(early.counters().conflicts.Get() + late.counters().conflicts.Get() == 0);
}

TEST_CASE_METHOD(Clocks, "Whose change is the later one is not decided by a clock", "[session]") {
  Serve(&early, "", "n|i:1;");
  Browser old = browser;
  Request slow(&early, &old);
  REQUIRE(slow.Start().value() == "n|i:1;");
  Serve(&late, "n|i:1;", "b|i:2;n|i:1;");
  REQUIRE(slow.Finish("a|i:3;n|i:1;").ok());
  CHECK(early.counters().merges.Get() == 1);
  CHECK(early.counters().merge_collisions.Get() == 0);
  View(&late, "a|i:3;n|i:1;b|i:2;");
}

TEST_CASE_METHOD(Clocks, "Branches of servers that were cut off from each other are merged, whatever their clocks show",
                 "[session]") {
  Serve(&early, "", "n|i:1;");
  Browser other = browser;
  for (size_t i = 0; i < nodes.size(); ++i) {
    (nodes[i] == NodeInId() ? late : early).connection(i).set_partitioned(true);
  }
  Serve(&early, "n|i:1;", "n|i:1;x|i:1;");
  std::swap(browser, other);
  Serve(&late, "n|i:1;", "n|i:1;y|i:1;");
  for (size_t i = 0; i < nodes.size(); ++i) {
    early.connection(i).set_partitioned(false);
    late.connection(i).set_partitioned(false);
  }
  clock.Advance(seconds(61));
  Request request(&late, &browser);
  const std::string merged = request.Start().value();
  CHECK(merged.find("x|i:1;") != std::string::npos);
  CHECK(merged.find("y|i:1;") != std::string::npos);
}

TEST_CASE_METHOD(Clocks, "A destroyed session stays so under any clock", "[session]") {
  Serve(&early, "", "n|i:1;");
  const Browser before = browser;
  Browser tab = browser;
  Request slow(&early, &tab);
  REQUIRE(slow.Start().ok());
  {
    Request request(&late, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  REQUIRE(slow.Finish("n|i:2;").ok());  // too late
  slow.End();
  for (WebServer* server : {&early, &late}) {
    browser = before;
    View(server, "");
  }
  // The tombstone is there for as long as a record that was written two minutes later, and no longer.
  clock.Advance(seconds(kLifetime + kLifetime / 10 + 110));
  CHECK(HeldBy(NodeInId(), browser.session_id) == "destroyed");
  clock.Advance(seconds(20));
  CHECK(HeldBy(NodeInId(), browser.session_id) == "nothing");
}

TEST_CASE_METHOD(Clocks, "A session lives its lifetime from its last use, wherever that was", "[session]") {
  Serve(&early, "", "n|i:1;");
  for (int i = 0; i < 4; ++i) {
    clock.Advance(seconds(kLifetime - 10));
    View(i % 2 == 0 ? &late : &early, "n|i:1;");
  }
  const Browser before = browser;
  clock.Advance(seconds(2 * kLifetime));
  for (WebServer* server : {&early, &late}) {
    browser = before;
    View(server, "");
  }
}

TEST_CASE_METHOD(Clocks, "An outage ends on each server by its own clock", "[session]") {
  Serve(&early, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&early, "n|i:1;", "n|i:2;");
  for (FakeMemcached* node : nodes) node->set_down(false);
  Flusher flusher(&early.store(), &clock_of_a, [this](uint8_t) { return Borrow(early.context()); });
  CHECK(flusher.Run(100, clock_of_a.Now() + seconds(1)).no_node == 1);
  clock.Advance(seconds(3));
  CHECK(flusher.Run(100, clock_of_a.Now() + seconds(1)).written == 1);
  CHECK(early.context().shared->longest_lag_ns.load() == 3'000'000'000);
  View(&late, "n|i:2;");
}

// What a server believes of a session's end, and what the nodes and other servers know.

TEST_CASE_METHOD(ClusterFixture, "A session whose records the nodes have lost lives on where its entry does",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->items().clear();  // evicted: the incarnation stays
  SECTION("unasked while the copy is trusted") {
    CHECK(View(&a, "n|i:1;") == 0);
    clock.Advance(seconds(11));
    View(&a, "n|i:1;");
  }
  SECTION("when it is validated") {
    browser.affinity.reset();
    View(&a, "n|i:1;");
  }
  CHECK(a.counters().lost_sessions.Get() == 1);
  CHECK(Holders() == 2);
  // A change meets nodes without an item, where its tokens say that there is one.
  for (FakeMemcached* node : nodes) node->items().clear();
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(Holders() == 2);
  View(&b, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "A shorter lifetime on one server ends no session of another before its time",
                 "[session]") {
  // B takes a session over for a request of 60 seconds' lifetime; its records expire with that.
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  {
    Session session(b.context());
    REQUIRE(session.Read(browser.session_id, 60).value() == "n|i:1;");
    REQUIRE(session.Write(browser.session_id, "n|i:2;", 60).ok());
  }
  clock.Advance(seconds(60 + 6));  // and a tenth
  CHECK(HeldBy(Placed(browser.session_id)[0], browser.session_id) == "nothing");
  b.Restart();
  // The other server's entry lives: the last that is known of the session.
  browser = old;
  View(&a, "n|i:1;");
  CHECK(a.counters().lost_sessions.Get() == 1);
  View(&b, "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "A session that expired here and was kept alive elsewhere is found there",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  for (int i = 0; i < 3; ++i) {
    clock.Advance(seconds(kLifetime / 2));
    View(&b, "n|i:2;");
  }
  // A's entry has expired; B has kept the session.
  View(&a, "n|i:2;");
  CHECK(a.counters().takeovers.Get() == 1);
  // The same without anybody to refresh A's memory, and with a client that shows A.
  Browser old = browser;
  Serve(&b, "n|i:2;", "n|i:3;");
  for (int i = 0; i < 3; ++i) {
    clock.Advance(seconds(kLifetime / 2));
    View(&b, "n|i:3;");
  }
  browser = old;
  View(&a, "n|i:3;");
}

TEST_CASE_METHOD(ClusterFixture, "A session that expired everywhere starts empty everywhere", "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  clock.Advance(seconds(kLifetime + 400));
  const Browser before = browser;
  for (WebServer* server : {&a, &b}) {
    browser = before;
    Request request(server, &browser, /*strict=*/true);
    CHECK(request.Start().value().empty());
    CHECK(browser.session_id != before.session_id);
  }
}
