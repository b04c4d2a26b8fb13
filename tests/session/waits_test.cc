// How often a request waits for nodes: counted, not timed. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

TEST_CASE_METHOD(ClusterFixture, "A new session that stays empty asks no node", "[session]") {
  CHECK(Serve(&a, "", "") == 0);
  CHECK(Holders() == 0);
  CHECK(View(&a, "") == 0);
}

TEST_CASE_METHOD(ClusterFixture, "An empty session asks no node, whatever the serialize handler calls empty",
                 "[session]") {
  a.context().settings.format = PayloadFormat::kPhpSerialize;
  CHECK(Serve(&a, "", "a:0:{}") == 0);
  CHECK(Holders() == 0);
}

TEST_CASE_METHOD(ClusterFixture, "A new session that gets data is written in one wait to two nodes", "[session]") {
  CHECK(Serve(&a, "", "cart|i:1;") == 1);
  CHECK(Holders() == 2);
  REQUIRE(NodeInId() != nullptr);
  CHECK(NodeInId()->items().size() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "An unchanged session asks no node where its affinity is shown", "[session]") {
  Serve(&a, "", "cart|i:1;");
  CHECK(View(&a, "cart|i:1;") == 0);
  CHECK(a.counters().local_hits.Get() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "An unchanged session without affinity is validated in one wait", "[session]") {
  Serve(&a, "", "cart|i:1;");
  browser.affinity.reset();
  CHECK(View(&a, "cart|i:1;") == 1);
  CHECK(a.counters().validations.Get() == 1);
  CHECK(browser.affinity.has_value());
}

TEST_CASE_METHOD(ClusterFixture, "affinity=balancer vouches for sticky routing: no cookie, no wait", "[session]") {
  a.context().settings.affinity = AffinityMode::kBalancer;
  Serve(&a, "", "cart|i:1;");
  CHECK_FALSE(browser.affinity.has_value());
  CHECK(View(&a, "cart|i:1;") == 0);
}

TEST_CASE_METHOD(ClusterFixture, "The affinity cookie of a session is known once it was read, and saves the next wait",
                 "[session]") {
  Serve(&a, "", "cart|i:1;");
  const AffinityCookie shown = *browser.affinity;
  std::optional<AffinityCookie> claim;
  for (unsigned open = 0; open < 3; ++open) {
    Session session(a.context());
    session.SetClaim(claim);
    CHECK_FALSE(session.Affinity().has_value());
    REQUIRE(session.Read(browser.session_id, Request::kLifetime).ok());
    claim = session.Affinity();
    REQUIRE(claim.has_value());
    CHECK(*claim == shown);
    CHECK(a.counters().local_hits.Get() == open);  // all but the first, which had no claim
  }
}

TEST_CASE_METHOD(ClusterFixture, "Trust in a local copy ends after local_trust", "[session]") {
  Serve(&a, "", "cart|i:1;");
  clock.Advance(std::chrono::seconds(11));
  CHECK(View(&a, "cart|i:1;") == 1);
  CHECK(View(&a, "cart|i:1;") == 0);
  a.context().settings.local_trust = Duration::zero();
  CHECK(View(&a, "cart|i:1;") == 1);
}

TEST_CASE_METHOD(ClusterFixture, "A changed session is written in one wait, whatever the number of copies",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 1);
  CHECK(Serve(&a, "n|i:2;", "n|i:3;") == 1);
  a.context().settings.copies = 3;
  Serve(&a, "n|i:3;", "n|i:4;");  // learns the third node's state
  CHECK(Serve(&a, "n|i:4;", "n|i:5;") == 1);
  CHECK(Holders() == 3);
}

TEST_CASE_METHOD(ClusterFixture, "A takeover is one wait and one for its write", "[session]") {
  Serve(&a, "", "n|i:1;");
  CHECK(View(&b, "n|i:1;") == 2);
  CHECK(b.counters().takeovers.Get() == 1);
  CHECK(browser.affinity->server_id == "b");
  CHECK(browser.affinity->epoch == 2);
}

TEST_CASE_METHOD(ClusterFixture, "A takeover that changes the session needs no more waits", "[session]") {
  Serve(&a, "", "n|i:1;");
  CHECK(Serve(&b, "n|i:1;", "n|i:2;") == 2);
}

TEST_CASE_METHOD(ClusterFixture, "During the takeover grace every read validates, then none", "[session]") {
  Serve(&a, "", "n|i:1;");
  View(&b, "n|i:1;");
  CHECK(View(&b, "n|i:1;") == 1);
  PassGrace();
  CHECK(View(&b, "n|i:1;") == 1);  // not confirmed lately
  CHECK(View(&b, "n|i:1;") == 0);
}

TEST_CASE_METHOD(ClusterFixture, "Failback is one wait and one for its write", "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  CHECK(Serve(&a, "n|i:2;", "n|i:3;") == 2);
  CHECK(browser.affinity->server_id == "a");
  CHECK(browser.affinity->epoch == 3);
}

TEST_CASE_METHOD(ClusterFixture, "Logout is one wait on nodes whose state is known", "[session]") {
  Serve(&a, "", "n|i:1;");
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  REQUIRE(request.Destroy().ok());
  CHECK(request.waits() == 1);
  CHECK(Holders() == 3);  // tombstones everywhere
}

TEST_CASE_METHOD(ClusterFixture, "Strict mode adds no wait: read uses what validate_sid fetched", "[session]") {
  Serve(&a, "", "n|i:1;");
  browser.affinity.reset();
  Request request(&b, &browser, /*strict=*/true);
  Result<std::string> read = request.Start();
  REQUIRE(read.ok());
  CHECK(*read == "n|i:1;");
  CHECK(request.waits() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "Records are written again before they expire, ten times in a lifetime", "[session]") {
  Serve(&a, "", "n|i:1;");
  uint64_t refreshes = 0;
  for (int i = 0; i < 100; ++i) {
    clock.Advance(std::chrono::seconds(60));
    View(&a, "n|i:1;");
    CHECK(Holders() == 2);
    refreshes = a.counters().refreshes.Get();
  }
  CHECK(refreshes >= 30);
  CHECK(refreshes <= 42);  // 6000 s, each 143 s or at the first request after
}

TEST_CASE_METHOD(ClusterFixture, "Single-server mode has no nodes to wait for and sends no affinity", "[session]") {
  WebServer alone("solo", {}, &clock);
  CHECK(Serve(&alone, "", "n|i:1;") == 0);
  CHECK(Serve(&alone, "n|i:1;", "n|i:2;") == 0);
  CHECK(View(&alone, "n|i:2;") == 0);
  CHECK_FALSE(browser.affinity.has_value());
  CHECK(NodeInId() == nullptr);
}
