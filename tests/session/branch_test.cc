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

TEST_CASE_METHOD(ClusterFixture, "An update that no node took is not lost if another server takes the session over first",
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

TEST_CASE_METHOD(ClusterFixture, "A tombstone told again does not end a session that was started anew since", "[session]") {
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
