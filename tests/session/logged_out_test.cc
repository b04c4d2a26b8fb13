// A session that was destroyed stays so, whoever destroyed it with whatever it knew, and takes no other with it. Layer:
// tests.
#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

constexpr uint32_t kDay = 24 * 3600;
constexpr uint32_t kShort = 1440;

struct LoggedOutFixture : ClusterFixture {
  LoggedOutFixture() {
    Serve(&a, "", "n|i:1;");
    id = browser.session_id;
    Request request(&b, &other);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("o|i:1;").ok());
  }
  ~LoggedOutFixture() { CHECK(Shown(&b, other.session_id) == "o|i:1;"); }  // another session is left alone

  // Destroyed, and started anew under its ID by a request of `server`.
  void StartAnew(WebServer* server) {
    {
      Request request(server, &browser);
      REQUIRE(request.Start().ok());
      REQUIRE(request.Destroy().ok());
    }
    Serve(server, "", "n|i:2;");
  }
  void DestroyUnread(WebServer* server, uint32_t lifetime_s = kShort) {
    Session session(server->context());
    REQUIRE(session.Destroy(id, lifetime_s).ok());
  }
  // What somebody finds who has the ID and no other cookie.
  static std::string Shown(WebServer* server, const std::string& id) {
    Browser thief;
    thief.session_id = id;
    Request request(server, &thief);
    const Result<std::string> read = request.Start();
    return read.ok() ? *read : "unavailable";
  }
  void CheckOver() {
    for (FakeMemcached* node : Placed(id)) {
      const std::string held = HeldBy(node, id);
      CHECK((held == "destroyed" || held == "nothing"));
    }
    clock.Advance(std::chrono::seconds(11));
    CHECK(Shown(&a, id).empty());
    CHECK(Shown(&b, id).empty());
  }

  std::string id;
  Browser other;
};

}  // namespace

TEST_CASE_METHOD(LoggedOutFixture, "A server that has never read a session destroys it in whatever life it is",
                 "[session]") {
  for (int lives = GENERATE(0, 1, 3); lives > 0; --lives) StartAnew(&a);
  DestroyUnread(&b);
  CheckOver();
}

TEST_CASE_METHOD(LoggedOutFixture, "A server whose copy is of an earlier life destroys the later one, too",
                 "[session]") {
  REQUIRE(Shown(&b, id) == "n|i:1;");
  StartAnew(&a);
  DestroyUnread(&b);
  CheckOver();
}

TEST_CASE_METHOD(LoggedOutFixture, "A session that is replaced ends although its copy was evicted within the request",
                 "[session]") {
  StartAnew(&a);
  std::string successor;
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    const auto evict = [this] { a.store().Erase(a.context().InSpace(Hash128({}, "cs:", id))); };
    REQUIRE(request.Regenerate(true, "n|i:2;", evict).ok());
    REQUIRE(request.Finish("n|i:3;").ok());
    successor = browser.session_id;
  }
  REQUIRE(successor != id);
  CheckOver();
  CHECK(Shown(&b, successor) == "n|i:3;");
}

TEST_CASE_METHOD(LoggedOutFixture, "With write=behind, a server's death takes not both a session and its successor",
                 "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Regenerate(true, "n|i:1;", [] {}).ok());
    REQUIRE(request.Finish("n|i:1;admin|i:1;").ok());
  }
  const std::string successor = browser.session_id;
  a.Restart();
  const std::string new_one = Shown(&b, successor);
  const std::string old_one = Shown(&b, id);
  CAPTURE(new_one, old_one);
  CHECK((new_one == "n|i:1;admin|i:1;" || old_one == "n|i:1;"));
}

TEST_CASE_METHOD(LoggedOutFixture, "A tombstone outlives every record that it ends, whatever lifetimes they had",
                 "[session]") {
  const bool long_record = GENERATE(true, false);
  const bool strict = GENERATE(true, false);
  {
    Request request(&a, &browser, false, long_record ? kDay : kShort);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("n|i:2;").ok());
  }
  FakeMemcached* const missed = Placed(id)[GENERATE(0u, 1u)];
  missed->set_down(true);
  DestroyUnread(&b, long_record ? kShort : kDay);
  missed->set_down(false);
  REQUIRE(HeldBy(missed, id) == "n|i:2;");
  const auto step = std::chrono::seconds(600);
  for (auto passed = step; passed < std::chrono::seconds(kDay + kDay / 10 + 60); passed += step) {
    clock.Advance(step);
    std::swap(browser, other);  // others are used, this one is not
    View(&b, "o|i:1;");
    std::swap(browser, other);
    Browser thief;
    thief.session_id = id;
    Request request(&b, &thief, strict);
    const Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    REQUIRE(read->empty());
    if (strict) REQUIRE(thief.session_id != id);
  }
}

TEST_CASE_METHOD(LoggedOutFixture, "Whoever asks for a session that has ended tells its end to a node that lacks it",
                 "[session]") {
  FakeMemcached* const node = Placed(id)[GENERATE(0u, 1u, 2u)];
  auto old_items = node->items();
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  if (GENERATE(true, false)) old_items.clear();
  node->RestartWith(std::move(old_items));
  WebServer* const asked = GENERATE(true, false) ? &a : &b;  // the one that has ended it, or one without a copy
  clock.Advance(std::chrono::seconds(11));
  Browser thief;
  thief.session_id = id;
  {
    Request request(asked, &thief, GENERATE(true, false));
    const Result<std::string> read = request.Start();
    REQUIRE(read.ok());
    CHECK(read->empty());
    if (GENERATE(true, false)) REQUIRE(request.FinishUnchanged().ok());
  }
  for (FakeMemcached* placed : Placed(id)) CHECK(HeldBy(placed, id) == "destroyed");
}

TEST_CASE_METHOD(LoggedOutFixture, "A node that hangs does not keep a logout from one that answers", "[session]") {
  const size_t hangs = GENERATE(0u, 1u);
  FakeMemcached* const answers = Placed(id)[1 - hangs];
  Placed(id)[hangs]->set_hung(&clock);
  DestroyUnread(&b);
  CHECK(HeldBy(answers, id) == "destroyed");  // it held the session, and the third one, which took the end at once, not
  CHECK(HeldBy(Placed(id)[2], id) == "destroyed");
}
