// Two writers of one session, late writes, and sessions that were destroyed. Layer: tests.
#include <catch2/catch.hpp>
#include <thread>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

Status Logout(WebServer* server, Browser* browser) {
  Request request(server, browser);
  Result<std::string> read = request.Start();
  if (!read.ok()) return read.error();
  return request.Destroy();
}

}  // namespace

TEST_CASE_METHOD(ClusterFixture,
                 "A slow request on the old server loses nothing of the new one, and nothing of its own", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  Request slow(&a, &old);
  REQUIRE(slow.Start().value() == "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:1;b|i:2;");
  REQUIRE(slow.Finish("n|i:1;a|i:3;").ok());
  CHECK(a.counters().conflicts.Get() == 1);
  CHECK(a.counters().merges.Get() == 1);
  // Still within the takeover grace: B asks the nodes and finds both.
  Request after(&b, &browser);
  const std::string merged = after.Start().value();
  CHECK(merged.find("a|i:3;") != std::string::npos);
  CHECK(merged.find("b|i:2;") != std::string::npos);
}

TEST_CASE_METHOD(ClusterFixture, "The old server's copy is not served to a client that shows the new server",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Serve(&b, "n|i:1;", "n|i:2;");
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture,
                 "The old server's copy is served for at most local_trust to a client that shows the old one",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  Serve(&b, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(10));
  browser = old;
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(ClusterFixture, "Two tabs without a lock that each add a key lose neither", "[session]") {
  a.context().settings.lock = LockMode::kNone;
  Serve(&a, "", "n|i:1;");
  Browser tab = browser;
  Request first(&a, &browser);
  Request second(&a, &tab);
  REQUIRE(first.Start().ok());
  REQUIRE(second.Start().ok());
  REQUIRE(first.Finish("n|i:1;x|i:1;").ok());
  REQUIRE(second.Finish("n|i:1;y|i:1;").ok());
  View(&b, "n|i:1;y|i:1;x|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "on_conflict decides what a merge cannot", "[session]") {
  const auto [rule, expected] = GENERATE(table<ConflictRule, std::string>(
      {{ConflictRule::kMine, "n|i:3;"}, {ConflictRule::kTheirs, "n|i:2;"}, {ConflictRule::kMerge, "n|i:3;"}}));
  a.context().settings.lock = LockMode::kNone;
  a.context().settings.on_conflict = rule;
  Serve(&a, "", "n|i:1;");
  Browser tab = browser;
  Request first(&a, &browser);
  Request second(&a, &tab);
  REQUIRE(first.Start().ok());
  REQUIRE(second.Start().ok());
  REQUIRE(first.Finish("n|i:2;").ok());
  REQUIRE(second.Finish("n|i:3;").ok());
  CHECK(a.counters().conflicts.Get() == 1);
  View(&b, expected);
}

TEST_CASE_METHOD(ClusterFixture, "Each key that a merge could not keep both values of is counted", "[session]") {
  // Of what the two leave, how many keys or whole payloads had to give way.
  const auto [first_leaves, second_leaves, collisions] = GENERATE(table<std::string, std::string, uint64_t>({
      {"x|i:2;y|i:1;z|i:1;", "x|i:1;y|i:2;z|i:1;", 0},
      {"x|i:2;y|i:1;z|i:1;", "x|i:2;y|i:1;z|i:1;n|i:1;", 0},
      {"x|i:2;y|i:1;z|i:1;", "x|i:3;y|i:1;z|i:1;", 1},
      {"x|i:2;y|i:2;z|i:2;", "x|i:3;y|i:3;z|i:1;", 2},
      {"x|i:2;y|i:2;z|i:2;", "not to be split", 1},
  }));
  const bool two_servers = GENERATE(false, true);
  WebServer* const other = two_servers ? &b : &a;
  for (WebServer* server : {&a, &b}) server->context().settings.lock = LockMode::kNone;
  Serve(&a, "", "x|i:1;y|i:1;z|i:1;");
  Browser tab = browser;
  Request second(&a, &browser);
  REQUIRE(second.Start().ok());
  Request first(other, &tab);
  REQUIRE(first.Start().ok());
  REQUIRE(first.Finish(first_leaves).ok());
  REQUIRE(second.Finish(second_leaves).ok());
  CHECK(a.counters().conflicts.Get() == 1);
  CHECK(a.counters().merge_collisions.Get() == collisions);
  CHECK(a.counters().merges.Get() == (second_leaves == "not to be split" ? 0 : 1));
  CHECK(b.counters().merge_collisions.Get() == 0);
}

TEST_CASE_METHOD(ClusterFixture, "The session lock keeps a second request out until lock_wait", "[session]") {
  a.context().settings.lock_wait = std::chrono::milliseconds(0);
  Serve(&a, "", "n|i:1;");
  Browser tab = browser;
  Request first(&a, &browser);
  REQUIRE(first.Start().ok());
  std::string message;
  std::thread([&] {
    Request second(&a, &tab);
    Result<std::string> read = second.Start();
    if (!read.ok()) message = read.error().message();
  }).join();
  CHECK(message.find("clustered_session.lock_wait") != std::string::npos);
  CHECK(message.find(browser.session_id) == std::string::npos);
}

TEST_CASE_METHOD(ClusterFixture, "A destroyed session is logged in nowhere", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  Serve(&b, "n|i:1;", "n|i:2;");
  REQUIRE(Logout(&b, &browser).ok());
  clock.Advance(std::chrono::seconds(10));
  for (WebServer* server : {&a, &b}) {
    for (const Browser& cookies : {old, browser}) {
      Browser copy = cookies;
      Request request(server, &copy);
      Result<std::string> read = request.Start();
      REQUIRE(read.ok());
      CHECK(read->empty());
    }
  }
}

TEST_CASE_METHOD(ClusterFixture, "A late write does not revive a destroyed session", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  Request slow(&a, &old);
  REQUIRE(slow.Start().ok());
  REQUIRE(Logout(&b, &browser).ok());
  REQUIRE(slow.Finish("n|i:2;").ok());
  browser = old;
  View(&a, "");
  View(&b, "");
}

// As a user's handler around this one may write twice.
TEST_CASE_METHOD(ClusterFixture, "An empty write after a late one shows nothing of the destroyed session",
                 "[session]") {
  Serve(&a, "", "secret|i:1;");
  const std::string id = browser.session_id;
  {
    Session slow(a.context());
    REQUIRE(slow.Read(id, 1440).ok());
    Browser visitor = browser;
    REQUIRE(Logout(&b, &visitor).ok());
    REQUIRE(slow.Write(id, "secret|i:2;", 1440).ok());
    REQUIRE(slow.Write(id, "", 1440).ok());
  }
  View(&a, "");
}

TEST_CASE_METHOD(ClusterFixture, "A node that missed the destruction cannot revive the session", "[session]") {
  Serve(&a, "", "n|i:1;");
  FakeMemcached* node = NodeInId();
  node->set_down(true);
  REQUIRE(Logout(&b, &browser).ok());
  node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  View(&a, "");
  b.Restart();
  View(&b, "");
}

TEST_CASE_METHOD(ClusterFixture, "A session may be started anew under a destroyed ID", "[session]") {
  Serve(&a, "", "n|i:1;");
  REQUIRE(Logout(&a, &browser).ok());
  Serve(&a, "", "message|s:3:\"bye\";");
  View(&b, "message|s:3:\"bye\";");
}

TEST_CASE_METHOD(ClusterFixture, "Strict mode gives a destroyed session's visitor another ID", "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  REQUIRE(Logout(&a, &browser).ok());
  Request request(&b, &browser, /*strict=*/true);
  REQUIRE(request.Start().ok());
  CHECK(browser.session_id != id);
}

TEST_CASE_METHOD(ClusterFixture, "regenerate_id(true) destroys the old session only after the new one's record exists",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  std::vector<ReplacedSession> replaced;
  {
    Session session(a.context());
    REQUIRE(session.Read(old_id, 1440).ok());
    session.DestroyLater(old_id, 1440);
    replaced = session.TakeReplaced();
    session.Close();
  }
  Browser visitor;
  visitor.session_id = old_id;
  Request before(&b, &visitor);
  CHECK(before.Start().value() == "n|i:1;");
  before.End();

  Session session(a.context());
  session.Replace(std::move(replaced));
  const std::string new_id = session.CreateId("00112233445566778899aabbccddeeff", 3);
  REQUIRE(session.Read(new_id, 1440).ok());
  REQUIRE(session.Write(new_id, "n|i:1;", 1440).ok());
  Request after(&b, &visitor);
  CHECK(after.Start().value().empty());
}

TEST_CASE_METHOD(ClusterFixture, "read_and_close makes its takeover durable", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser old = browser;
  Request reader(&b, &browser);
  REQUIRE(reader.Start().ok());
  reader.End();
  CHECK(reader.waits() == 2);
  // So the old server's late write meets a conflict.
  browser = old;
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(a.counters().conflicts.Get() == 1);
}

TEST_CASE_METHOD(ClusterFixture, "In single-server mode a destroyed session stays destroyed under a late write",
                 "[session]") {
  WebServer alone("solo", {}, &clock);
  alone.context().settings.lock = LockMode::kNone;
  Serve(&alone, "", "n|i:1;");
  Browser tab = browser;
  Request slow(&alone, &tab);
  REQUIRE(slow.Start().ok());
  REQUIRE(Logout(&alone, &browser).ok());
  REQUIRE(slow.Finish("n|i:2;").ok());
  View(&alone, "");
}
