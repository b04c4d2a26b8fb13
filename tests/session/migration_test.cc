// Sessions that come from the handler of before: taken in once, written through, and never over what is known here.
// Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

constexpr uint32_t kLifetime = Request::kLifetime;

struct Migration : ClusterFixture {
  Migration() {
    for (WebServer* server : {&a, &b}) server->context().settings.migrate_from = {"files", "/tmp"};
    browser.session_id = "0123456789abcdef0123456789abcdef";
  }

  // As the save handler does in strict mode, where the old handler has `held`; empty: nothing. Whether it was asked.
  bool Open(Session* session, std::string_view held) {
    session->SetClaim(browser.affinity);
    const bool exists = session->Validate(browser.session_id, kLifetime, /*keeps_unknown=*/true).value();
    if (!session->MayBeInOldHandler(browser.session_id)) return false;
    CHECK_FALSE(exists);
    if (held.empty()) {
      session->GiveUpUnknown();
    } else {
      session->TakeIn(held);
    }
    return true;
  }
  std::string Read(Session* session) { return std::string(session->Read(browser.session_id, kLifetime).value()); }
};

}  // namespace

TEST_CASE_METHOD(Migration, "A session of the old handler is shown, written once, and not asked for again",
                 "[migration]") {
  const bool changed = GENERATE(true, false);
  const bool written = GENERATE(true, false);
  {
    Session session(a.context());
    REQUIRE(Open(&session, "n|i:1;"));
    CHECK(session.Exists(browser.session_id));
    CHECK(Read(&session) == "n|i:1;");
    CHECK_FALSE(session.MayBeInOldHandler(browser.session_id));
    if (written && changed) REQUIRE(session.Write(browser.session_id, "n|i:2;", kLifetime).ok());
    if (written && !changed) REQUIRE(session.UpdateTimestamp(browser.session_id, "n|i:1;", kLifetime, true).ok());
  }
  CHECK(Holders() == 2);
  for (WebServer* server : {&a, &b}) {
    Session session(server->context());
    CHECK_FALSE(Open(&session, "n|i:9;"));
    CHECK(Read(&session) == (written && changed ? "n|i:2;" : "n|i:1;"));
  }
}

TEST_CASE_METHOD(Migration, "A worker that dies before it has written leaves all to the next one", "[migration]") {
  {
    Session session(a.context());
    REQUIRE(Open(&session, "n|i:1;"));
    session.Abandon();
  }
  CHECK(Holders() == 0);
  Session session(a.context());
  CHECK(Open(&session, "n|i:1;"));
}

TEST_CASE_METHOD(Migration, "A session that its first request here empties stays empty", "[migration]") {
  {
    Session session(a.context());
    REQUIRE(Open(&session, "n|i:1;"));
    REQUIRE(session.Write(browser.session_id, "", kLifetime, /*empty=*/true).ok());
  }
  Session session(b.context());
  CHECK_FALSE(Open(&session, "n|i:1;"));
  CHECK(Read(&session).empty());
}

TEST_CASE_METHOD(Migration, "An ID that is unknown everywhere keeps no lock and nothing on a node", "[migration]") {
  Session session(a.context());
  CHECK(Open(&session, ""));
  CHECK(a.store().locks().GetUsage().held == 0);
  CHECK(Holders() == 0);
}

TEST_CASE_METHOD(Migration, "A session that was destroyed, or made here, is not asked for", "[migration]") {
  SECTION("destroyed") {
    {
      Session session(a.context());
      REQUIRE(Open(&session, "n|i:1;"));
      REQUIRE(session.Destroy(browser.session_id, kLifetime).ok());
      CHECK(session.TakeEnded() == std::vector<std::string>{browser.session_id});
    }
    for (WebServer* server : {&a, &b}) {
      Session session(server->context());
      CHECK_FALSE(Open(&session, "n|i:1;"));
    }
  }
  SECTION("made here") {
    Session session(a.context());
    browser.session_id = session.CreateId("00112233445566778899aabbccddeeff", 1);
    CHECK_FALSE(Open(&session, "n|i:1;"));
    CHECK(Read(&session).empty());
    CHECK_FALSE(session.MayBeInOldHandler(browser.session_id));
    REQUIRE(session.Write(browser.session_id, "", kLifetime, /*empty=*/true).ok());
    session.Close();
    Session next(a.context());
    CHECK_FALSE(Open(&next, "n|i:1;"));
    CHECK(Read(&next).empty());
  }
}

TEST_CASE_METHOD(Migration, "An ID that was empty here is on nodes when the old handler has its session",
                 "[migration]") {
  {
    Session session(a.context());
    REQUIRE(Open(&session, ""));
    REQUIRE(Read(&session).empty());
    REQUIRE(session.Write(browser.session_id, "", kLifetime, /*empty=*/true).ok());
  }
  CHECK(Holders() == 0);
  {
    Session session(a.context());
    (void)session.Validate(browser.session_id, kLifetime, /*keeps_unknown=*/true);
    REQUIRE(session.MayBeInOldHandler(browser.session_id));
    session.TakeIn("n|i:1;");
  }
  CHECK(Holders() == 2);
  View(&b, "n|i:1;");
}

TEST_CASE_METHOD(Migration, "A login ends the session of the old handler once its successor is written",
                 "[migration]") {
  std::vector<ReplacedSession> replaced;
  {
    Session session(a.context());
    REQUIRE(Open(&session, "n|i:1;"));
    session.DestroyLater(browser.session_id, kLifetime);
    CHECK(session.TakeEnded().empty());
    replaced = session.TakeReplaced();
  }
  Session fresh(a.context());
  fresh.Replace(std::move(replaced));
  const std::string id = fresh.CreateId("00112233445566778899aabbccddeeff", 1);
  REQUIRE(fresh.Read(id, kLifetime).value().empty());
  CHECK(fresh.TakeEnded().empty());
  REQUIRE(fresh.Write(id, "n|i:2;", kLifetime).ok());
  CHECK(fresh.TakeEnded() == std::vector<std::string>{browser.session_id});
  Session again(b.context());
  CHECK_FALSE(Open(&again, "n|i:1;"));
}

TEST_CASE_METHOD(Migration, "While a node may have it, the old handler's is not believed", "[migration]") {
  for (FakeMemcached* node : nodes) node->set_down(true);
  Session session(a.context());
  CHECK_FALSE(session.Validate(browser.session_id, kLifetime, true).ok());
  CHECK_FALSE(session.MayBeInOldHandler(browser.session_id));
}

TEST_CASE_METHOD(Migration, "While the old handler is shared, what it has replaces what was known here",
                 "[migration]") {
  for (WebServer* server : {&a, &b}) {
    server->context().settings.migrate_to = {"files", "/tmp"};
    server->context().settings.migrate_shared = true;
  }
  {
    Session session(a.context());
    REQUIRE(Open(&session, "n|i:1;"));
    REQUIRE(session.Write(browser.session_id, "n|i:2;", kLifetime).ok());
  }
  {
    Session session(a.context());
    CHECK(session.Validate(browser.session_id, kLifetime, true).value());
    REQUIRE(session.MayBeInOldHandler(browser.session_id));
    session.TakeIn("n|i:3;");
    CHECK(Read(&session) == "n|i:3;");
  }
  a.context().settings.migrate_from = b.context().settings.migrate_from = {};
  View(&b, "n|i:3;");
}
