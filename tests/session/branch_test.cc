// Branches: what servers that could not see each other's writes have made of one session. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

bool Holds(const std::string& payload, std::string_view part) { return payload.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_METHOD(ClusterFixture, "What two servers wrote that were cut off from each other is merged when both is seen",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  // A reaches only the node in the ID, B only the others.
  for (size_t i = 0; i < nodes.size(); ++i) {
    (nodes[i] == NodeInId() ? b : a).connection(i).set_partitioned(true);
  }
  Serve(&a, "n|i:1;", "n|i:1;x|i:1;");
  std::swap(browser, other);
  Serve(&b, "n|i:1;", "n|i:1;y|i:1;");
  for (size_t i = 0; i < nodes.size(); ++i) {
    a.connection(i).set_partitioned(false);
    b.connection(i).set_partitioned(false);
  }
  PassGrace();
  Request request(&b, &browser);
  const std::string merged = request.Start().value();
  CHECK(Holds(merged, "x|i:1;"));
  CHECK(Holds(merged, "y|i:1;"));
  REQUIRE(request.FinishUnchanged().ok());
  b.Restart();
  View(&b, merged);
}

TEST_CASE_METHOD(ClusterFixture,
                 "An update that no node took is not lost if another server takes the session over first",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:1;x|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(false);
  Serve(&b, "n|i:1;", "n|i:1;y|i:1;");
  clock.Advance(std::chrono::seconds(20));
  Request request(&a, &other);
  const std::string merged = request.Start().value();
  CHECK(Holds(merged, "x|i:1;"));
  CHECK(Holds(merged, "y|i:1;"));
}

TEST_CASE_METHOD(ClusterFixture, "A logout that no node has heard of is told when they are back", "[session]") {
  Serve(&a, "", "n|i:1;");
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    for (FakeMemcached* node : nodes) node->set_down(true);
    REQUIRE(request.Destroy().ok());
  }
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "");
  View(&b, "");
  CHECK(a.store().GetUsage().unreplicated == 0);
}

TEST_CASE_METHOD(ClusterFixture, "A tombstone told again does not end a session that was started anew since",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  NodeInId()->set_down(true);
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  Serve(&b, "", "n|i:2;");
  NodeInId()->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  std::swap(browser, other);
  View(&a, "");  // within local_trust A may still take the ID for destroyed
  std::swap(browser, other);
  PassGrace();
  View(&b, "n|i:2;");
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "A server that has lost its copy and adopts an older record branches off its own past",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:1;o|i:1;");
  FakeMemcached* first = NodeInId();
  first->set_down(true);
  Serve(&a, "n|i:1;o|i:1;", "n|i:1;o|i:1;p|i:1;");
  // A forgets it, and only the node that missed it can be asked.
  a.store().Erase(a.context().InSpace(Hash128({}, "cs:", browser.session_id)));
  for (FakeMemcached* node : nodes) node->set_down(node != first);
  clock.Advance(std::chrono::seconds(3));
  browser.affinity.reset();
  Serve(&a, "n|i:1;o|i:1;", "n|i:1;o|i:1;q|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  Request request(&b, &browser);
  const std::string both = *request.Start();
  CHECK(both.find("p|i:1;") != std::string::npos);
  CHECK(both.find("q|i:1;") != std::string::npos);
}

TEST_CASE_METHOD(ClusterFixture, "A session that is started anew takes nothing of a life whose end it meets as well",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const auto logout = [&] {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  };
  logout();
  Browser late = browser;
  Request request(&b, &late);
  REQUIRE(*request.Start() == "");
  Serve(&a, "", "secret|i:1;");
  // The end of that life reaches all nodes but one.
  a.connection(0).set_partitioned(true);
  a.connection(1).set_partitioned(NodeInId() == &m1);
  a.connection(0).set_partitioned(NodeInId() != &m1);
  logout();
  REQUIRE(request.Finish("fresh|i:1;").ok());
  request.End();
  browser.affinity.reset();
  View(&b, "fresh|i:1;");
}
