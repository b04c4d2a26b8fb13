// A web server is lost at the worst moment, and another one goes on: in the middle of a write, with the client's
// affinity cookie gone, while a session ID is exchanged. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

// A request that logs in: it gives the session a new ID and destroys the old one, in the order in which PHP's session
// module does it. The browser has the new ID afterwards.
struct Login {
  Login(WebServer* server, Browser* browser) : server(server), browser(browser) {}

  void Run(std::string_view expected, std::string_view payload) {
    const std::string old_id = browser->session_id;
    std::vector<ReplacedSession> replaced;
    {
      Session old_session(server->context());
      old_session.SetClaim(browser->affinity);
      Result<std::string_view> read = old_session.Read(old_id, Request::kLifetime);
      REQUIRE(read.ok());
      REQUIRE(*read == expected);
      old_session.DestroyLater(old_id, Request::kLifetime);
      replaced = old_session.TakeReplaced();
      old_session.Close();
    }
    Session session(server->context());
    session.Replace(std::move(replaced));
    browser->session_id = session.CreateId("00112233445566778899aabbccddeeff", 1);
    REQUIRE(session.Read(browser->session_id, Request::kLifetime).value().empty());
    browser->affinity = session.Affinity();
    REQUIRE(session.Write(browser->session_id, payload, Request::kLifetime).ok());
    session.Close();
  }

  WebServer* server;
  Browser* browser;
};

// What the client of this ID is shown, in strict mode: nothing and another ID, if it is dead.
std::string Shown(WebServer* server, const std::string& id, bool* same_id) {
  Browser visitor;
  visitor.session_id = id;
  Request request(server, &visitor, /*strict=*/true);
  Result<std::string> read = request.Start();
  *same_id = visitor.session_id == id;
  return read.ok() ? *read : "failed";
}

}  // namespace

TEST_CASE_METHOD(ClusterFixture,
                 "What one node has of a server that died in the middle of a write is found and repaired",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  // The one node that took the write: the first, the second, or the one that stands in for both. Or the first, without
  // a chance to say so.
  const auto [took, answers] = GENERATE(table<size_t, bool>({{0, true}, {1, true}, {2, true}, {0, false}}));
  for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(nodes[i] != placed[took]);
  if (!answers) placed[took]->LoseAnswer();
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(HeldBy(placed[took], browser.session_id) == "n|i:2;");
  CHECK(HeldBy(placed[took == 0 ? 1 : 0], browser.session_id) == "n|i:1;");
  a.Restart();

  View(&b, "n|i:2;");
  CHECK(b.counters().conflicts.Get() == 0);
  CHECK(HeldBy(placed[0], browser.session_id) == "n|i:2;");
  CHECK(HeldBy(placed[1], browser.session_id) == "n|i:2;");
  // So either of them is enough from now on.
  const size_t left = GENERATE(0, 1);
  for (FakeMemcached* node : nodes) node->set_down(node != placed[left]);
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "What a server that died had sent arrives late and overwrites nothing", "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  const bool seen = GENERATE(true, false);  // whether B meets the dead server's write on the other node
  for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(nodes[i] == placed[seen ? 2 : 1]);
  placed[0]->DelayWrite();
  if (!seen) placed[2]->DelayWrite();
  Serve(&a, "n|i:1;", "a|i:1;n|i:1;");
  a.Restart();
  Serve(&b, seen ? "a|i:1;n|i:1;" : "n|i:1;", seen ? "a|i:1;b|i:1;n|i:1;" : "b|i:1;n|i:1;");
  placed[0]->DeliverDelayed();
  placed[2]->DeliverDelayed();
  for (size_t i : {0, 1}) {
    CHECK(HeldBy(placed[i], browser.session_id) == (seen ? "a|i:1;b|i:1;n|i:1;" : "b|i:1;n|i:1;"));
  }
  PassGrace();
  Request request(&b, &browser);
  const std::string found = request.Start().value();
  CHECK(found.find("b|i:1;") != std::string::npos);
  CHECK(found.find("n|i:1;") != std::string::npos);
}

TEST_CASE_METHOD(ClusterFixture, "A client that lost its affinity cookie is not served the old server's copy",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  // A's entry is still within local_trust.
  browser.affinity.reset();
  SECTION("with all nodes") { View(&a, "n|i:2;"); }
  SECTION("with one of the nodes that have it") {
    Placed(browser.session_id)[GENERATE(0u, 1u)]->set_down(true);
    View(&a, "n|i:2;");
  }
  SECTION("and a change of it is made from the new one") {
    Serve(&a, "n|i:2;", "m|i:1;n|i:2;");
    CHECK(a.counters().conflicts.Get() == 0);
    View(&b, "m|i:1;n|i:2;");
  }
  CHECK(a.counters().takeovers.Get() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "A client that lost its affinity cookie finds what was destroyed elsewhere destroyed",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  {
    Request request(&b, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  browser.affinity.reset();
  View(&a, "");
}

TEST_CASE_METHOD(ClusterFixture, "A session ID exchanged in a failover is dead everywhere, and the new one is whole",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  const std::vector<FakeMemcached*> old_nodes = Placed(old_id);
  const bool node_down = GENERATE(false, true);
  old_nodes[0]->set_down(node_down);
  a.Restart();
  Login(&b, &browser).Run("n|i:1;", "n|i:1;user|s:3:\"ann\";");
  REQUIRE(browser.session_id != old_id);
  const std::vector<FakeMemcached*> new_nodes = Placed(browser.session_id);
  int copies = 0;
  for (FakeMemcached* node : new_nodes) {
    copies += HeldBy(node, browser.session_id) == "n|i:1;user|s:3:\"ann\";" ? 1 : 0;
  }
  CHECK(copies == 2);
  CHECK(HeldBy(old_nodes[0], old_id) == (node_down ? "n|i:1;" : "destroyed"));
  CHECK(HeldBy(old_nodes[1], old_id) == "destroyed");
  CHECK(HeldBy(old_nodes[2], old_id) == "destroyed");
  // The node comes back with what it had.
  old_nodes[0]->set_down(false);
  clock.Advance(std::chrono::seconds(3));

  WebServer c{"c", nodes, &clock};
  for (WebServer* server : {&a, &b, &c}) {
    bool same_id = false;
    CHECK(Shown(server, old_id, &same_id) == "");
    CHECK_FALSE(same_id);
    CHECK(Shown(server, browser.session_id, &same_id) == "n|i:1;user|s:3:\"ann\";");
    CHECK(same_id);
  }
  View(&a, "n|i:1;user|s:3:\"ann\";");
}

TEST_CASE_METHOD(ClusterFixture, "A server that dies while it exchanges a session ID leaves the old one whole",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  {
    Session session(b.context());
    REQUIRE(session.Read(old_id, Request::kLifetime).ok());
    session.DestroyLater(old_id, Request::kLifetime);
  }
  b.Restart();  // before the new ID has a record: the client still shows the old one
  a.Restart();
  View(&a, "n|i:1;");
}
