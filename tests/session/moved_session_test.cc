// Sessions that come from the handler of before under another ID: one for all requests and servers; the old ID leads
// there for a minute. Layer: tests.
#include "src/session/moved_session.h"

#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

constexpr char kHeld[] = "n|i:1;";

struct Moving : ClusterFixture {
  Moving() {
    for (WebServer* server : {&a, &b}) server->context().settings.migrate_from = {"files", "/tmp"};
  }

  bool Known(Session* session) { return session->Validate(kOldId, Request::kLifetime, /*keeps_unknown=*/true).value(); }

  // Where a request on this server with the old ID is led to.
  std::optional<std::string> Led(WebServer* server) {
    Session session(server->context());
    CHECK_FALSE(Known(&session));
    return session.MovedTo(kOldId, {});
  }

  Session::Move Move(WebServer* server, std::vector<std::string>* ended = nullptr) {
    Session session(server->context());
    REQUIRE_FALSE(Known(&session));
    REQUIRE(session.MayBeInOldHandler(kOldId));
    Session::Move move = session.TakeInAsOther(kOldId, kHeld, {}).value();
    if (ended != nullptr) *ended = session.TakeEnded();
    return move;
  }

  std::string ReadOn(WebServer* server, std::string_view id) {
    Session session(server->context());
    return std::string(session.Read(id, Request::kLifetime).value());
  }

  const std::string kOldId = "0123456789abcdef0123456789abcdef";
};

}  // namespace

TEST_CASE_METHOD(Moving, "A moved session is on nodes under its new ID before a client hears of that", "[migration]") {
  std::vector<std::string> ended;
  const Session::Move move = Move(&a, &ended);
  CHECK(move.taken);
  CHECK(move.to.size() == 32);
  CHECK(move.to != kOldId);
  CHECK(ended == std::vector<std::string>{kOldId});
  CHECK(HeldBy(Placed(move.to)[0], move.to) == kHeld);
  CHECK(HeldBy(Placed(move.to)[1], move.to) == kHeld);
  CHECK(a.store().locks().GetUsage().held == 0);
  CHECK(ReadOn(&b, move.to) == kHeld);
}

TEST_CASE_METHOD(Moving, "The old ID leads to the session for a minute, and is unknown from then on", "[migration]") {
  const Session::Move move = Move(&a);
  for (WebServer* server : {&a, &b}) CHECK(Led(server) == move.to);
  clock.Advance(MovedSession::kGood);
  for (WebServer* server : {&a, &b}) {
    CHECK(Led(server) == std::string());
    Session session(server->context());
    CHECK_FALSE(Known(&session));
    CHECK_FALSE(session.MayBeInOldHandler(kOldId));
    CHECK_FALSE(session.Exists(kOldId));
    CHECK(session.payload().empty());
  }
  CHECK(ReadOn(&b, move.to) == kHeld);
}

TEST_CASE_METHOD(Moving, "A server that knows a node to fail comes to the same new ID", "[migration]") {
  const Session::Move move = Move(&a);
  const std::string named(NodeNamedBy(a.context().nodes->addresses(), move.to));
  REQUIRE_FALSE(named.empty());
  for (FakeMemcached* node : nodes) node->set_down(node->name() == named);
  for (int i = 0; i < 3; ++i) {
    Session session(b.context());
    (void)session.Read("fedcba9876543210fedcba987654321" + std::to_string(i), Request::kLifetime);
  }
  CHECK(Led(&b) == move.to);
}

TEST_CASE_METHOD(Moving, "What is larger than nodes take is not moved, and nothing is tried twice", "[migration]") {
  for (FakeMemcached* node : nodes) node->set_item_size_max(1024);
  Session session(a.context());
  REQUIRE_FALSE(Known(&session));
  const Result<Session::Move> move = session.TakeInAsOther(kOldId, std::string(4096, 'x'), {});
  REQUIRE_FALSE(move.ok());
  CHECK(move.error().code() == ErrorCode::kTooLarge);
  CHECK(session.TakeNotices().empty());
  CHECK(session.TakeEnded().empty());
  CHECK(session.MayBeInOldHandler(kOldId));
}

TEST_CASE_METHOD(Moving, "A moved session lives for its lifetime", "[migration]") {
  const Session::Move move = Move(&a);
  clock.Advance(std::chrono::seconds(Request::kLifetime - 1));
  CHECK(ReadOn(&b, move.to) == kHeld);
  clock.Advance(std::chrono::seconds(2 * Request::kLifetime));
  CHECK(ReadOn(&b, move.to).empty());
}

TEST_CASE_METHOD(Moving, "A server without a migration knows a moved ID no more, nor one that shares it",
                 "[migration]") {
  Move(&a);
  SECTION("without") { b.context().settings.migrate_from = {}; }
  SECTION("shares") {
    b.context().settings.migrate_to = {"files", "/tmp"};
    b.context().settings.migrate_shared = true;
  }
  {
    Session session(b.context());
    CHECK_FALSE(Known(&session));
    CHECK_FALSE(session.MayBeInOldHandler(kOldId));
  }
  CHECK(ReadOn(&b, kOldId).empty());
}

TEST_CASE_METHOD(Moving, "Servers that move a session at once come to the same ID, and take it in once",
                 "[migration]") {
  Session one(a.context());
  Session two(b.context());
  REQUIRE_FALSE(Known(&one));
  REQUIRE_FALSE(Known(&two));
  const Session::Move first = one.TakeInAsOther(kOldId, kHeld, {}).value();
  // In between, a request with the new ID changes the session.
  {
    Session session(a.context());
    REQUIRE(session.Read(first.to, Request::kLifetime).value() == kHeld);
    REQUIRE(session.Write(first.to, "n|i:2;", Request::kLifetime).ok());
  }
  const Session::Move second = two.TakeInAsOther(kOldId, kHeld, {}).value();
  CHECK(first.taken);
  CHECK_FALSE(second.taken);
  CHECK(second.to == first.to);
  CHECK(ReadOn(&b, first.to) == "n|i:2;");
  CHECK(Led(&b) == first.to);
}

TEST_CASE_METHOD(Moving, "What was destroyed under its new ID does not come back under the old one", "[migration]") {
  const Session::Move move = Move(&a);
  {
    Session session(b.context());
    REQUIRE(session.Destroy(move.to, Request::kLifetime).ok());
  }
  SECTION("for who is led there") {
    Session session(a.context());
    REQUIRE_FALSE(Known(&session));
    session.GiveUpUnknown();
    CHECK_FALSE(session.Validate(move.to, Request::kLifetime, true).value());
  }
  SECTION("for who has not heard of the move") {
    const std::string key = StorageKey("cs:", Hash128({}, "cs:", kOldId));
    for (FakeMemcached* node : nodes) node->items().erase(key);
    WebServer c{"c", nodes, &clock};
    c.context().settings.migrate_from = {"files", "/tmp"};
    CHECK(Move(&c).to.empty());
    CHECK(HeldBy(Placed(move.to)[0], move.to) == "destroyed");
  }
}

TEST_CASE_METHOD(Moving, "Where no node takes it, a session is not moved", "[migration]") {
  Session session(a.context());
  REQUIRE_FALSE(Known(&session));
  for (FakeMemcached* node : nodes) node->set_down(true);
  CHECK_FALSE(session.TakeInAsOther(kOldId, kHeld, {}).ok());
  CHECK(session.TakeEnded().empty());
  CHECK(session.MayBeInOldHandler(kOldId));
  session.Close();
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(10));
  CHECK(Led(&b) == std::nullopt);
  CHECK(Move(&b).taken);
}

TEST_CASE_METHOD(Moving, "While only this server has it, a moved session stays with the old handler as well",
                 "[migration]") {
  {
    Session session(a.context());
    REQUIRE_FALSE(Known(&session));
    for (FakeMemcached* node : nodes) node->set_full(true);
    const Session::Move move = session.TakeInAsOther(kOldId, kHeld, {}).value();
    CHECK(move.taken);
    CHECK(session.TakeEnded().empty());
    CHECK(ReadOn(&a, move.to) == kHeld);
  }
  for (FakeMemcached* node : nodes) node->set_full(false);
  Session session(b.context());
  CHECK_FALSE(Known(&session));
  CHECK(session.MovedTo(kOldId, {}) == std::nullopt);
  CHECK(session.MayBeInOldHandler(kOldId));
}

TEST_CASE_METHOD(Moving, "Who knows the old ID and all that is in the session cannot tell the new one", "[migration]") {
  const bool with_nodes = GENERATE(true, false);
  const std::vector<FakeMemcached*> none;
  const auto moved_to = [&](std::string_view name) {
    WebServer server{std::string(name), with_nodes ? nodes : none, &clock};
    server.context().settings.migrate_from = {"files", "/tmp"};
    return Move(&server).to;
  };
  const std::string first = moved_to("c");
  for (FakeMemcached* node : nodes) node->RestartEmpty();
  CHECK(moved_to("d") != first);
}

TEST_CASE_METHOD(Moving, "A new ID follows from the old one and the session, not from one of them alone",
                 "[migration]") {
  const int64_t now_s = 1'700'000'000;
  const MovedSession move = MoveOf(kOldId, kHeld, "secret", now_s);
  CHECK(ParseMoved(FormatMoved(move)) == move);
  CHECK(ParseMoved(FormatMoved(move).substr(1)) == std::nullopt);
  CHECK(ParseMoved(kHeld) == std::nullopt);
  CHECK(ParseMoved(std::string(FormatMoved(move).size(), 'x')) == std::nullopt);
  CHECK(MoveOf(kOldId, kHeld, "secret", now_s + 3) == move);  // of servers that move it at once
  CHECK(MoveOf(kOldId, kHeld, "secret", now_s + 60).salt == move.salt);
  CHECK(MoveOf(kOldId, "n|i:2;", "secret", now_s).salt != move.salt);
  CHECK(MoveOf(kOldId, kHeld, "another", now_s).salt != move.salt);
  CHECK(MoveOf("f" + kOldId.substr(1), kHeld, "secret", now_s).salt != move.salt);
  const std::string part = RandomPartOf(kOldId, move, {32, 4});
  CHECK(RandomPartOf(kOldId, MoveOf(kOldId, "n|i:2;", "secret", now_s), {32, 4}) != part);
  CHECK(RandomPartOf("f" + kOldId.substr(1), move, {32, 4}) != part);
  for (const uint32_t bits : {4u, 5u, 6u}) {
    const std::string long_part = RandomPartOf(kOldId, move, {200, bits});
    CHECK(long_part.size() == 200);
    CHECK(long_part.substr(0, 32) == RandomPartOf(kOldId, move, {32, bits}));
    CHECK((long_part.find_first_of("ghijklmnopqrstuv") != std::string::npos) == (bits > 4));
    CHECK((long_part.find_first_of("wxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,") != std::string::npos) == (bits > 5));
  }
}
