// When a session is over (G13): to the second where it was used last, and nowhere more than a tenth of its lifetime
// later. Layer: tests.
#include "src/session/lifetime.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kDay = 24 * 3600;

struct Lifetime : ClusterFixture {
  // A request of this session, of its own lifetime, that leaves `payload`. Returns what it has found.
  std::string Use(WebServer* server, uint32_t lifetime_s, const std::string& payload) {
    Session session(server->context());
    session.SetClaim(browser.affinity);
    if (browser.session_id.empty()) browser.session_id = session.CreateId(std::string(32, 'a'), 1);
    const std::string found(session.Read(browser.session_id, lifetime_s).value());
    if (std::optional<AffinityCookie> cookie = session.Affinity()) browser.affinity = cookie;
    if (found == payload) {
      REQUIRE(session.UpdateTimestamp(browser.session_id, payload, lifetime_s).ok());
    } else {
      REQUIRE(session.Write(browser.session_id, payload, lifetime_s).ok());
    }
    session.Close();
    return found;
  }
  // Whether strict mode knows the session; looking at it so is no use.
  bool Known(WebServer* server, uint32_t lifetime_s) {
    Session session(server->context());
    session.SetClaim(browser.affinity);
    return session.Validate(browser.session_id, lifetime_s).value();
  }
  bool OnNodes() {
    return std::any_of(nodes.begin(), nodes.end(),
                       [this](FakeMemcached* node) { return HeldBy(node, browser.session_id) != "nothing"; });
  }
};

}  // namespace

TEST_CASE_METHOD(Lifetime, "A session is over a lifetime after its last use, to the second, where that was",
                 "[session]") {
  const uint32_t lifetime_s = GENERATE(1u, 2u, 10u, 60u, 1440u, 30 * kDay);
  for (WebServer* server : {&a, &b}) {
    server->context().settings.lock = GENERATE(LockMode::kNone, LockMode::kLocal, LockMode::kCluster);
  }
  clock.Advance(seconds(100));
  Use(&a, lifetime_s, "n|i:1;");
  Browser other = browser;
  browser.session_id.clear();
  SECTION("that wrote it") {}
  SECTION("that did not change it") {
    browser = other;
    for (int i = 0; i < 3; ++i) {
      clock.Advance(milliseconds(lifetime_s * 400));
      REQUIRE(Use(&a, lifetime_s, "n|i:1;") == "n|i:1;");
    }
    other = browser;
  }
  browser = other;
  clock.Advance(milliseconds(lifetime_s * 1000 - 1));
  CHECK(Known(&a, lifetime_s));
  clock.Advance(milliseconds(1));
  CHECK(OnNodes());  // so the server must know better
  CHECK_FALSE(Known(&a, lifetime_s));
  CHECK(Use(&a, lifetime_s, "").empty());
}

TEST_CASE_METHOD(Lifetime, "A session is over on other servers at most a tenth of its lifetime later, and never before",
                 "[session]") {
  const uint32_t lifetime_s = GENERATE(1u, 2u, 10u, 19u, 20u, 60u, 1440u, 30 * kDay);
  // Used for a while, as often as makes records as old as they can get without being written again.
  const int uses = GENERATE(0, 1, 7);
  clock.Advance(seconds(100));
  Use(&a, lifetime_s, "n|i:1;");
  for (int i = 0; i < uses; ++i) {
    clock.Advance(RefreshInterval(lifetime_s) - milliseconds(1));
    REQUIRE(Use(&a, lifetime_s, "n|i:1;") == "n|i:1;");
  }
  // A node may be a second early.
  FakeMemcached* node = Placed(browser.session_id)[0];
  const TimePoint gone = node->items().begin()->second.expires_at;
  const TimePoint over = clock.Now() + seconds(lifetime_s);
  CHECK(gone - seconds(1) >= over);
  CHECK(gone <= over + std::max<Duration>(milliseconds(lifetime_s * 100), seconds(2)));
  a.Restart();
  const bool in_time = GENERATE(true, false);
  clock.Advance((in_time ? over - milliseconds(1) : gone) - clock.Now());
  CHECK(Known(&b, lifetime_s) == in_time);
}

TEST_CASE_METHOD(Lifetime, "An unchanged session is written about ten times in its lifetime, however often it is used",
                 "[session]") {
  const uint32_t lifetime_s = GENERATE(20u, 60u, 1440u, 30 * kDay);
  Use(&a, lifetime_s, "n|i:1;");
  for (int i = 0; i < 1000; ++i) {
    clock.Advance(milliseconds(lifetime_s));
    REQUIRE(Use(&a, lifetime_s, "n|i:1;") == "n|i:1;");
  }
  const uint64_t written = a.counters().refreshes.Get();
  CHECK(written >= 9);
  CHECK(written <= (lifetime_s < 100 ? 20 : 11));  // whole seconds: 20 is written each second, 60 each five
}

TEST_CASE_METHOD(Lifetime, "A session that is over here and was used later elsewhere is found", "[session]") {
  constexpr uint32_t kLifetime = 1440;
  Use(&a, kLifetime, "n|i:1;");
  const Browser before = browser;
  clock.Advance(seconds(kLifetime - 10));
  const bool changed = GENERATE(true, false);
  const std::string payload = changed ? "n|i:2;" : "n|i:1;";
  REQUIRE(Use(&b, kLifetime, payload) == "n|i:1;");
  clock.Advance(seconds(20));
  browser = before;
  CHECK(Use(&a, kLifetime, payload) == payload);
  CHECK(a.counters().conflicts.Get() == 0);
}

TEST_CASE_METHOD(Lifetime, "A session is not taken to be over while a node is missing that may know of a later use",
                 "[session]") {
  constexpr uint32_t kLifetime = 1440;
  Use(&a, kLifetime, "n|i:1;");
  clock.Advance(seconds(kLifetime + 1));
  FakeMemcached* missing = Placed(browser.session_id)[GENERATE(1, 2)];
  missing->set_down(true);
  const bool in_time = GENERATE(true, false);  // but no longer than its records are there
  if (!in_time) clock.Advance(seconds(kLifetime / 10));
  CHECK(Known(&a, kLifetime) == in_time);
}

TEST_CASE_METHOD(Lifetime, "A session that is over may be started anew under its ID, and nothing of before comes back",
                 "[session]") {
  constexpr uint32_t kLifetime = 1440;
  a.context().settings.lock = GENERATE(LockMode::kNone, LockMode::kLocal);
  Use(&b, kLifetime, "old|i:1;");  // still has its copy
  Use(&a, kLifetime, "old|i:2;");
  Browser other;
  std::swap(other, browser);
  Use(&a, kLifetime, "other|i:1;");
  std::swap(other, browser);
  clock.Advance(seconds(kLifetime));
  CHECK(OnNodes());
  SECTION("by a request that puts something there") {
    CHECK(Use(&a, kLifetime, "new|i:1;").empty());
    CHECK(HeldBy(Placed(browser.session_id)[0], browser.session_id) == "new|i:1;");
    CHECK(HeldBy(Placed(browser.session_id)[1], browser.session_id) == "new|i:1;");
    CHECK(Use(&b, kLifetime, "new|i:1;") == "new|i:1;");
    CHECK(Use(&a, kLifetime, "new|i:1;") == "new|i:1;");
  }
  SECTION("by a request that destroys it") {
    Request request(&a, &browser);
    CHECK(request.Start().value().empty());
    CHECK(request.Destroy().ok());
    for (FakeMemcached* node : nodes) CHECK(HeldBy(node, browser.session_id) == "destroyed");
  }
  CHECK(a.counters().conflicts.Get() + b.counters().conflicts.Get() == 0);
}

TEST_CASE_METHOD(Lifetime, "The end of one session is none of another's", "[session]") {
  constexpr uint32_t kLifetime = 1440;
  Use(&a, kLifetime, "n|i:1;");
  const Browser first = browser;
  browser = Browser();
  browser.session_id = std::string(32, 'b');
  Use(&a, kLifetime, "n|i:2;");
  clock.Advance(seconds(kLifetime / 2));
  CHECK(Use(&a, kLifetime, "n|i:2;") == "n|i:2;");
  clock.Advance(seconds(kLifetime / 2));
  CHECK(Use(&a, kLifetime, "n|i:2;") == "n|i:2;");
  browser = first;
  CHECK(Use(&a, kLifetime, "").empty());
}

TEST_CASE_METHOD(Lifetime, "A lifetime that becomes shorter ends the records on the nodes as well", "[session]") {
  Use(&a, 1440, "n|i:1;");
  clock.Advance(seconds(5));
  CHECK(Use(&a, 60, "n|i:1;") == "n|i:1;");
  CHECK(a.counters().refreshes.Get() == 1);
  CHECK(Use(&a, 60, "n|i:1;") == "n|i:1;");
  CHECK(a.counters().refreshes.Get() == 1);
  clock.Advance(seconds(66));
  CHECK_FALSE(OnNodes());
  CHECK_FALSE(Known(&b, 60));
}

TEST_CASE_METHOD(Lifetime, "The end of a session is remembered as long as its records are there, then forgotten",
                 "[session]") {
  constexpr uint32_t kLifetime = 1440;
  Use(&a, kLifetime, "n|i:1;");
  clock.Advance(seconds(kLifetime));
  CHECK(a.store().RemoveExpired(clock.Now(), 100) == 0);
  CHECK_FALSE(Known(&a, kLifetime));
  clock.Advance(seconds(kLifetime / 10));
  CHECK_FALSE(OnNodes());
  CHECK(a.store().RemoveExpired(clock.Now(), 100) == 1);
  CHECK(a.store().GetUsage().entries == 0);
}

TEST_CASE_METHOD(ClusterFixture, "A request that runs for longer than the lifetime keeps its session alive at its end",
                 "[session]") {
  const std::chrono::seconds run = GENERATE(std::chrono::seconds(1500), std::chrono::seconds(3000));
  const bool changes = GENERATE(false, true);
  Serve(&a, "", "n|i:1;");
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  clock.Advance(run);
  const std::string payload = changes ? "n|i:2;" : "n|i:1;";
  REQUIRE(request.Finish(payload).ok());
  CHECK(View(&a, payload) <= 1);
  clock.Advance(std::chrono::seconds(1400));
  View(&b, payload);
}

TEST_CASE_METHOD(Lifetime, "What two servers wrote with different lifetimes lives for the longer one", "[session]") {
  Use(&a, 1440, "n|i:1;");
  Browser tab = browser;
  Request early(&a, &tab, /*strict=*/false, 1440);
  REQUIRE(early.Start().ok());
  REQUIRE(Use(&b, kDay, "b|i:1;n|i:1;") == "n|i:1;");
  REQUIRE(early.Finish("a|i:1;n|i:1;").ok());
  early.End();
  b.Restart();
  clock.Advance(seconds(2 * 3600));
  const std::string shown = Use(&b, kDay, "n|i:2;");
  CHECK(shown.find("a|i:1;") != std::string::npos);
  CHECK(shown.find("b|i:1;") != std::string::npos);
}
