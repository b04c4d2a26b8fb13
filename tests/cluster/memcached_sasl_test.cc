// Nodes that ask for SASL, with a real `memcached -S`. Mirrors src/cluster/memcached_node.h.
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/cluster/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

const NodeCredentials kUser{"web", "s3cret:word", Authentication::kSasl};

MemcachedProcess::Options Asking(std::vector<std::string> arguments = {}) {
  MemcachedProcess::Options options;
  options.arguments = std::move(arguments);
  options.username = kUser.username;
  options.password = kUser.password;
  options.sasl = true;
  return options;
}

TEST_CASE("with SASL an operation is one round trip, also the first on a connection") {
  MemcachedProcess server(Asking());
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kUser);
  NodeToken token;
  SECTION("a read") { CHECK(client.Read("k").status == NodeStatus::kMiss); }
  SECTION("a write") {
    const NodeReply stored = client.Write("k", "first");
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    token = stored.token;
  }
  CHECK(proxy.round_trips() == 1);
  CHECK(client.counters.node_waits.Get() == 0);  // none beside the operation's own
  const std::string large(50'000, 'l');
  for (const std::string& value : {std::string("one"), large, std::string("one\0two", 7)}) {
    const size_t trips = proxy.round_trips();
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK(proxy.round_trips() == trips + 1);
    CHECK((server.Get("k") == value));
    const NodeReply hit = client.Read("k");
    CHECK((hit.value == value));
    CHECK(hit.token == stored.token);
    token = hit.token;
  }
  // A token on a fresh connection is one more, as everywhere.
  proxy.CloseConnections();
  TestNode other(TcpAddress(proxy.port()), kUser);
  const size_t trips = proxy.round_trips();
  CHECK(other.Write("k", "other's", token).status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == trips + 2);
  CHECK(other.counters.node_waits.Get() == 1);
  // This one notices that its connection is gone when it asks, and asks again.
  CHECK(client.Read("k").value == "other's");
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("with SASL a write never replaces what it does not know") {
  MemcachedProcess server(Asking());
  TestNode client(TcpAddress(server.port()), kUser);
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
  MemcachedProcess server(Asking());
  NodeCredentials credentials = kUser;
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
    TestNode client(TcpAddress(server.port()), kUser);
    const NodeReply stored = client.Write("k", std::string(200'000, 'v'));
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored);
    CHECK(server.Get("k") == "w");
    CHECK(server.Stat("curr_items") == 2);  // and the sentinel
  }
  SECTION("for the text protocol's: it keeps silent") {
    MemcachedProcess::Options options = Asking();
    options.sasl = false;
    MemcachedProcess server(options);
    TestNode client(TcpAddress(server.port()), kUser, {seconds(5), milliseconds(100)});
    CHECK(client.Read("k", milliseconds(100)).status == NodeStatus::kError);
  }
  SECTION("for SASL, where the text protocol's are sent: it closes") {
    MemcachedProcess server(Asking());
    TestNode client(TcpAddress(server.port()), NodeCredentials{kUser.username, kUser.password});
    const NodeReply reply = client.Read("k");
    INFO(reply.error);
    CHECK(reply.error.find("closed the connection") != std::string::npos);
  }
}

TEST_CASE("with SASL any bytes come back as they were, over TCP, IPv6 and a unix socket") {
  TempDir folder;
  MemcachedProcess::Options options = Asking({"-I", "4m"});
  NodeAddress address;
  SECTION("TCP") {}
  SECTION("IPv6") { options.v6 = true; }
  SECTION("a unix socket") { options.unix_path = folder.path() + "/memcached"; }
  MemcachedProcess server(options);
  address = options.unix_path.empty() ? TcpAddress(server.port(), options.v6 ? "::1" : "127.0.0.1")
                                      : UnixAddress(options.unix_path);
  TestNode client(address, kUser);
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

TEST_CASE("with SASL a value that is too large, or for which there is no memory, leaves the old one") {
  SECTION("the node tells its limit") {
    MemcachedProcess server(Asking());
    TestNode client(TcpAddress(server.port()), kUser);
    const NodeReply old = client.Write("k", "old");
    const NodeReply reply = client.Write("k", std::string(1 << 20, 'v'), old.token);
    CHECK(reply.status == NodeStatus::kTooLarge);
    CHECK(reply.size_max == 1 << 20);
    CHECK(server.Get("k") == "old");
  }
  SECTION("it is not known: a node set without shared memory") {
    MemcachedProcess server(Asking());
    Counters counters;
    const std::unique_ptr<Node> node =
        MakeMemcachedNode(TcpAddress(server.port()), {seconds(5), seconds(5)}, nullptr, &counters, kUser);
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
    MemcachedProcess server(Asking({"-M", "-m", "2"}));
    TestNode client(TcpAddress(server.port()), kUser);
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
  MemcachedProcess server(Asking());
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  TestNode one(TcpAddress(proxy.port()), kUser);
  TestNode other(TcpAddress(proxy.port()), kUser);
  const auto claim = [](TestNode* client, std::string_view owner) {
    const LockClaim lock{"k:lock", owner, seconds(100)};
    client->node->StartRead("k", Now() + seconds(10), &lock);
    return client->node->FinishRead();
  };
  for (int round = 0; round < 3; ++round) {  // the first on fresh connections
    const NodeReply mine = claim(&one, "one");
    INFO(mine.error);
    REQUIRE(mine.status == NodeStatus::kHit);
    CHECK(mine.value == "v");
    CHECK(mine.lock_owner == "one");
    REQUIRE(mine.lock_token.known());
    const NodeReply theirs = claim(&other, "other");
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
    const size_t trips = proxy.round_trips();
    CHECK(one.Read("k").status == NodeStatus::kHit);
    CHECK(proxy.round_trips() == trips + 1);
  }
  // A connection that is lost after a release was answered is no more than another one.
  const NodeReply mine = claim(&one, "one");
  one.node->Release("k:lock", mine.lock_token, Now() + seconds(5));
  REQUIRE(WaitUntil([&] { return server.Get("k:lock").empty(); }));
  proxy.CloseConnections();
  CHECK(one.Read("k").status == NodeStatus::kHit);
  CHECK(one.counters.node_errors.Get() == 0);
  CHECK(one.counters.node_connects.Get() == 2);
}

TEST_CASE("with SASL, whatever a node does, an operation ends at its deadline, and late answers are nobody's") {
  MemcachedProcess server(Asking());
  const std::string large(200'000, 'l');
  REQUIRE(server.Set("k", "value of k"));
  REQUIRE(server.Set("large", large));
  REQUIRE(server.Set("other", "value of other"));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kUser);
  ProxyFaults faults;
  bool within_value = false;  // of a large item: other answers are whole
  const bool fresh = GENERATE(true, false);
  SECTION("it keeps silent") { faults.black_hole = true; }
  SECTION("it is late") { faults.delay = milliseconds(150); }
  SECTION("it drips") { faults.drip = milliseconds(20); }
  SECTION("it drips after half of an answer") {
    faults.drip = milliseconds(20);
    faults.drip_from = 20'000;
    within_value = true;
  }
  SECTION("it stops within a header") { faults.stall_after = 30; }
  SECTION("it stops within a value") {
    faults.stall_after = 100'000;
    within_value = true;
  }
  SECTION("it closes within a header") { faults.cut_after = 10; }
  SECTION("it closes at a request") { faults.close_on_request = true; }
  SECTION("it refuses connections") { faults.refuse = true; }
  SECTION("it does not read") { faults.deaf = true; }
  for (int round = 0; round < 2; ++round) {
    if (!fresh) REQUIRE(client.Read("other").value == "value of other");
    proxy.Set(faults);
    if (fresh || faults.refuse) proxy.CloseConnections();
    const TimePoint start = Now();
    const NodeReply reply = client.Read("large", milliseconds(100));
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.find("s3cret") == std::string::npos);
    const NodeReply stored = client.Write("k2", std::string(500'000, 'v'), {}, milliseconds(100));
    if (!within_value) CHECK(stored.status == NodeStatus::kError);
    CHECK(Now() - start < seconds(5));  // each operation itself has 10
    proxy.Heal();
    CHECK(WaitUntil([&] { return client.Read("k").value == "value of k"; }));
    CHECK(client.Read("other").value == "value of other");
  }
}

TEST_CASE("with SASL an answer in pieces is waited for") {
  MemcachedProcess server(Asking());
  FaultProxy proxy(server.port());
  ProxyFaults drip;
  drip.drip = milliseconds(1);
  proxy.Set(drip);
  TestNode client(TcpAddress(proxy.port()), kUser);
  const NodeReply stored = client.Write("k", "v");
  INFO(stored.error);
  CHECK(stored.status == NodeStatus::kStored);
  CHECK(client.Read("k").value == "v");
}

TEST_CASE("with SASL noise for an answer is survived, and is never an answer") {
  MemcachedProcess server(Asking());
  REQUIRE(server.Set("other", "value of other"));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kUser, {seconds(5), milliseconds(20)});
  // What the node would say to a read on a fresh connection: login, sentinel's add, the item, the sentinel.
  using namespace std::string_literals;
  std::string answer = "\x81\x21\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\0ok"s;
  answer += "\x81\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01"s;
  answer += "\x81\0\0\0\x04\0\0\0\0\0\0\x09\0\0\0\x03\0\0\0\0\0\0\0\x05\0\0\0\0value"s;
  answer += "\x81\0\0\0\x04\0\0\0\0\0\0\x05\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0s"s;
  ProxyFaults faults;
  size_t hits = 0;
  for (size_t at = 0; at <= answer.size(); ++at) {
    faults.answer_instead = answer;
    if (at < answer.size()) (*faults.answer_instead)[at] = static_cast<char>(answer[at] ^ (at % 2 == 0 ? 0x80 : 0x01));
    proxy.Set(faults);
    proxy.CloseConnections();
    const NodeReply reply = client.Read("k", milliseconds(20));
    INFO(at << ": " << reply.error);
    // A changed byte may be one of the value, or one that does not matter; then the value is what it says.
    if (reply.status == NodeStatus::kHit) {
      ++hits;
      CHECK(faults.answer_instead->find(reply.value) != std::string::npos);
    }
    if (at == answer.size()) CHECK(reply.value == "value");
  }
  CHECK(hits < answer.size() / 2);
  proxy.Heal();
  CHECK(WaitUntil([&] { return client.Read("other").value == "value of other"; }));
}

TEST_CASE("with SASL a forked child opens a connection of its own and leaves the parent's alone") {
  MemcachedProcess server(Asking());
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  auto client = std::make_unique<TestNode>(TcpAddress(proxy.port()), kUser);
  REQUIRE(client->Read("k").status == NodeStatus::kHit);
  client->node->StartRead("k", Now() + seconds(10));
  ChildProcess child([&] {
    if (client->node->FinishRead().status != NodeStatus::kError) return 1;
    if (client->Read("k").status != NodeStatus::kHit) return 2;
    client.reset();
    return 0;
  });
  CHECK(child.Wait().code == 0);
  CHECK(client->node->FinishRead().value == "v");
  CHECK(client->Read("k").value == "v");
  CHECK(proxy.connections() == 2);
}

TEST_CASE("with SASL no descriptor is left open") {
  const auto descriptors = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  };
  MemcachedProcess server(Asking());
  const auto run = [&] {
    FaultProxy proxy(server.port());
    TestNode client(TcpAddress(proxy.port()), kUser);
    TestNode nobody(TcpAddress(proxy.port()), NodeCredentials{"web", "no", Authentication::kSasl});
    for (int round = 0; round < 3; ++round) {
      (void)client.Read("k");
      (void)nobody.Read("k");
      ProxyFaults faults;
      faults.refuse = true;
      proxy.Set(faults);
      proxy.CloseConnections();
      (void)client.Read("k");
      faults = {};
      faults.black_hole = true;
      proxy.Set(faults);
      (void)client.Read("k", milliseconds(20));
      proxy.Heal();
    }
  };
  run();
  const size_t before = descriptors();
  run();
  CHECK(descriptors() == before);
}

TEST_CASE("threads with SASL and without do not meet, on one unix socket and on one port", "[threads]") {
  TempDir folder;
  MemcachedProcess server;
  FaultProxy proxy(server.port(), folder.path() + "/proxy");
  const NodeAddress tcp = TcpAddress(server.port());
  const NodeAddress local = UnixAddress(folder.path() + "/proxy");
  std::array<bool, 6> good{};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string key = "k" + std::to_string(i);
      bool all = true;
      for (int round = 0; round < 20; ++round) {
        TestNode client(i % 2 == 0 ? tcp : local, i % 3 == 0 ? NodeCredentials{} : kUser);
        const std::string value = key + " " + std::to_string(round);
        const NodeToken token = client.Read(key).token;
        all = all && client.Write(key, value, token).status == NodeStatus::kStored && client.Read(key).value == value;
      }
      good[i] = all;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const bool each : good) CHECK(each);
}

struct WebServerProcess {
  WebServerProcess() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(4u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(static_cast<SharedState*>(store->Extra())->Init());
    worker = std::make_unique<Worker>(store.get(), &clock);
    settings.username = kUser.username;
    settings.password = kUser.password;
    settings.authentication = Authentication::kSasl;
  }
  Result<const SessionContext*> Context(const std::string& save_path) {
    return worker->ContextFor(save_path, settings, ++generation);
  }

  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Worker> worker;
  SessionSettings settings;
  uint64_t generation = 0;
};

TEST_CASE("a session on two nodes that ask for SASL survives one of them, and goes on elsewhere") {
  MemcachedProcess first(Asking());
  MemcachedProcess second(Asking());
  const std::string save_path =
      "127.0.0.1:" + std::to_string(first.port()) + ",127.0.0.1:" + std::to_string(second.port());
  WebServerProcess here;
  WebServerProcess there;
  std::string id;
  {
    Result<const SessionContext*> context = here.Context(save_path);
    REQUIRE(context.ok());
    RequestScope scope;
    Session session(**context, &scope);
    id = session.CreateId("0abcdefghijklmnopqrstuvwxyz", 0);
    REQUIRE(session.Read(id, 1000).ok());
    REQUIRE(session.Write(id, "a|i:1;", 1000).ok());
    session.Close();
  }
  CHECK(first.Stat("curr_items") == 2);
  CHECK(second.Stat("curr_items") == 2);
  first.Kill();
  Result<const SessionContext*> context = there.Context(save_path);
  REQUIRE(context.ok());
  RequestScope scope;
  Session session(**context, &scope);
  Result<std::string_view> payload = session.Read(id, 1000);
  REQUIRE(payload.ok());
  CHECK(*payload == "a|i:1;");
}

TEST_CASE("who authenticates how is part of what a pool is, and SASL takes a user name") {
  MemcachedProcess server(Asking());
  const std::string save_path = "127.0.0.1:" + std::to_string(server.port());
  WebServerProcess process;
  Result<const SessionContext*> sasl = process.Context(save_path);
  REQUIRE(sasl.ok());
  const SessionContext* const with_sasl = *sasl;
  const uint8_t number = with_sasl->pool;
  SessionSettings loaded = process.settings;
  loaded.authentication = Authentication::kText;
  std::string loaded_path;
  REQUIRE(static_cast<SharedState*>(process.store->Extra())->pools.Load(number, &loaded_path, &loaded));
  CHECK(loaded.authentication == Authentication::kSasl);

  process.settings.authentication = Authentication::kText;
  Result<const SessionContext*> text = process.Context(save_path);
  REQUIRE(text.ok());
  CHECK(*text != with_sasl);
  CHECK((*text)->pool != number);

  process.settings.authentication = Authentication::kSasl;
  process.settings.username = "";
  Result<const SessionContext*> none = process.Context(save_path);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message() ==
        "clustered_session.authentication is sasl, which takes clustered_session.username, and that is not set");
  CHECK(process.Context("").ok());  // no nodes: nobody to be told
}

}  // namespace
}  // namespace clustered_session
