// Requests of one session side by side: of one server without a session lock, and around a takeover. What each of these
// tests says was found broken by the simulation. Layer: tests.
#include <catch2/catch.hpp>

#include "src/session/flusher.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;
using std::chrono::seconds;

namespace {

bool Holds(const std::string& payload, std::string_view part) { return payload.find(part) != std::string::npos; }

struct SideBySideFixture : ClusterFixture {
  SideBySideFixture() { a.context().settings.lock = LockMode::kNone; }

  SessionKey Key() const { return Hash128({}, "cs:", browser.session_id); }
  // What a request of `client` on `server` is shown; it changes nothing.
  std::string Shown(WebServer* server, Browser* client) {
    Request request(server, client);
    std::string shown = request.Start().value();
    REQUIRE(request.FinishUnchanged().ok());
    return shown;
  }
};

}  // namespace

TEST_CASE_METHOD(SideBySideFixture, "A late write of the server before does not end the takeover grace", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  Request late(&a, &other);
  REQUIRE(late.Start().ok());
  View(&b, "n|i:1;");
  REQUIRE(late.Finish("n|i:1;x|i:1;").ok());
  View(&b, "n|i:1;x|i:1;");
  CHECK(View(&b, "n|i:1;x|i:1;") == 1);
  PassGrace();
  View(&b, "n|i:1;x|i:1;");
  CHECK(View(&b, "n|i:1;x|i:1;") == 0);
}

TEST_CASE_METHOD(SideBySideFixture, "A server that has lost its copy within the takeover grace still validates",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  View(&b, "n|i:1;");
  REQUIRE(b.store().Erase(Key()));
  View(&b, "n|i:1;");
  CHECK(View(&b, "n|i:1;") == 1);
}

TEST_CASE_METHOD(SideBySideFixture, "A write that meets a takeover and is taken by no node after that is kept",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  Request late(&a, &other);
  REQUIRE(late.Start().ok());
  Serve(&b, "n|i:1;", "n|i:1;y|i:1;");
  // One hangs, the other one shows the conflict and takes nothing more.
  NodeInId()->set_hung(&clock);
  for (FakeMemcached* node : nodes) node->set_writes_left(node->items().empty() ? 0 : 1);
  REQUIRE(late.Finish("n|i:1;x|i:1;").ok());
  CHECK(a.store().UnreplicatedCount() == 1);
  for (FakeMemcached* node : nodes) node->set_writes_left(-1);
  NodeInId()->set_hung(nullptr);
  clock.Advance(seconds(3));
  const std::string shown = Shown(&a, &other);
  CHECK(Holds(shown, "x|i:1;"));
  CHECK(Holds(shown, "y|i:1;"));
  PassGrace();
  CHECK(Holds(Shown(&b, &browser), "x|i:1;"));
}

TEST_CASE_METHOD(SideBySideFixture, "What no node has ever confirmed is not trusted in a host's first minute",
                 "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  a.context().settings.local_trust = seconds(60);  // the clock shows 20
  Serve(&a, "", "n|i:1;");
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  CHECK(request.waits() == 1);
}

TEST_CASE_METHOD(SideBySideFixture, "Two requests that start a destroyed session anew on one server lose neither",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  Browser other = browser;
  Request first(&a, &browser);
  Request second(&a, &other);
  REQUIRE(first.Start().value().empty());
  REQUIRE(second.Start().value().empty());
  REQUIRE(first.Finish("x|i:1;").ok());
  REQUIRE(second.Finish("y|i:1;").ok());
  const std::string shown = Shown(&a, &browser);
  CHECK(Holds(shown, "x|i:1;"));
  CHECK(Holds(shown, "y|i:1;"));
  CHECK_FALSE(Holds(shown, "n|i:1;"));
}

TEST_CASE_METHOD(SideBySideFixture, "A request that leaves the session empty does not hide what another has begun",
                 "[session]") {
  b.context().settings.lock = LockMode::kNone;
  Serve(&a, "", "");
  Browser other = browser;
  Request begins(&b, &browser);
  Request leaves(&b, &other);
  REQUIRE(begins.Start().ok());
  REQUIRE(leaves.Start().ok());
  REQUIRE(begins.Finish("n|i:1;").ok());
  REQUIRE(leaves.FinishUnchanged().ok());
  CHECK(Shown(&b, &browser) == "n|i:1;");
}

TEST_CASE_METHOD(SideBySideFixture, "What an empty session's copy stands in for is not known to it", "[session]") {
  Serve(&a, "", "");
  Browser other = browser;
  Browser third = browser;
  b.context().settings.lock = LockMode::kNone;
  Request begins(&b, &browser);
  Request leaves(&b, &other);
  Request late(&b, &third);
  REQUIRE(begins.Start().ok());
  REQUIRE(leaves.Start().ok());
  REQUIRE(late.Start().ok());
  REQUIRE(begins.Finish("n|i:1;").ok());
  REQUIRE(b.store().Erase(Key()));  // as where there is no room
  SECTION("and a request that has read the copy merges what it meets") {
    REQUIRE(leaves.FinishUnchanged().ok());
    Serve(&b, "", "x|i:1;");
  }
  SECTION("and one beside it that has read before does as well") {
    REQUIRE(leaves.FinishUnchanged().ok());
    REQUIRE(late.Finish("x|i:1;").ok());
  }
  PassGrace();
  const std::string shown = Shown(&a, &browser);
  CHECK(Holds(shown, "n|i:1;"));
  CHECK(Holds(shown, "x|i:1;"));
}

TEST_CASE_METHOD(SideBySideFixture, "That a session is empty is trusted from when it was read", "[session]") {
  Serve(&a, "", "");
  Browser other = browser;
  Request long_one(&b, &other);
  REQUIRE(long_one.Start().value().empty());
  Serve(&a, "", "n|i:1;");
  clock.Advance(seconds(9));
  REQUIRE(long_one.FinishUnchanged().ok());
  clock.Advance(seconds(2));
  CHECK(Shown(&b, &other) == "n|i:1;");
}

TEST_CASE_METHOD(SideBySideFixture, "What a read has merged of other servers is safe until it is written",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  a.context().settings.write = WriteMode::kBehind;
  Browser other = browser;
  Browser third = browser;
  third.affinity.reset();  // asks the nodes
  REQUIRE(Serve(&a, "n|i:1;", "n|i:1;p|i:1;") == 0);
  Request early(&a, &other);
  REQUIRE(early.Start().value() == "n|i:1;p|i:1;");
  {
    Request request(&b, &browser);
    REQUIRE(request.Start().value() == "n|i:1;");
    REQUIRE(request.Finish("n|i:1;y|i:1;").ok());
  }
  Request merges(&a, &third);
  CHECK(Holds(merges.Start().value(), "y|i:1;"));
  CHECK(a.store().UnreplicatedCount() == 1);  // not to be evicted
  // Nor does a commit of this server that has not seen it take its place.
  REQUIRE(early.Finish("n|i:1;p|i:1;z|i:1;").ok());
  REQUIRE(merges.FinishUnchanged().ok());
  const std::string shown = Shown(&a, &third);
  for (const char* part : {"n|i:1;", "p|i:1;", "y|i:1;", "z|i:1;"}) CHECK(Holds(shown, part));
}

TEST_CASE_METHOD(SideBySideFixture, "A request from before a destruction does not destroy what was started anew",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  Request early(&a, &other);
  REQUIRE(early.Start().ok());
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "", "x|i:1;");
  REQUIRE(early.Destroy().ok());
  CHECK(Shown(&a, &browser) == "x|i:1;");
}

TEST_CASE_METHOD(SideBySideFixture, "A copy that was lost in the middle of a request is validated after it",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  a.context().settings.write = WriteMode::kBehind;
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  REQUIRE(a.store().Erase(Key()));
  REQUIRE(request.Finish("n|i:1;x|i:1;").ok());
  Request next(&a, &browser);
  REQUIRE(next.Start().value() == "n|i:1;x|i:1;");
  CHECK(next.waits() == 1);
}

TEST_CASE_METHOD(SideBySideFixture, "A request writes under no name that others of its server have used and forgotten",
                 "[session]") {
  const bool older = GENERATE(false, true);  // than what the request had read: what its server knows of in the end
  Serve(&a, "", "n|i:1;");
  FakeMemcached* stale = Placed(browser.session_id)[1];
  if (older) {
    stale->set_down(true);
    Serve(&a, "n|i:1;", "n|i:1;m|i:1;");
  }
  const std::string read = older ? "n|i:1;m|i:1;" : "n|i:1;";
  Browser other = browser;
  Request early(&a, &browser);
  Request late(&a, &other);
  REQUIRE(early.Start().value() == read);
  REQUIRE(late.Start().value() == read);
  stale->set_down(true);
  REQUIRE(early.Finish(read + "x|i:1;").ok());
  REQUIRE(a.store().Erase(Key()));
  for (FakeMemcached* node : nodes) node->set_down(node != stale);
  clock.Advance(seconds(3));
  Request reader(&a, &browser);
  REQUIRE(reader.Start().value() == "n|i:1;");
  REQUIRE(late.Finish(read + "y|i:1;").ok());
  Request last(&a, &browser);
  REQUIRE(last.Start().ok());
  REQUIRE(last.Finish(read + "y|i:1;z|i:1;").ok());

  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(seconds(3));
  const std::string shown = Shown(&b, &browser);
  CHECK(Holds(shown, "x|i:1;"));
  CHECK(Holds(shown, "y|i:1;"));
  CHECK(Holds(shown, "z|i:1;"));
}

TEST_CASE_METHOD(SideBySideFixture, "What joins a session that was begun again counts on from the highest version",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  for (int i = 2; i < 6; ++i) Serve(&b, "n|i:" + std::to_string(i) + ";", "n|i:" + std::to_string(i + 1) + ";");
  Browser other = browser;
  Request early(&a, &browser);
  REQUIRE(early.Start().value() == "n|i:6;");
  for (FakeMemcached* node : nodes) node->RestartEmpty();
  REQUIRE(a.store().Erase(Key()));
  Request anew(&a, &other);
  REQUIRE(anew.Start().value().empty());
  REQUIRE(anew.Finish("x|i:1;").ok());
  REQUIRE(early.Finish("n|i:6;y|i:1;").ok());

  other.affinity.reset();
  Request next(&b, &other);
  const std::string shown = next.Start().value();
  CHECK(Holds(shown, "x|i:1;"));
  REQUIRE(next.Finish(shown + "z|i:1;").ok());
  CHECK(Holds(Shown(&a, &other), "z|i:1;"));
}

TEST_CASE_METHOD(SideBySideFixture, "A takeover is not left behind by a request that meets a write of before it",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  a.context().settings.write = WriteMode::kBehind;
  Browser other = browser;
  Request before(&a, &other);
  REQUIRE(before.Start().value() == "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  Request takes_over(&a, &browser);
  REQUIRE(takes_over.Start().value() == "n|i:2;");
  a.store().Erase(a.context().InSpace(Key()));  // evicted
  REQUIRE(before.Finish("n|i:1;x|i:1;").ok());
  REQUIRE(a.counters().deferred_writes.Get() == 1);
  REQUIRE(takes_over.Finish("n|i:3;").ok());
  CHECK(a.counters().deferred_writes.Get() == 1);
  CHECK(Holds(HeldBy(NodeInId(), browser.session_id), "n|i:3;"));
}

TEST_CASE_METHOD(SideBySideFixture, "An unchanged request leaves alone what was written after its copy was evicted",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser other = browser;
  Request late(&a, &other);
  REQUIRE(late.Start().ok());
  Serve(&a, "n|i:1;", "n|i:1;x|i:1;");
  Request unchanged(&a, &browser);
  REQUIRE(unchanged.Start().ok());
  REQUIRE(a.store().Erase(Key()));
  // The late write has the version of what was evicted: both come after the same read.
  a.context().settings.write = WriteMode::kBehind;
  REQUIRE(late.Finish("n|i:1;y|i:1;").ok());
  REQUIRE(a.store().UnreplicatedCount() == 1);
  clock.Advance(seconds(2));
  REQUIRE(unchanged.FinishUnchanged().ok());
  CHECK(a.store().UnreplicatedCount() == 1);
  const uint64_t conflicts = a.counters().conflicts.Get();
  Flusher flusher(&a.store(), &clock, [this](uint8_t) { return Borrow(a.context()); });
  REQUIRE(flusher.Run(10, clock.Now() + seconds(1)).written == 1);
  CHECK(a.counters().conflicts.Get() == conflicts + 1);
  const std::string shown = Shown(&b, &browser);
  CHECK(Holds(shown, "x|i:1;"));
  CHECK(Holds(shown, "y|i:1;"));
}
