// Several nodes lose something, or miss it, one after the other: an older state is never taken for the newest one, and
// what only one node has is not taken for the past. Layer: tests.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct LossesFixture : ClusterFixture {
  LossesFixture() {
    Serve(&a, "", "n|i:1;");
    id = browser.session_id;
    placed = Placed(id);
  }
  static void Forget(WebServer* server, const std::string& id) {
    server->store().Erase(server->context().InSpace(Hash128({}, "cs:", id)));
  }

  std::string id;
  std::vector<FakeMemcached*> placed;
};

}  // namespace

TEST_CASE_METHOD(LossesFixture, "What a stand-in took is gone once the proper holders have what followed",
                 "[session]") {
  FakeMemcached* const missed = placed[GENERATE(0u, 1u)];
  missed->set_down(true);
  clock.Advance(std::chrono::seconds(11));
  Serve(&a, "n|i:1;", "n|i:2;");
  REQUIRE(HeldBy(placed[2], id) == "n|i:2;");
  missed->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  for (int n = 3; n < 6; ++n) Serve(&a, "n|i:" + std::to_string(n - 1) + ";", "n|i:" + std::to_string(n) + ";");
  CHECK(HeldBy(placed[0], id) == "n|i:5;");
  CHECK(HeldBy(placed[1], id) == "n|i:5;");
  CHECK(HeldBy(placed[2], id) == "nothing");
  // So nobody takes it for the session once both have evicted theirs.
  placed[0]->items().clear();
  placed[1]->items().clear();
  Browser same = browser;
  Request request(&b, &same);
  const Result<std::string> read = request.Start();
  REQUIRE(read.ok());
  CHECK(*read != "n|i:2;");
}

// One that only other servers have written since is as old.
TEST_CASE_METHOD(LossesFixture, "A takeover leaves no older record on a node that it has asked", "[session]") {
  placed[1]->set_down(true);
  clock.Advance(std::chrono::seconds(11));
  Serve(&a, "n|i:1;", "n|i:2;");
  placed[1]->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  Serve(&b, "n|i:2;", "n|i:3;");
  clock.Advance(std::chrono::seconds(3));
  Serve(&b, "n|i:3;", "n|i:4;");
  for (FakeMemcached* node : placed) {
    const std::string held = HeldBy(node, id);
    CHECK((held == "n|i:4;" || held == "nothing"));
  }
}

// Each read without a copy may be the first of a server: that must not use up what tells the writers apart.
TEST_CASE_METHOD(LossesFixture, "A server that keeps no copy takes nothing for the past that it has not read",
                 "[session]") {
  int lost = 0;
  for (int session = 0; session < 20; ++session) {
    browser = {};
    Serve(&a, "", "n|i:1;");
    id = browser.session_id;
    placed = Placed(id);
    for (size_t node = 0; node < nodes.size(); ++node) {
      (nodes[node] == placed[1] ? a : b).Partition(node, true);
    }
    Browser tab = browser;
    {
      Request request(&b, &tab);
      REQUIRE(request.Start().ok());
      REQUIRE(request.Finish("n|i:1;b|i:1;").ok());
    }
    REQUIRE(HeldBy(placed[1], id) == "n|i:1;b|i:1;");
    std::string payload = "n|i:1;";
    for (int n = 2; n < 60; ++n) {
      Forget(&a, id);
      const std::string next = "n|i:" + std::to_string(n) + ";";
      Serve(&a, payload, next);
      payload = next;
    }
    for (size_t node = 0; node < nodes.size(); ++node) {
      a.Partition(node, false);
      b.Partition(node, false);
    }
    clock.Advance(std::chrono::seconds(61));
    Forget(&a, id);
    Forget(&b, id);
    Request request(&a, &browser);
    const Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    lost += read->find("b|i:1;") == std::string::npos ? 1 : 0;
    REQUIRE(request.FinishUnchanged().ok());
  }
  CHECK(lost == 0);
}

// It is all that says so, once the copies are lost.
TEST_CASE_METHOD(LossesFixture, "An end stays on the node behind the copies while the session that follows is read",
                 "[session]") {
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  Serve(&a, "", "n|i:2;");
  REQUIRE(HeldBy(placed[2], id) == "destroyed");
  View(&b, "n|i:2;");  // a takeover, and then a validation by all nodes
  PassGrace();
  browser.affinity.reset();
  View(&b, "n|i:2;");
  CHECK(HeldBy(placed[0], id) == "n|i:2;");
  CHECK(HeldBy(placed[1], id) == "n|i:2;");
  CHECK(HeldBy(placed[2], id) == "destroyed");
}

TEST_CASE_METHOD(LossesFixture, "A node too small for what a session has become keeps nothing older of it",
                 "[session]") {
  const bool anew = GENERATE(false, true);  // under an ID that has ended before
  if (anew) {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
    request.End();
    Serve(&a, "", "n|i:1;");
  }
  View(&b, "n|i:1;");
  for (size_t i = 0; i < 2; ++i) placed[i]->set_item_size_max(1000);
  const std::string larger = "n|s:3000:\"" + std::string(3000, 'x') + "\";";
  Serve(&a, "n|i:1;", larger);
  CHECK(HeldBy(placed[0], id) == (anew ? "destroyed" : "nothing"));  // of the life before
  CHECK(HeldBy(placed[1], id) == (anew ? "destroyed" : "nothing"));
  CHECK(HeldBy(placed[2], id) == larger);
  View(&b, larger);  // although its copy is of before
}

TEST_CASE_METHOD(LossesFixture, "Where no node takes what a session has become, the one before stays", "[session]") {
  for (FakeMemcached* node : nodes) node->set_item_size_max(1000);
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  CHECK_FALSE(request.Finish("n|s:3000:\"" + std::string(3000, 'x') + "\";").ok());
  request.End();
  CHECK(HeldBy(placed[0], id) == "n|i:1;");
  CHECK(HeldBy(placed[1], id) == "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "A server that knows a session as empty asks each node that may have begun it",
                 "[session]") {
  a.context().settings.copies = b.context().settings.copies = 1;
  Serve(&a, "", "");
  Serve(&b, "", "");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  for (size_t i = 0; i < 2; ++i) placed[i]->set_item_size_max(1000);
  const std::string large = "n|s:3000:\"" + std::string(3000, 'x') + "\";";
  Serve(&a, "", large);
  REQUIRE(HeldBy(placed[2], browser.session_id) == large);
  clock.Advance(std::chrono::seconds(11));
  View(&b, large);
}

TEST_CASE_METHOD(
    ClusterFixture,
    "A write that was refused for its size, and of which a node's answer was lost, overwrites nothing later",
    "[session]") {
  for (WebServer* server : {&a, &b}) server->context().settings.takeover_grace = Duration::zero();
  Serve(&a, "", "n|i:1;");
  View(&b, "n|i:1;");
  const Browser on_b = browser;
  Request large(&b, &browser);
  REQUIRE(large.Start().value() == "n|i:1;");
  browser.affinity.reset();
  const std::vector<FakeMemcached*> placed = Placed(on_b.session_id);
  placed[1]->set_item_size_max(1000);
  placed[2]->set_down(true);
  placed[0]->BeforeWrite([&] {
    Serve(&a, "n|i:1;", "a|i:1;n|i:1;");
    placed[0]->LoseAnswer(1);  // that of the second attempt
  });
  const Status status = large.Finish("l|s:3000:\"" + std::string(3000, 'x') + "\";n|i:1;");
  CHECK(status.error().code() == ErrorCode::kTooLarge);
  browser = on_b;
  placed[1]->RestartEmpty();
  clock.Advance(std::chrono::seconds(3));
  Request next(&b, &browser);
  const std::string shown = next.Start().value();
  CHECK(next.Finish(shown + "b|i:1;").ok());
  CHECK(HeldBy(placed[0], on_b.session_id).find("a|i:1;") != std::string::npos);
}
