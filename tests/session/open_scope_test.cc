// What belongs to one open of a session: the claim, the IDs it made, the sessions it replaces, its lock. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_lock_fixture.h"

using namespace clustered_session;

namespace {

constexpr uint32_t kLifetime = Request::kLifetime;

struct ReplaceFixture : ClusterFixture {
  // A session, read and given up for a successor, as session_regenerate_id(true) does it.
  std::vector<ReplacedSession> GiveUp(const std::string& id) {
    Session session(a.context());
    REQUIRE(session.Read(id, kLifetime).ok());
    session.DestroyLater(id, kLifetime);
    std::vector<ReplacedSession> replaced = session.TakeReplaced();
    session.Close();
    return replaced;
  }
  std::string Start(Session* session, const char* random_part) {
    const std::string id = session->CreateId(random_part, 5);
    REQUIRE(session->Read(id, kLifetime).ok());
    return id;
  }
  // What another server finds under the ID.
  std::string Shown(const std::string& id) {
    Browser visitor;
    visitor.session_id = id;
    Request request(&b, &visitor);
    Result<std::string> read = request.Start();
    return read.ok() ? *read : "failed";
  }
};

#define REPLACE_TEST(name) TEST_CASE_METHOD(ReplaceFixture, name, "[session]")

constexpr char kFirst[] = "0123456789abcdef0123456789abcdef";
constexpr char kSecond[] = "fedcba9876543210fedcba9876543210";

}  // namespace

REPLACE_TEST("A replaced session stays if its successor cannot be written") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  for (FakeMemcached* node : nodes) node->set_item_size_max(1000);
  Session session(a.context());
  session.Replace(GiveUp(old_id));
  const std::string id = Start(&session, kFirst);
  CHECK_FALSE(session.Write(id, "s|s:2000:\"" + std::string(2000, 'x') + "\";", kLifetime).ok());
  session.Close();
  CHECK(Shown(old_id) == "n|i:1;");
}

REPLACE_TEST("A replaced session ends with a successor that was written, given up or destroyed") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  const int end = GENERATE(range(0, 5));
  {
    Session session(a.context());
    session.Replace(GiveUp(old_id));
    const std::string id = Start(&session, kFirst);
    if (end == 0) REQUIRE(session.Write(id, "n|i:2;", kLifetime).ok());
    if (end == 1) REQUIRE(session.UpdateTimestamp(id, "", kLifetime).ok());
    if (end == 2) REQUIRE(session.Destroy(id, kLifetime).ok());
    if (end == 3) session.Close();
    if (end <= 1) CHECK(Shown(old_id).empty());  // at once, not with the request
  }
  CHECK(Shown(old_id).empty());
}

REPLACE_TEST("Of a chain of replaced sessions, all end with the last one's write, and none before") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  std::vector<ReplacedSession> replaced;
  {
    Session session(a.context());
    session.Replace(GiveUp(old_id));
    const std::string id = Start(&session, kFirst);
    session.DestroyLater(id, kLifetime);
    replaced = session.TakeReplaced();
    session.Close();
  }
  REQUIRE(replaced.size() == 1);  // the one between was never written: nobody knows it
  CHECK(replaced[0].session_id == old_id);
  Session session(a.context());
  session.Replace(std::move(replaced));
  const std::string id = Start(&session, kSecond);
  CHECK(Shown(old_id) == "n|i:1;");
  REQUIRE(session.Write(id, "n|i:2;", kLifetime).ok());
  CHECK(Shown(old_id).empty());
}

REPLACE_TEST("A replaced session is destroyed on the nodes it was opened on") {
  FakeMemcached other_node("m1", &clock);
  WebServer other("a", {&other_node}, &clock);
  Serve(&a, "", "n|i:1;");
  Session session(other.context());
  session.Replace(GiveUp(browser.session_id));
  REQUIRE(session.Write(Start(&session, kFirst), "n|i:2;", kLifetime).ok());
  CHECK(Shown(browser.session_id).empty());
  CHECK(other_node.items().size() == 1);
}

REPLACE_TEST("An open that is abandoned destroys nothing, writes nothing and locks nothing") {
  Serve(&a, "", "n|i:1;");
  const std::string old_id = browser.session_id;
  Session session(b.context());
  session.Replace(GiveUp(old_id));
  browser.session_id = Start(&session, kFirst);
  session.Abandon();
  session.Close();
  CHECK(b.store().locks().GetUsage().held == 0);
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, browser.session_id) == "nothing");
  CHECK(Shown(old_id) == "n|i:1;");
}

TEST_CASE_METHOD(ClusterFixture, "An ID is only known to be new to the open that made it", "[session]") {
  std::string id;
  {
    Session session(a.context());
    id = session.CreateId(kFirst, 5);
  }
  Browser other{id, std::nullopt};
  Request request(&b, &other);  // somebody else has begun the session meanwhile
  REQUIRE(request.Start().ok());
  REQUIRE(request.Finish("n|i:7;").ok());
  Session session(a.context());
  CHECK(session.Read(id, kLifetime).value() == "n|i:7;");
}

TEST_CASE_METHOD(ClusterFixture, "A claim is only believed for the session that it was made for", "[session]") {
  Serve(&a, "", "n|i:1;");
  Browser moves = browser;
  Serve(&b, "n|i:1;", "n|i:2;");
  Browser stays;
  {
    Request request(&a, &stays);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("n|i:9;").ok());
  }
  Session session(a.context());
  session.SetClaim(stays.affinity);
  REQUIRE(session.Read(stays.session_id, kLifetime).value() == "n|i:9;");
  session.SetClaim(std::nullopt);
  CHECK(session.Read(moves.session_id, kLifetime).value() == "n|i:2;");
}

CLUSTER_LOCK_TEST("A lease is renewed no longer than its request has a session open") {
  bool open = true;
  a.context().session_open = [&open] { return open; };
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  clock.Advance(6s);
  a.RenewLocks();
  REQUIRE(a.counters().lock_renewals.Get() == 1);
  open = false;
  clock.Advance(6s);
  a.RenewLocks();
  CHECK(a.counters().lock_renewals.Get() == 1);
  clock.Advance(15s);
  CHECK(LockNode() == nullptr);
  Serve(&b, "n|i:1;", "n|i:2;", &tab);
}
