// Destructions that a node or a request has missed: what the nodes hold in the end. Layer: tests.
#include <catch2/catch.hpp>

#include "src/session/flusher.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct DestroyFixture : ClusterFixture {
  DestroyFixture() {
    Serve(&a, "", "n|i:1;");
    id = browser.session_id;
    placed = Placed(id);
  }

  // By its own client, while `node` cannot be reached.
  void LogoutWithout(FakeMemcached* node, WebServer* server) {
    node->set_down(true);
    {
      Request request(server, &browser);
      REQUIRE(request.Start().ok());
      REQUIRE(request.Destroy().ok());
    }
    node->set_down(false);
    clock.Advance(std::chrono::seconds(3));
    REQUIRE(HeldBy(node, id) == "n|i:1;");
  }
  void CheckDestroyedEverywhere() {
    for (FakeMemcached* node : placed) CHECK(HeldBy(node, id) == "destroyed");
  }

  std::string id;
  std::vector<FakeMemcached*> placed;
};

}  // namespace

TEST_CASE_METHOD(DestroyFixture, "A late write that a node has taken which missed the destruction is ended there, too",
                 "[session]") {
  FakeMemcached* const missed = placed[GENERATE(0u, 1u)];
  a.context().settings.lock = GENERATE(LockMode::kLocal, LockMode::kNone);
  Browser old = browser;
  Request slow(&a, &old);
  REQUIRE(slow.Start().ok());
  LogoutWithout(missed, &b);
  SECTION("at its end") { REQUIRE(slow.Finish("n|i:2;").ok()); }
  SECTION("by write=behind") {
    a.context().settings.write = WriteMode::kBehind;
    REQUIRE(slow.Finish("n|i:2;").ok());
    REQUIRE(HeldBy(missed, id) == "n|i:1;");
    Flusher flusher(&a.store(), &clock, [this](uint8_t) { return Borrow(a.context()); });
    flusher.Run(100, clock.Now() + std::chrono::seconds(1));
  }
  CheckDestroyedEverywhere();
  // So it is over, also where no other node is left to tell.
  for (FakeMemcached* node : nodes) node->set_down(node != missed);
  for (WebServer* server : {&a, &b}) {
    server->Restart();
    Browser visitor = old;
    Request request(server, &visitor);
    CHECK(request.Start().value() == "");
  }
}

TEST_CASE_METHOD(DestroyFixture, "A late write does not end what was started anew on a node that it has reached",
                 "[session]") {
  Browser old = browser;
  Request slow(&a, &old);
  REQUIRE(slow.Start().ok());
  LogoutWithout(placed[0], &b);
  // It is started anew just when the late write is to be taken back.
  placed[0]->AfterWrite([&] { placed[0]->BeforeWrite([&] { Serve(&b, "", "new|i:1;"); }); });
  REQUIRE(slow.Finish("n|i:2;").ok());
  CHECK(HeldBy(placed[0], id) == "new|i:1;");
  b.Restart();
  View(&b, "new|i:1;");
}

TEST_CASE_METHOD(DestroyFixture,
                 "A node that missed a destruction is told of it by the next request on the same server", "[session]") {
  FakeMemcached* const missed = placed[GENERATE(0u, 1u)];
  LogoutWithout(missed, &a);
  CHECK(View(&a, "") > 0);
  CheckDestroyedEverywhere();
}

TEST_CASE_METHOD(DestroyFixture,
                 "A logout that meets a session started anew since leaves that, and no copy of the old one",
                 "[session]") {
  const Browser old = browser;
  {
    Request request(&b, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  Serve(&b, "", "new|i:1;");
  browser = old;
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().value() == "n|i:1;");  // trusts its copy still
    REQUIRE(request.Destroy().ok());
  }
  CHECK(HeldBy(placed[0], id) == "new|i:1;");
  CHECK(HeldBy(placed[1], id) == "new|i:1;");
  browser = old;
  View(&a, "new|i:1;");
}
