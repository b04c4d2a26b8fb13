// Sessions that were never on a node: destroying one leaves nothing there, unless another server may know it. Layer:
// tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

// The items of all nodes.
struct OnlyHere : ClusterFixture {
  size_t Items() { return m1.items().size() + m2.items().size() + m3.items().size(); }

  // A request that destroys its session, having found `expected`. Returns its waits for nodes.
  uint64_t Logout(WebServer* server, std::string_view expected) {
    Request request(server, &browser);
    REQUIRE(request.Start().value() == expected);
    REQUIRE(request.Destroy().ok());
    return request.waits();
  }

  // session_regenerate_id(true) in a request that leaves `payload` under the new ID; its waits for nodes.
  uint64_t Login(WebServer* server, std::string_view payload) {
    const uint64_t before = server->counters().node_waits.Get();
    Session session(server->context());
    session.SetClaim(browser.affinity);
    REQUIRE(session.Read(browser.session_id, Request::kLifetime).value().empty());
    session.DestroyLater(browser.session_id, Request::kLifetime);
    std::vector<ReplacedSession> replaced = session.TakeReplaced();
    session.Close();
    Session fresh(server->context());
    fresh.Replace(std::move(replaced));
    browser.session_id = fresh.CreateId("00112233445566778899aabbccddeeff", 1);
    REQUIRE(fresh.Read(browser.session_id, Request::kLifetime).value().empty());
    REQUIRE(fresh.Write(browser.session_id, payload, Request::kLifetime).ok());
    fresh.Close();
    return server->counters().node_waits.Get() - before;
  }
};

}  // namespace

TEST_CASE_METHOD(OnlyHere, "An empty session that is destroyed is told to no node", "[session]") {
  a.context().settings.lock = b.context().settings.lock = GENERATE(LockMode::kNone, LockMode::kLocal);
  SECTION("in the request that made it") { CHECK(Logout(&a, "") == 0); }
  SECTION("in a later one") {
    Serve(&a, "", "");
    CHECK(Logout(&a, "") == 0);
  }
  SECTION("after local_trust, when it is looked for once more") {
    Serve(&a, "", "");
    clock.Advance(std::chrono::seconds(11));
    CHECK(Logout(&a, "") == 1);
  }
  CHECK(Items() == 0);
  const std::string id = browser.session_id;
  for (WebServer* server : {&a, &b}) {  // it is gone
    browser.session_id = id;
    Request request(server, &browser, /*strict=*/true);
    CHECK(request.Start().value().empty());
    CHECK(browser.session_id != id);
  }
}

TEST_CASE_METHOD(OnlyHere, "A login that destroys the empty session before it writes the new one and no tombstone",
                 "[session]") {
  const bool trusted = GENERATE(true, false);
  Serve(&a, "", "");
  const std::string old_id = browser.session_id;
  if (!trusted) clock.Advance(std::chrono::seconds(11));
  CHECK(Login(&a, "user|i:1;") == (trusted ? 1 : 2));
  CHECK(Items() == 2);
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, old_id) == "nothing");
  View(&b, "user|i:1;");
}

TEST_CASE_METHOD(OnlyHere, "With lock=cluster, an empty session that is destroyed leaves no tombstone", "[session]") {
  a.context().settings.lock = LockMode::kCluster;
  Serve(&a, "", "");
  const std::string id = browser.session_id;
  SECTION("at once") { Logout(&a, ""); }
  SECTION("at a login") { Login(&a, "user|i:1;"); }
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, id) == "nothing");
}

TEST_CASE_METHOD(OnlyHere, "With affinity=balancer, an empty session is destroyed untold if the nodes were asked",
                 "[session]") {
  a.context().settings.affinity = AffinityMode::kBalancer;
  Serve(&a, "", "");
  const bool asked = GENERATE(true, false);
  if (asked) clock.Advance(std::chrono::seconds(11));
  Logout(&a, "");
  CHECK(Items() == (asked ? 0 : 3));
}

TEST_CASE_METHOD(OnlyHere, "An empty session that another server may know is destroyed everywhere", "[session]") {
  Serve(&a, "", "");
  const Browser before = browser;
  SECTION("as its client has no cookie of the server") {
    browser.affinity.reset();
    Logout(&a, "");
  }
  SECTION("as another server has served its client, and could tell no node") {
    for (size_t i = 0; i < nodes.size(); ++i) b.connection(i).set_partitioned(true);
    browser.affinity = AffinityCookie{"b", 1};
    Logout(&a, "");
  }
  SECTION("as another server has written it") {
    Serve(&b, "", "n|i:1;");
    Logout(&a, "n|i:1;");
  }
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, before.session_id) == "destroyed");
}

TEST_CASE_METHOD(OnlyHere, "An empty session under an ID that its client has brought along is destroyed everywhere",
                 "[session]") {
  browser.session_id = "made-by-somebody";  // another server's, say, whose records the nodes have lost
  Serve(&a, "", "");
  Logout(&a, "");
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, browser.session_id) == "destroyed");
}

TEST_CASE_METHOD(OnlyHere, "What another request has written before the end of a login is destroyed everywhere",
                 "[session]") {
  Serve(&a, "", "");
  const std::string old_id = browser.session_id;
  std::vector<ReplacedSession> replaced;
  {
    Session session(a.context());
    session.SetClaim(browser.affinity);
    REQUIRE(session.Read(old_id, Request::kLifetime).ok());
    session.DestroyLater(old_id, Request::kLifetime);
    replaced = session.TakeReplaced();
  }
  Serve(&a, "", "n|i:1;");  // the other tab
  {
    Session session(a.context());
    session.Replace(std::move(replaced));
  }
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, old_id) == "destroyed");
}

TEST_CASE_METHOD(OnlyHere, "What another request has written since this one read is destroyed everywhere",
                 "[session]") {
  a.context().settings.lock = LockMode::kNone;
  Serve(&a, "", "");
  Request first(&a, &browser);
  REQUIRE(first.Start().value().empty());
  Serve(&a, "", "n|i:1;");  // the other tab
  REQUIRE(first.Destroy().ok());
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, browser.session_id) == "destroyed");
}

TEST_CASE_METHOD(OnlyHere, "A session that is not the one read is destroyed everywhere, however new that one is",
                 "[session]") {
  Serve(&a, "", "");
  const std::string old_id = browser.session_id;
  Serve(&b, "", "n|i:1;");
  Session session(a.context());
  const std::string id = session.CreateId("00112233445566778899aabbccddeeff", 1);
  REQUIRE(session.Read(id, Request::kLifetime).value().empty());
  session.DestroyLater(old_id, Request::kLifetime);
  Session fresh(a.context());
  fresh.Replace(session.TakeReplaced());
  fresh.Close();
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, old_id) == "destroyed");
}

TEST_CASE_METHOD(OnlyHere, "Of two empty sessions, the one that is not destroyed stays", "[session]") {
  Serve(&a, "", "");
  Browser other;
  std::swap(browser, other);
  Serve(&a, "", "");
  Logout(&a, "");
  std::swap(browser, other);
  const std::string id = browser.session_id;
  Request request(&a, &browser, /*strict=*/true);
  CHECK(request.Start().ok());
  CHECK(browser.session_id == id);
}
