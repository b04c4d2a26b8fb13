// Nodes that ask for SASL, with a real `memcached -S`. Mirrors src/memcached/classic_node.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

TEST_CASE("with SASL an operation is one wait, and two more log in on a fresh connection") {
  MemcachedProcess server(Asking(kSaslUser));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kSaslUser);
  NodeToken token;
  SECTION("a read") { CHECK(client.Read("k").status == NodeStatus::kMiss); }
  SECTION("a write") {
    const NodeReply stored = client.Write("k", "first");
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    token = stored.token;
  }
  CHECK(client.counters.node_waits.Get() == 2);  // beside the operation's own
  // A request that arrives in parts, as on a busy machine, counts for more: so the least of a few counts.
  size_t round_trips = proxy.round_trips();
  for (int i = 0; i < 5 && round_trips > 3; ++i) {
    const size_t before = proxy.round_trips();
    TestNode another(TcpAddress(proxy.port()), kSaslUser);
    (void)another.Read("k");
    round_trips = std::min(round_trips, proxy.round_trips() - before);
  }
  CHECK(round_trips == 3);
  const std::string large(50'000, 'l');
  for (const std::string& value : {std::string("one"), large, std::string("one\0two", 7)}) {
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK((server.Get("k") == value));
    const NodeReply hit = client.Read("k");
    CHECK((hit.value == value));
    CHECK(hit.token == stored.token);
    token = hit.token;
  }
  CHECK(client.counters.node_waits.Get() == 2);
  // A token on a fresh connection is one more, as everywhere.
  proxy.CloseConnections();
  TestNode other(TcpAddress(proxy.port()), kSaslUser);
  CHECK(other.Write("k", "other's", token).status == NodeStatus::kStored);
  CHECK(other.counters.node_waits.Get() == 3);
  // This one notices that its connection is gone when it asks, and asks again.
  CHECK(client.Read("k").value == "other's");
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("with SASL a write never replaces what it does not know") {
  MemcachedProcess server(Asking(kSaslUser));
  TestNode client(TcpAddress(server.port()), kSaslUser);
  const NodeReply first = client.Write("k", "first");
  REQUIRE(first.status == NodeStatus::kStored);
  NodeReply reply = client.Write("k", "second");
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "first");
  CHECK(reply.token == first.token);
  REQUIRE(server.Set("k", "other's"));
  reply = client.Write("k", "third", first.token);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "other's");
  CHECK(client.Write("k", "third", reply.token).status == NodeStatus::kStored);
  CHECK(client.Write("k", "third").status == NodeStatus::kStored);  // the very same bytes: an acknowledgement
  const NodeToken token = client.Read("k").token;
  REQUIRE(server.Delete("k"));
  reply = client.Write("k", "fourth", token);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK_FALSE(reply.token.known());
  CHECK(server.Get("k").empty());
  CHECK(client.Write("k", "fourth").status == NodeStatus::kStored);
  const NodeToken of_before = client.Read("k").token;
  server.Restart();
  REQUIRE(server.Set("x", "y"));
  REQUIRE(client.Write("k", "of after").status == NodeStatus::kStored);
  reply = client.Write("k", "of before", of_before);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "of after");
}

TEST_CASE("a wrong user name or password is an error that says so and gives nothing away") {
  MemcachedProcess server(Asking(kSaslUser));
  NodeCredentials credentials = kSaslUser;
  SECTION("wrong password") { credentials.password = "other-word"; }
  SECTION("no password") { credentials.password = ""; }
  SECTION("wrong user name") { credentials.username = "other"; }
  TestNode client(TcpAddress(server.port()), credentials);
  const std::string told = "node m1 (127.0.0.1:" + std::to_string(server.port()) +
                           "): refused the user name or password (clustered_session.username)";
  for (const size_t size : {0u, 1u, 60'000u, 500'000u}) {  // 0: a read
    const NodeReply reply = size > 0 ? client.Write("k", std::string(size, 'v')) : client.Read("k");
    INFO(reply.error);
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.rfind(told, 0) == 0);
    CHECK(reply.error.find("s3cret") == std::string::npos);
    CHECK(reply.error.find("other-word") == std::string::npos);
  }
  CHECK(server.Get("k").empty());
  CHECK(client.counters.node_errors.Get() == 4);
}

TEST_CASE("a node that asks for nothing, or otherwise") {
  SECTION("nothing: it is used all the same") {
    MemcachedProcess server;
    TestNode client(TcpAddress(server.port()), kSaslUser);
    const NodeReply stored = client.Write("k", std::string(200'000, 'v'));
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored);
    CHECK(server.Get("k") == "w");
    CHECK(server.Stat("curr_items") == 2);  // and the sentinel
  }
  SECTION("for the text protocol's: it keeps silent") {
    MemcachedProcess::Options options = Asking(kSaslUser);
    options.sasl = false;
    MemcachedProcess server(options);
    TestNode client(TcpAddress(server.port()), kSaslUser, {seconds(5), milliseconds(100)});
    CHECK(client.Read("k", milliseconds(100)).status == NodeStatus::kError);
  }
  SECTION("for SASL, where the text protocol's are sent: it closes") {
    MemcachedProcess server(Asking(kSaslUser));
    TestNode client(TcpAddress(server.port()), NodeCredentials{kSaslUser.username, kSaslUser.password});
    const NodeReply reply = client.Read("k");
    INFO(reply.error);
    const bool sent = reply.error.find("cannot send") == std::string::npos;  // it closes at the first command
    CHECK((!sent || reply.error.find("closed the connection") != std::string::npos));
  }
}

TEST_CASE("with SASL any bytes come back as they were, over TCP and IPv6") {
  MemcachedProcess::Options options = Asking(kSaslUser, {"-I", "4m"});
  SECTION("TCP") {}
  SECTION("IPv6") { options.v6 = true; }
  MemcachedProcess server(options);
  TestNode client(TcpAddress(server.port(), options.v6 ? "::1" : "127.0.0.1"), kSaslUser);
  NodeToken token;
  for (const size_t size : {0u, 1u, 1000u, 70'000u, 1'100'000u, 3'000'000u}) {
    std::string value(size, '\0');
    for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 7 + i / 256);
    const NodeReply stored = client.Write("k", value, token);
    INFO(size << ": " << stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    token = stored.token;
    const NodeReply hit = client.Read("k");
    CHECK((hit.status == NodeStatus::kHit && hit.value == value));
  }
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("with SASL a unix socket is refused with the reason, as libmemcached would not log in there") {
  TempDir folder;
  MemcachedProcess::Options options = Asking(kSaslUser);
  options.unix_path = folder.path() + "/memcached";
  MemcachedProcess server(options);
  TestNode client(UnixAddress(options.unix_path), kSaslUser);
  const NodeReply reply = client.Read("k");
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.failure == NodeFailure::kLocal);
  CHECK(reply.error.find("): cannot log in: libmemcached has SASL over TCP only, not over a unix socket") !=
        std::string::npos);
}

TEST_CASE("with SASL a value that is too large, or for which there is no memory, leaves the old one") {
  SECTION("the node tells its limit") {
    MemcachedProcess server(Asking(kSaslUser));
    TestNode client(TcpAddress(server.port()), kSaslUser);
    const NodeReply old = client.Write("k", "old");
    const NodeReply reply = client.Write("k", std::string(1 << 20, 'v'), old.token);
    CHECK(reply.status == NodeStatus::kTooLarge);
    CHECK(reply.size_max == 1 << 20);
    CHECK(server.Get("k") == "old");
  }
  SECTION("it is not known: a node set without shared memory") {
    MemcachedProcess server(Asking(kSaslUser));
    Counters counters;
    const std::unique_ptr<Node> node =
        MakeClassicNode({TcpAddress(server.port()), {seconds(5), seconds(5)}, kSaslUser}, nullptr, &counters);
    node->StartWrite("k", "old", seconds(1000), {}, Now() + seconds(10));
    const NodeReply old = node->FinishWrite();
    REQUIRE(old.status == NodeStatus::kStored);
    node->StartWrite("k", std::string(2 << 20, 'v'), seconds(1000), old.token, Now() + seconds(10));
    const NodeReply reply = node->FinishWrite();
    CHECK(reply.status == NodeStatus::kRefused);
    CHECK(reply.token == old.token);
    CHECK(server.Get("k") == "old");
    node->StartWrite("k", "new", seconds(1000), reply.token, Now() + seconds(10));
    CHECK(node->FinishWrite().status == NodeStatus::kStored);
  }
  SECTION("out of memory") {
    MemcachedProcess server(Asking(kSaslUser, {"-M", "-m", "2"}));
    TestNode client(TcpAddress(server.port()), kSaslUser);
    const NodeReply old = client.Write("old", "value");
    const std::string value(30'000, 'v');
    NodeReply reply = old;
    for (int i = 0; i < 500 && reply.status == NodeStatus::kStored; ++i) {
      reply = client.Write("k" + std::to_string(i), value);
    }
    CHECK(reply.status == NodeStatus::kRefused);
    CHECK(client.Write("old", value, old.token).status == NodeStatus::kRefused);
    CHECK(server.Get("old") == "value");
    CHECK(client.counters.node_errors.Get() == 0);
  }
}

TEST_CASE("with SASL a lock is claimed in the flight of a read, and released by its holder alone") {
  MemcachedProcess server(Asking(kSaslUser));
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  TestNode one(TcpAddress(proxy.port()), kSaslUser);
  TestNode other(TcpAddress(proxy.port()), kSaslUser);
  for (int round = 0; round < 3; ++round) {  // the first on fresh connections
    const NodeReply mine = one.Claim("one");
    INFO(mine.error);
    REQUIRE(mine.status == NodeStatus::kHit);
    CHECK(mine.value == "v");
    CHECK(mine.lock_owner == "one");
    REQUIRE(mine.lock_token.known());
    const NodeReply theirs = other.Claim("other");
    CHECK(theirs.value == "v");
    CHECK(theirs.lock_owner == "one");
    // With a token that is not the lock's, nothing is released. What the node says to this is in nobody's way, neither
    // a read's nor that of the question for its limit.
    other.node->Release("k:lock", {mine.lock_token.cas + 1000, mine.lock_token.incarnation}, Now() + seconds(5));
    other.node->Release("k:gone", mine.lock_token, Now() + seconds(5));
    const std::string key = "new" + std::to_string(round);
    CHECK(other.Write(key, std::string(round == 0 ? 300'000 : 3, 'n')).status == NodeStatus::kStored);
    CHECK(server.Get("k:lock") == "one");
    one.node->Release("k:lock", mine.lock_token, Now() + seconds(5));
    CHECK(one.Read("k").status == NodeStatus::kHit);  // behind the release on the same connection
    CHECK(server.Get("k:lock").empty());
  }
  CHECK(other.counters.node_connects.Get() == 1);
  // A connection that is lost after a release was answered is no more than another one.
  const NodeReply mine = one.Claim("one");
  one.node->Release("k:lock", mine.lock_token, Now() + seconds(5));
  REQUIRE(WaitUntil([&] { return server.Get("k:lock").empty(); }));
  proxy.CloseConnections();
  CHECK(one.Read("k").status == NodeStatus::kHit);
  CHECK(one.counters.node_errors.Get() == 0);
  CHECK(one.counters.node_connects.Get() == 2);
}

struct WebServerProcess {
  WebServerProcess() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(4u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(static_cast<SharedState*>(store->Extra())->Init());
    worker = std::make_unique<Worker>(store.get(), &clock);
    settings.username = kSaslUser.username;
    settings.password = kSaslUser.password;
    settings.authentication = Authentication::kSasl;
    settings.connect_timeout = settings.operation_timeout = seconds(5);  // a busy machine fails no test
  }
  Result<std::shared_ptr<const SessionContext>> Context(const std::string& save_path) {
    return worker->ContextFor(save_path, settings, ++generation);
  }

  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Worker> worker;
  SessionSettings settings;
  uint64_t generation = 0;
};

TEST_CASE("a session on two nodes that ask for SASL survives one of them, and goes on elsewhere") {
  MemcachedProcess first(Asking(kSaslUser));
  MemcachedProcess second(Asking(kSaslUser));
  const std::string save_path =
      "127.0.0.1:" + std::to_string(first.port()) + ",127.0.0.1:" + std::to_string(second.port());
  WebServerProcess here;
  WebServerProcess there;
  std::string id;
  {
    const auto context = here.Context(save_path);
    REQUIRE(context.ok());
    Session session(**context);
    id = session.CreateId("0abcdefghijklmnopqrstuvwxyz", 0);
    REQUIRE(session.Read(id, 1000).ok());
    REQUIRE(session.Write(id, "a|i:1;", 1000).ok());
    session.Close();
  }
  CHECK(first.Stat("curr_items") == 2);
  CHECK(second.Stat("curr_items") == 2);
  first.Kill();
  const auto context = there.Context(save_path);
  REQUIRE(context.ok());
  Session session(**context);
  Result<std::string_view> payload = session.Read(id, 1000);
  REQUIRE(payload.ok());
  CHECK(*payload == "a|i:1;");
}

TEST_CASE("who authenticates how is part of what a pool is, and SASL takes a user name") {
  MemcachedProcess server(Asking(kSaslUser));
  const std::string save_path = "127.0.0.1:" + std::to_string(server.port());
  WebServerProcess process;
  const auto sasl = process.Context(save_path);
  REQUIRE(sasl.ok());
  const std::shared_ptr<const SessionContext> with_sasl = *sasl;
  const uint8_t number = with_sasl->pool;
  SessionSettings loaded = process.settings;
  loaded.authentication = Authentication::kText;
  std::string loaded_path;
  REQUIRE(static_cast<SharedState*>(process.store->Extra())->pools.Load(number, &loaded_path, &loaded));
  CHECK(loaded.authentication == Authentication::kSasl);

  process.settings.authentication = Authentication::kText;
  const auto text = process.Context(save_path);
  REQUIRE(text.ok());
  CHECK(*text != with_sasl);
  CHECK((*text)->pool != number);

  process.settings.authentication = Authentication::kSasl;
  process.settings.username = "";
  const auto none = process.Context(save_path);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message() ==
        "clustered_session.authentication = sasl needs clustered_session.username, which is not set [CS-SAVE-PATH]");
  CHECK(process.Context("").ok());  // no nodes: nobody to be told
}

}  // namespace
}  // namespace clustered_session
