// A server that has lost its nodes: what takes them from it, when it asks again, and what it says. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Another worker of the same server: its own connections, and the shared memory that they have in common.
struct Worker2 {
  explicit Worker2(WebServer* server, const std::vector<FakeMemcached*>& memcached, FakeClock* clock)
      : context(server->context()) {
    HealthTable* table = &context.shared->nodes;
    std::vector<NodeSet::Member> members;
    for (FakeMemcached* each : memcached) {
      NodeSet::Member& member = members.emplace_back();
      auto node = std::make_unique<FakeNode>(each, clock);
      member.address = server->context().nodes->addresses()[members.size() - 1];
      member.hash = NodeNameHash(node->name(), node->address());
      member.health = HealthHandle(table, HealthKey(node->name(), {}), clock->Now());
      member.node = std::move(node);
    }
    nodes = std::make_unique<NodeSet>(std::move(members), seconds(2), clock, &context.store->counters(),
                                      context.settings.operation_timeout / 2,
                                      HealthHandle(table, HealthKey("all", {}), clock->Now()));
    nodes->TellTo([this](const NodeEvent& event) { notices.push_back({false, event.text, event.at}); });
    context.nodes = nodes.get();
  }

  // What a client without a cookie finds under this ID.
  Result<std::string> Read(const std::string& id) {
    Session session(context);
    Result<std::string_view> read = session.Read(id, Request::kLifetime);
    for (Notice& notice : session.TakeNotices()) notices.push_back(std::move(notice));
    if (!read.ok()) return read.error();
    return std::string(*read);
  }

  SessionContext context;
  std::unique_ptr<NodeSet> nodes;
  std::vector<Notice> notices;
};

size_t Said(const std::vector<Notice>& notices, std::string_view text) {
  return static_cast<size_t>(std::count_if(notices.begin(), notices.end(), [text](const Notice& notice) {
    return notice.text.find(text) != std::string::npos;
  }));
}

constexpr std::string_view kBegins = "no node of session.save_path can be asked";
constexpr std::string_view kEnds = "a node of session.save_path answers again";

struct AloneFixture : ClusterFixture {
  void SetAllDown(bool down) {
    for (FakeMemcached* node : nodes) node->set_down(down);
  }
  uint64_t Reads() const { return m1.reads + m2.reads + m3.reads; }
};

}  // namespace

TEST_CASE_METHOD(AloneFixture, "One late answer of one worker takes a node from no other", "[session]") {
  Serve(&a, "", "n|i:1;");
  Worker2 other(&a, nodes, &clock);
  const std::string id = browser.session_id;
  NodeInId()->LoseAnswer();
  Serve(&a, "n|i:1;", "n|i:2;");
  const uint64_t reads = NodeInId()->reads;
  const Result<std::string> read = other.Read(id);
  REQUIRE(read.ok());
  CHECK(*read == "n|i:2;");
  CHECK(NodeInId()->reads == reads + 1);
  CHECK(other.notices.empty());
  // And it is cleared by that: the first worker asks it again, too.
  browser.affinity.reset();
  View(&a, "n|i:2;");
  CHECK(NodeInId()->reads == reads + 2);
}

TEST_CASE_METHOD(AloneFixture, "A server that has given up all nodes asks them once more before it refuses a session",
                 "[session]") {
  const bool cluster_lock = GENERATE(false, true);
  if (cluster_lock) a.context().settings.lock = b.context().settings.lock = LockMode::kCluster;
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  SetAllDown(true);
  Worker2 worker(&b, nodes, &clock);
  REQUIRE_FALSE(worker.Read(id).ok());
  SetAllDown(false);
  const uint64_t reads = Reads();
  clock.Advance(milliseconds(99));
  CHECK_FALSE(worker.Read(id).ok());
  CHECK(Reads() == reads);
  clock.Advance(milliseconds(1));
  const Result<std::string> read = worker.Read(id);  // long before the retry interval is over
  REQUIRE(read.ok());
  CHECK(*read == "n|i:1;");
  CHECK(b.counters().last_tries.Get() == 1);
  CHECK(b.counters().lock_lost.Get() == 0);
}

TEST_CASE_METHOD(AloneFixture,
                 "A server that has given up all nodes asks them once more before it keeps a change to itself",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  SetAllDown(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  SetAllDown(false);
  clock.Advance(milliseconds(50));
  Serve(&a, "n|i:2;", "n|i:3;");
  CHECK(a.counters().unreplicated.Get() == 2);
  clock.Advance(milliseconds(50));
  Serve(&a, "n|i:3;", "n|i:4;");
  CHECK(a.counters().unreplicated.Get() == 2);
  CHECK(a.store().GetUsage().unreplicated == 0);
  View(&b, "n|i:4;");
}

TEST_CASE_METHOD(AloneFixture,
                 "A server without nodes asks each at most once in a tenth of a second, for all its requests",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  const bool hang = GENERATE(false, true);
  SetAllDown(!hang);
  for (FakeMemcached* node : nodes) node->set_hung(hang ? &clock : nullptr);
  std::vector<std::unique_ptr<Worker2>> workers;
  for (int i = 0; i < 5; ++i) workers.push_back(std::make_unique<Worker2>(&b, nodes, &clock));
  for (int i = 0; i < 5; ++i) {  // each may have a doubt of its own
    for (const auto& worker : workers) CHECK_FALSE(worker->Read(id).ok());
  }
  const TimePoint start = clock.Now();
  const uint64_t reads = Reads();
  for (int i = 0; i < 100; ++i) {
    clock.Advance(milliseconds(7));
    for (const auto& worker : workers) CHECK_FALSE(worker->Read(id).ok());
  }
  const auto tenths = static_cast<uint64_t>((clock.Now() - start) / milliseconds(100));
  CHECK(Reads() - reads <= nodes.size() * (tenths + 1));
  CHECK(Reads() - reads >= nodes.size());
}

TEST_CASE_METHOD(AloneFixture, "A server that has other nodes left asks none again that it has given up", "[session]") {
  Serve(&a, "", "n|i:1;");
  FakeMemcached* gone = Placed(browser.session_id)[0];
  gone->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  const uint64_t asked = gone->reads + gone->writes;
  for (int i = 2; i < 10; ++i) {
    clock.Advance(milliseconds(150));
    browser.affinity.reset();
    Serve(&a, "n|i:" + std::to_string(i) + ";", "n|i:" + std::to_string(i + 1) + ";");
  }
  CHECK(gone->reads + gone->writes == asked);
  CHECK(a.counters().last_tries.Get() == 0);
}

TEST_CASE_METHOD(AloneFixture, "Being alone is told once when it begins and once when it ends, by whichever worker",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  Worker2 first(&b, nodes, &clock), second(&b, nodes, &clock);
  TimePoint since;
  CHECK_FALSE(first.nodes->Alone(&since));
  clock.Advance(seconds(5));
  const TimePoint began = clock.Now();
  SetAllDown(true);
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(first.Read(id).ok());
    CHECK_FALSE(second.Read(id).ok());
    clock.Advance(seconds(3));
  }
  CHECK(Said(first.notices, kBegins) == 1);
  CHECK(Said(second.notices, kBegins) == 0);
  CHECK(Said(first.notices, "stand in") == 0);  // which other nodes?
  CHECK(Said(first.notices, "connection refused") == 3);
  CHECK(first.notices.back().at == began);
  for (WebServer* server : {&a, &b}) {
    CHECK(server->context().nodes->Alone(&since) == (server == &b));
  }
  CHECK(since == began);

  SetAllDown(false);
  CHECK(second.Read(id).ok());
  CHECK(first.Read(id).ok());
  CHECK(Said(second.notices, kEnds) == 1);
  CHECK(Said(first.notices, kEnds) == 0);
  CHECK(Said(second.notices, "): answers again") == 3);
  CHECK_FALSE(first.nodes->Alone(&since));
}

TEST_CASE_METHOD(AloneFixture, "A node that fails while others answer is told of as one that others stand in for",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  Worker2 worker(&b, nodes, &clock);
  nodes[1]->set_down(true);
  CHECK(worker.Read(id).ok());
  REQUIRE(worker.notices.size() == 1);
  CHECK(Said(worker.notices, "stand in") == 1);
}

TEST_CASE_METHOD(AloneFixture, "A server is not alone if any node of a flight has answered, whichever it was",
                 "[session]") {
  NodeSet& set = *a.context().nodes;
  const auto ask = [&] { (void)set.ReadAll({0, 1, 2}, "k", clock.Now() + seconds(1)); };
  SetAllDown(true);
  ask();
  TimePoint since;
  REQUIRE(set.Alone(&since));
  nodes[GENERATE(0u, 1u, 2u)]->set_down(false);
  clock.Advance(seconds(3));
  ask();
  CHECK_FALSE(set.Alone(&since));
}
