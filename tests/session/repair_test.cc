// Copies that are missing, because nodes were down or full, are made again. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct RepairFixture : ClusterFixture {
  uint64_t Writes() const { return m1.writes + m2.writes + m3.writes; }
  int Copies(std::string_view payload) {
    int copies = 0;
    for (FakeMemcached* node : nodes) copies += HeldBy(node, browser.session_id) == payload ? 1 : 0;
    return copies;
  }
};

}  // namespace

TEST_CASE_METHOD(RepairFixture, "Copies above the number of nodes that work are survived, and made when nodes are back",
                 "[session]") {
  const auto [copies, wanted] = GENERATE(table<uint32_t, int>({{2, 2}, {3, 3}, {5, 3}}));
  a.context().settings.copies = copies;
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  const size_t left = GENERATE(0, 1, 2);
  for (FakeMemcached* node : nodes) node->set_down(node != placed[left]);
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(a.counters().under_replicated.Get() == 1);
  CHECK(a.counters().unreplicated.Get() == 0);
  CHECK(Copies("n|i:2;") == 1);
  CHECK(View(&a, "n|i:2;") == 0);  // and costs nothing meanwhile

  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "n|i:2;");
  CHECK(Copies("n|i:2;") >= wanted);
  CHECK(HeldBy(placed[0], browser.session_id) == "n|i:2;");
  CHECK(HeldBy(placed[1], browser.session_id) == "n|i:2;");
  CHECK(a.counters().refreshes.Get() == 1);
  CHECK(a.counters().under_replicated.Get() == 1);
  // That is all there was to do.
  const uint64_t writes = Writes();
  CHECK(View(&a, "n|i:2;") == 0);
  browser.affinity.reset();
  CHECK(View(&a, "n|i:2;") == 1);
  CHECK(Writes() == writes);
}

TEST_CASE_METHOD(RepairFixture, "A full node's old record never comes back, as the new one is on other nodes",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  placed[0]->set_full(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(HeldBy(placed[0], browser.session_id) == "n|i:1;");
  CHECK(HeldBy(placed[1], browser.session_id) == "n|i:2;");
  CHECK(HeldBy(placed[2], browser.session_id) == "n|i:2;");
  CHECK(a.counters().under_replicated.Get() == 0);

  SECTION("after a restart") {
    a.Restart();
    View(&a, "n|i:2;");
  }
  SECTION("after a restart, from either of the nodes that have the new one") {
    placed[GENERATE(1u, 2u)]->set_down(true);
    a.Restart();
    View(&a, "n|i:2;");
  }
  SECTION("on another server") { View(&b, "n|i:2;"); }
  SECTION("for a client without affinity") {
    browser.affinity.reset();
    View(&a, "n|i:2;");
  }
  SECTION("after a change by the next server") {
    Serve(&b, "n|i:2;", "n|i:3;");
    b.Restart();
    View(&b, "n|i:3;");
    CHECK(b.counters().conflicts.Get() == 0);
  }
  SECTION("when it is destroyed") {
    {
      Request request(&a, &browser);
      REQUIRE(request.Start().ok());
      REQUIRE(request.Destroy().ok());
    }
    CHECK(HeldBy(placed[0], browser.session_id) == "n|i:1;");
    a.Restart();
    View(&a, "");
  }
  SECTION("when it has room again, and is repaired") {
    placed[0]->set_full(false);
    browser.affinity.reset();
    View(&a, "n|i:2;");
    CHECK(HeldBy(placed[0], browser.session_id) == "n|i:2;");
  }
}

TEST_CASE_METHOD(RepairFixture, "A session that is started anew follows on every life that has ended", "[session]") {
  const auto destroy = [&](WebServer* server) {
    Request request(server, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  };
  a.context().settings.copies = b.context().settings.copies = 1;
  Serve(&a, "", "n|i:1;");
  View(&b, "n|i:1;");
  destroy(&b);
  Serve(&a, "", "n|i:2;");
  destroy(&a);
  // The first node has lost the second end, the next one hangs, and b has seen the first one only.
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  placed[0]->RestartEmpty();
  placed[1]->set_hung(&clock);
  Serve(&b, "", "n|i:3;");
  placed[1]->set_hung(nullptr);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "n|i:3;");
}

TEST_CASE_METHOD(ClusterFixture, "Where a node has lost a session, the nodes behind are asked for what is newer",
                 "[session]") {
  FakeMemcached m4{"m4", &clock};
  const std::vector<FakeMemcached*> four{&m1, &m2, &m3, &m4};
  WebServer c{"c", four, &clock};
  WebServer d{"d", four, &clock};
  Serve(&c, "", "n|i:1;");
  const std::string& id = browser.session_id;
  std::vector<FakeMemcached*> placed;
  const std::vector<NodeAddress>& addresses = c.context().nodes->addresses();
  for (const uint32_t node : PlaceSession(addresses, Hash128({}, "cs:", id), NodeNamedBy(addresses, id))) {
    placed.push_back(four[node]);
  }
  // While two nodes are down, the next write goes to the first and the last.
  const Browser old = browser;
  placed[1]->set_down(true);
  placed[2]->set_down(true);
  Serve(&d, "n|i:1;", "n|i:2;");
  placed[1]->set_down(false);
  placed[2]->set_down(false);
  REQUIRE(HeldBy(placed[3], id) == "n|i:2;");
  clock.Advance(std::chrono::seconds(11));
  d.Restart();

  placed[0]->RestartEmpty();
  browser = old;
  View(&c, "n|i:2;");
  CHECK(HeldBy(placed[0], id) == "n|i:2;");
  CHECK(HeldBy(placed[1], id) == "n|i:2;");
}
