// What a server tells of mistakes in the setup: routing that never matches, two servers of one name, servers that do
// not find each other's sessions, node lists that differ. Mirrors src/session/setup_watch.h and node_list.h.
#include "src/session/setup_watch.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "src/session/node_list.h"
#include "tests/session/cluster_fixture.h"

namespace clustered_session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct SetupFixture : ClusterFixture {
  // A request that leaves the session as it is; what it has for the log is kept.
  void Visit(WebServer* server, Browser* visitor) {
    Request request(server, visitor);
    REQUIRE(request.Start().ok());
    REQUIRE(request.FinishUnchanged().ok());
    for (const Notice& notice : request.notices()) {
      CHECK_FALSE(notice.warning);
      lines.push_back(notice.text);
    }
  }
  int Told(std::string_view text) const {
    return static_cast<int>(std::count_if(
        lines.begin(), lines.end(), [text](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

  // Visits with cookies of server a to `server`, each in a session of its own that no node knows.
  void VisitUnknown(WebServer* server, int count) {
    for (int i = 0; i < count; ++i) {
      Browser visitor{std::to_string(++unknown) + "abcdefghijklmnopqrstuvwxyz", AffinityCookie{"a", 1}};
      Visit(server, &visitor);
    }
  }

  std::vector<std::string> lines;
  int unknown = 0;
};

constexpr std::string_view kRouting = "1000 sessions in a row were taken over from other servers";
constexpr std::string_view kNamesake = "another server has the server_id a, too";
constexpr std::string_view kNothingFound = "100 sessions in a row of other servers were found on no node";

TEST_CASE_METHOD(SetupFixture, "Routing that never matches is told once", "[session]") {
  Serve(&a, "", "n|i:1;");
  for (uint32_t i = 0; i < 2 * SetupWatch::kTakeovers; ++i) {
    Visit(&b, &browser);
    CHECK(Told(kRouting) <= (i + 1 >= SetupWatch::kTakeovers ? 1 : 0));
    View(&a, "n|i:1;");
    clock.Advance(milliseconds(100));
  }
  CHECK(Told(kRouting) == 1);
  CHECK(b.counters().takeovers.Get() == 2 * SetupWatch::kTakeovers);
}

TEST_CASE_METHOD(SetupFixture, "A failover is not taken for routing that never matches", "[session]") {
  Serve(&a, "", "n|i:1;");
  const bool at_once = GENERATE(true, false);
  for (uint32_t i = 0; i < 2 * SetupWatch::kTakeovers; ++i) {
    Visit(&b, &browser);
    if (!at_once) {
      if (i % 500 == 0) Visit(&b, &browser);  // one that comes back
      clock.Advance(milliseconds(200));
    }
    View(&a, "n|i:1;");
  }
  CHECK(Told(kRouting) == 0);
}

TEST_CASE_METHOD(SetupFixture, "Two servers of one server_id are told of once, by what the client's cookie says",
                 "[session]") {
  WebServer namesake("a", nodes, &clock);
  Serve(&a, "", "n|i:1;");
  for (uint32_t i = 1; i <= 3 * SetupWatch::kNamesakes; ++i) {
    View(&namesake, "n|i:1;");
    Visit(&a, &browser);
    CHECK(Told(kNamesake) == (i >= SetupWatch::kNamesakes ? 1 : 0));
  }
}

TEST_CASE_METHOD(SetupFixture, "A restart and another server are not taken for a server of the same server_id",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (int i = 0; i < 10; ++i) {
    Visit(&b, &browser);
    Visit(&a, &browser);
    a.Restart();
    Visit(&a, &browser);
  }
  CHECK(Told(kNamesake) == 0);
}

TEST_CASE_METHOD(SetupFixture, "A server whose prefix is another one tells that it finds no session of the others",
                 "[session]") {
  b.context().settings.prefix = "other:";
  for (uint32_t i = 1; i < 2 * SetupWatch::kUnknown; ++i) {
    Browser visitor;
    Visit(&a, &visitor);
    {
      Request request(&a, &visitor);
      REQUIRE(request.Start().ok());
      REQUIRE(request.Finish("n|i:1;").ok());
    }
    Visit(&b, &visitor);
    CHECK(Told(kNothingFound) == (i >= SetupWatch::kUnknown ? 1 : 0));
  }
}

TEST_CASE_METHOD(SetupFixture,
                 "A server that finds some sessions of the others tells nothing of those it does not find",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  for (int i = 0; i < 5; ++i) {
    VisitUnknown(&b, SetupWatch::kUnknown - 1);
    Visit(&b, &browser);
    View(&a, "n|i:1;");
  }
  CHECK(Told(kNothingFound) == 0);
  VisitUnknown(&b, SetupWatch::kUnknown);
  CHECK(Told(kNothingFound) == 1);
}

TEST_CASE("A node list is compared a minute after a pool's first session, and then once in an interval") {
  SetupWatch watch{};
  TimePoint now = FromNanos(1);
  const auto due = [&] { return watch.CheckDue(now); };
  CHECK_FALSE(due());
  now += SetupWatch::kFirstCheck - milliseconds(1);
  CHECK_FALSE(due());
  now += milliseconds(1);
  CHECK(due());
  CHECK_FALSE(due());
  now += SetupWatch::kCheckInterval - milliseconds(1);
  CHECK_FALSE(due());
  now += milliseconds(1);
  CHECK(due());
  watch.Clear();  // another pool
  CHECK_FALSE(due());
}

struct NodeListFixture : SetupFixture {
  // The list of another server that `server` finds, and its own.
  std::string Compare(WebServer* server) {
    std::string own;
    const std::optional<OtherNodeList> other = CompareNodeLists(server->context(), &own);
    return other ? other->server_id + " has " + other->names + " and not " + own : "nothing of " + own;
  }

  WebServer c{"c", {&m1, &m2}, &clock};
};

TEST_CASE_METHOD(NodeListFixture, "Each of two servers with different node lists learns of the other's", "[session]") {
  CHECK(Compare(&a) == "nothing of m1,m2,m3");
  CHECK(Compare(&b) == "nothing of m1,m2,m3");
  CHECK(Compare(&c) == "a has m1,m2,m3 and not m1,m2");
  CHECK(Compare(&c) == "nothing of m1,m2");
  CHECK(Compare(&a) == "c has m1,m2 and not m1,m2,m3");
  CHECK(Compare(&a) == "nothing of m1,m2,m3");
}

TEST_CASE_METHOD(NodeListFixture, "Sites with prefixes of their own have node lists of their own", "[session]") {
  c.context().settings.prefix = "other:";
  CHECK(Compare(&a) == "nothing of m1,m2,m3");
  CHECK(Compare(&c) == "nothing of m1,m2");
}

TEST_CASE_METHOD(NodeListFixture, "What is no node list is replaced, and a node that fails is left out", "[session]") {
  for (const std::string item : {"", "c", "c ", "c m1;m2", "c\x01 m1", "a b m1"}) {
    m1.Write("cs:node-list", item, seconds(60), NodeToken());
    m2.set_down(true);
    CHECK(Compare(&c) == "nothing of m1,m2");
    CHECK(m1.items()["cs:node-list"].value == "c m1,m2");
    m1.items().clear();
    m2.set_down(false);
    clock.Advance(seconds(10));
  }
}

}  // namespace
}  // namespace clustered_session
