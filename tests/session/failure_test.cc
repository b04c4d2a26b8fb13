// What survives when servers, nodes and records fail. Layer: tests.
#include <catch2/catch.hpp>

#include "src/session/shared_state.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

// How many nodes a server leaves alone.
int Failing(WebServer* server) {
  const NodeSet& nodes = *server->context().nodes;
  int failing = 0;
  for (uint32_t i = 0; i < nodes.size(); ++i) failing += nodes.WorthAsking(i) ? 0 : 1;
  return failing;
}

}  // namespace

TEST_CASE_METHOD(ClusterFixture, "A session survives the loss of its web server", "[session]") {
  Serve(&a, "", "user|s:3:\"ann\";");
  a.Restart();
  View(&b, "user|s:3:\"ann\";");
  View(&a, "user|s:3:\"ann\";");
}

TEST_CASE_METHOD(ClusterFixture, "A session survives the loss of one node, and of its web server as well",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  NodeInId()->set_down(true);
  View(&a, "n|i:1;");
  View(&b, "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "A node that comes back empty is repaired by the next validation", "[session]") {
  Serve(&a, "", "n|i:1;");
  NodeInId()->RestartEmpty();
  browser.affinity.reset();
  View(&a, "n|i:1;");
  CHECK(NodeInId()->items().size() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "A node that comes back with old items is not believed, and repaired", "[session]") {
  Serve(&a, "", "n|i:1;");
  const auto old_items = NodeInId()->items();
  Serve(&a, "n|i:1;", "n|i:2;");
  NodeInId()->RestartWith(old_items);
  View(&b, "n|i:2;");
  PassGrace();
  for (FakeMemcached* node : nodes) {
    if (node != NodeInId()) node->set_down(true);
  }
  a.Restart();
  b.Restart();
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "A token of a node's former incarnation never overwrites silently", "[session]") {
  Serve(&a, "", "n|i:1;");
  FakeMemcached* node = NodeInId();
  const std::string key = node->items().begin()->first;
  // The node restarts empty and gets another server's later record, by chance under the same CAS number.
  Browser same = browser;
  node->RestartEmpty();
  Serve(&b, "n|i:1;", "n|i:9;");
  CHECK(node->items().at(key).cas == 1);
  browser = same;  // the other tab still shows A's affinity
  Serve(&a, "n|i:1;", "m|i:1;n|i:1;");
  View(&b, "m|i:1;n|i:9;");
}

TEST_CASE_METHOD(ClusterFixture, "With all nodes down, sessions that are local go on and are written later",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(30));
  View(&a, "n|i:2;");
  CHECK(a.store().GetUsage().unreplicated == 1);
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "n|i:2;");
  CHECK(a.store().GetUsage().unreplicated == 0);
  a.Restart();
  View(&b, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "A failing node is not asked again before the retry interval", "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  const uint64_t writes = m1.writes + m2.writes + m3.writes;
  CHECK(Serve(&a, "n|i:2;", "n|i:3;") == 0);
  CHECK(m1.writes + m2.writes + m3.writes == writes);
}

TEST_CASE_METHOD(ClusterFixture, "A node that is known to fail gets no new sessions", "[session]") {
  Serve(&a, "", "n|i:1;");
  FakeMemcached* const failing = NodeInId();
  failing->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  Session session(a.context());
  for (uint64_t random = 0; random < 3 * nodes.size(); ++random) {
    browser.session_id = session.CreateId("00112233445566778899aabbccddeeff", random);
    REQUIRE(NodeInId() != nullptr);
    CHECK(NodeInId() != failing);
  }
}

TEST_CASE_METHOD(ClusterFixture, "That strict mode could ask no node fails one read, and the next one asks again",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  Session session(b.context());
  REQUIRE_FALSE(session.Validate(browser.session_id, Request::kLifetime).ok());
  CHECK_FALSE(session.Read(browser.session_id, Request::kLifetime).ok());
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  const Result<std::string_view> read = session.Read(browser.session_id, Request::kLifetime);
  REQUIRE(read.ok());
  CHECK(*read == "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "No healthy node is taken for failing because a hung one used up the time",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  NodeInId()->set_hung(&clock);
  // The write's first attempt waits for the hung node to the end, and for no other after that.
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(Failing(&a) == 1);
  Serve(&a, "n|i:2;", "n|i:3;");  // the others are enough
  CHECK(Failing(&a) == 1);
  CHECK(a.counters().unreplicated.Get() == 0);
  // A read that validates, and one that takes over.
  NodeInId()->set_hung(nullptr);
  clock.Advance(std::chrono::seconds(3));
  browser.affinity.reset();
  View(&a, "n|i:3;");
  CHECK(Failing(&a) == 0);
  NodeInId()->set_hung(&clock);
  browser.affinity.reset();
  View(&a, "n|i:3;");
  CHECK(Failing(&a) == 1);
  View(&b, "n|i:3;");
  CHECK(Failing(&b) == 1);
}

TEST_CASE_METHOD(ClusterFixture, "A conflict that is met while another node hangs is resolved on those that answer",
                 "[session]") {
  const bool shows = GENERATE(true, false);
  for (FakeMemcached* node : nodes) node->set_shows(shows);
  Serve(&a, "", "x|i:1;");
  const Browser old = browser;
  Serve(&b, "x|i:1;", "x|i:1;y|i:1;");
  NodeInId()->set_hung(&clock);
  browser = old;
  Serve(&a, "x|i:1;", "x|i:2;");  // trusts its copy, and learns of the other server from a node that answers
  CHECK(a.counters().unreplicated.Get() == 0);
  CHECK(Failing(&a) == 1);
  Serve(&b, "x|i:2;y|i:1;", "x|i:2;y|i:2;");
  View(&a, "x|i:2;y|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "However many nodes hang in turn, a write waits for one of them after its time is up",
                 "[session]") {
  Serve(&a, "", "x|i:1;");
  Browser old = browser;
  Request slow(&a, &old);
  REQUIRE(slow.Start().ok());
  b.context().settings.copies = 3;
  Serve(&b, "x|i:1;", "x|i:1;y|i:1;");
  // The first hangs, and each of the others shows the other server's record and then hangs as well.
  const std::vector<FakeMemcached*> placed = Placed(old.session_id);
  placed[0]->set_hung(&clock);
  for (size_t i : {1, 2}) {
    placed[i]->AfterWrite([this, node = placed[i]] { node->BeforeWrite([this, node] { node->set_hung(&clock); }); });
  }
  const TimePoint before = clock.Now();
  REQUIRE(slow.Finish("x|i:2;").ok());
  const SessionSettings& settings = a.context().settings;
  CHECK(clock.Now() - before <= settings.connect_timeout + 2 * settings.operation_timeout);
  CHECK(a.store().GetUsage().unreplicated == 1);
  for (FakeMemcached* node : nodes) node->set_hung(nullptr);
  clock.Advance(std::chrono::seconds(3));
  browser = old;
  View(&a, "x|i:2;y|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "A session that is taken back is asked for at the nodes, whatever the affinity",
                 "[session]") {
  a.context().settings.affinity = GENERATE(AffinityMode::kCookie, AffinityMode::kBalancer);
  Serve(&a, "", "x|i:1;");
  const Browser old = browser;
  Serve(&b, "x|i:1;", "x|i:1;y|i:1;");
  const Browser moved = browser;
  // They show the other server's record, and take nothing after that: the session is this server's again.
  for (FakeMemcached* node : nodes) node->set_writes_left(node->items().empty() ? 0 : 1);
  browser = old;
  Serve(&a, "x|i:1;", "x|i:2;");
  REQUIRE(a.counters().takeovers.Get() == 1);
  const Browser back = browser;
  for (FakeMemcached* node : nodes) node->set_writes_left(-1);
  browser = moved;
  Serve(&b, "x|i:1;y|i:1;", "x|i:1;y|i:1;z|i:1;");  // a request of the other server that still ran
  clock.Advance(std::chrono::seconds(3));
  browser = back;
  View(&a, "x|i:2;y|i:1;z|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "What no node took is kept here, also if another server owns the session by now",
                 "[session]") {
  Serve(&a, "", "x|i:1;");
  const Browser old = browser;
  Serve(&b, "x|i:1;", "x|i:1;y|i:1;");
  // They show the other server's record, and take nothing after that.
  for (FakeMemcached* node : nodes) node->set_writes_left(node->items().empty() ? 0 : 1);
  browser = old;
  Serve(&a, "x|i:1;", "x|i:2;");
  CHECK(a.counters().unreplicated.Get() == 1);
  for (FakeMemcached* node : nodes) node->set_writes_left(-1);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "x|i:2;y|i:1;");
  View(&b, "x|i:2;y|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "No empty session is started in place of one that cannot be read", "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  const std::string id = browser.session_id;
  for (const bool strict : {false, true}) {
    Request request(&b, &browser, strict);
    Result<std::string> read = request.Start();
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code() == ErrorCode::kUnavailable);
    CHECK(read.error().message().find(id) == std::string::npos);
    CHECK(browser.session_id == id);
  }
}

TEST_CASE_METHOD(ClusterFixture, "An ID that no node knows is an empty session, in strict mode under another ID",
                 "[session]") {
  browser.session_id = "0123456789abcdef0123456789abcdef-m1";
  View(&a, "");
  Browser other;
  other.session_id = "fedcba9876543210fedcba9876543210-m1";
  Request request(&b, &other, /*strict=*/true);
  REQUIRE(request.Start().ok());
  CHECK(other.session_id != "fedcba9876543210fedcba9876543210-m1");
}

TEST_CASE_METHOD(ClusterFixture, "A record that is not ours is a miss with a notice, and is replaced", "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string good = m1.items().empty() ? m2.items().begin()->second.value : m1.items().begin()->second.value;
  const std::string bad = GENERATE_COPY(std::string("garbage"), std::string(), good.substr(0, good.size() - 1),
                                        good.substr(0, 20), std::string("CSR1\x02") + good.substr(5), good + "x");
  for (FakeMemcached* node : nodes) {
    for (auto& [key, item] : node->items()) item.value = bad;
  }
  a.Restart();
  browser.affinity.reset();
  Request request(&a, &browser);
  Result<std::string> read = request.Start();
  REQUIRE(read.ok());
  CHECK(read->empty());
  REQUIRE_FALSE(request.notices().empty());
  CHECK_FALSE(request.notices()[0].warning);
  CHECK(request.notices()[0].text.find("unreadable") != std::string::npos);
  REQUIRE(request.Finish("n|i:5;").ok());
  View(&b, "n|i:5;");
}

TEST_CASE_METHOD(ClusterFixture, "A record copied under another session's key is not believed", "[session]") {
  Serve(&a, "", "secret|i:1;");
  const std::string record = NodeInId()->items().begin()->second.value;
  browser = Browser();
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) {
    for (auto& [key, item] : node->items()) item.value = record;
  }
  View(&b, "");
}

TEST_CASE_METHOD(ClusterFixture, "A session larger than the node takes is a clear error, and the old record stays",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_item_size_max(1000);
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  Status status = request.Finish(std::string(2000, 'x'));
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code() == ErrorCode::kTooLarge);
  CHECK(status.error().message().find("1000") != std::string::npos);
  View(&a, "n|i:1;");
  View(&b, "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "A session too large for local memory is served from the nodes", "[session]") {
  const std::string large(600'000, 'x');
  Serve(&a, "", large);
  View(&a, large);
  View(&b, large);
}

TEST_CASE_METHOD(ClusterFixture, "A full node is passed over, and the session still has its copies", "[session]") {
  m1.set_full(true);
  browser = Browser();
  Serve(&a, "", "n|i:1;");
  CHECK(m2.items().size() + m3.items().size() == 2);
}

TEST_CASE_METHOD(ClusterFixture, "A write whose answer was lost is not a conflict with itself", "[session]") {
  Serve(&a, "", "n|i:1;");
  NodeInId()->LoseAnswer();
  Serve(&a, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(3));
  Serve(&a, "n|i:2;", "n|i:3;");
  CHECK(a.counters().conflicts.Get() == 0);
  a.Restart();
  View(&b, "n|i:3;");
}

TEST_CASE_METHOD(ClusterFixture, "A node that failed is logged once when it fails and once when it answers again",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  NodeInId()->set_down(true);
  size_t notices = 0;
  const auto serve = [&](std::string_view expected, std::string_view payload) {
    Request request(&a, &browser);
    REQUIRE(request.Start().value() == expected);
    REQUIRE(request.Finish(payload).ok());
    notices += request.notices().size();
  };
  serve("n|i:1;", "n|i:2;");
  serve("n|i:2;", "n|i:3;");
  clock.Advance(std::chrono::seconds(3));
  serve("n|i:3;", "n|i:4;");
  CHECK(notices == 1);
  NodeInId()->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  serve("n|i:4;", "n|i:5;");
  serve("n|i:5;", "n|i:6;");
  CHECK(notices == 2);
}

TEST_CASE_METHOD(ClusterFixture, "An item that is gone when its node is asked for it is written again there",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  Browser old = browser;
  Serve(&b, "n|i:1;", "b|i:1;n|i:1;");
  for (FakeMemcached* node : nodes) node->set_shows(false);
  placed[0]->AfterWrite([&] { placed[0]->items().clear(); });  // between the write that met it and the question
  Request request(&a, &old);
  REQUIRE(request.Start().ok());
  REQUIRE(request.Finish("a|i:1;n|i:1;").ok());
  CHECK(HeldBy(placed[0], old.session_id) == HeldBy(placed[1], old.session_id));
  CHECK(HeldBy(placed[2], old.session_id) == "nothing");
  CHECK(a.counters().under_replicated.Get() == 0);
}
