// Nodes that ask for a user name and a password, and nodes that do not. Mirrors src/memcached/memcached_node.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "src/cluster/node_set.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

TEST_CASE("who has the user name and the password works with a node that asks for them, at no extra wait") {
  MemcachedProcess server(Asking(kTextUser));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kTextUser);
  NodeToken token;
  SECTION("the first operation is a read") {
    CHECK(client.Read("k").status == NodeStatus::kMiss);
    CHECK(client.counters.node_waits.Get() == 0);  // none beside the operation's own
  }
  SECTION("the first operation is a write") {}
  SECTION("the first operation is a large write") {
    const NodeReply stored = client.Write("k", std::string(300'000, 'v'));
    REQUIRE(stored.status == NodeStatus::kStored);
    token = stored.token;
  }
  // Not by the proxy's count: the node answers the credentials at once, perhaps before the rest of the flight is sent.
  const uint64_t before = client.counters.node_waits.Get();
  for (const std::string& value : {std::string("one"), std::string(200'000, 'w'), std::string("STORED\r\n")}) {
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK((server.Get("k") == value));
    const NodeReply hit = client.Read("k");
    CHECK(hit.status == NodeStatus::kHit);
    CHECK((hit.value == value));
    token = hit.token;
  }
  // 200,000 bytes: the node's limit is asked, once.
  CHECK(client.counters.node_waits.Get() - before <= 1);
  CHECK(client.counters.node_connects.Get() == 1);
  server.Restart();
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("an acknowledgement that comes in pieces is waited for, of SASL as well") {
  const NodeCredentials user = GENERATE(kTextUser, kSaslUser);
  INFO("SASL " << (user.method == Authentication::kSasl));
  MemcachedProcess server(Asking(user));
  FaultProxy proxy(server.port());
  ProxyFaults drip;
  drip.drip = milliseconds(1);
  proxy.Set(drip);
  TestNode client(TcpAddress(proxy.port()), user);
  const NodeReply stored = client.Write("k", "v");
  INFO(stored.error);
  CHECK(stored.status == NodeStatus::kStored);
  CHECK(client.Read("k").value == "v");
}

TEST_CASE("a wrong user name or password, or none, is an error that says so and gives nothing away") {
  MemcachedProcess server(Asking(kTextUser));
  NodeCredentials credentials;
  std::string told = "asks for a user name and a password (clustered_session.username is not set)";
  SECTION("none") {}
  SECTION("wrong password") { credentials = {"web", "other-word"}; }
  SECTION("no password") { credentials = {"web", ""}; }
  SECTION("wrong user name") { credentials = {"other", kTextUser.password}; }
  if (!credentials.username.empty()) told = "refused the user name or password (clustered_session.username)";
  TestNode client(TcpAddress(server.port()), credentials);
  for (const bool write : {false, true, false}) {
    const NodeReply reply = write ? client.Write("k", "v") : client.Read("k");
    CHECK(reply.status == NodeStatus::kError);
    INFO(reply.error);
    CHECK(reply.error.rfind("node m1 (127.0.0.1:" + std::to_string(server.port()) + "): " + told, 0) == 0);
    CHECK(reply.error.find("word)") == reply.error.find("password)"));  // ours is not in it
    CHECK(reply.error.find(credentials.password.empty() ? "s3cret" : credentials.password) == std::string::npos);
  }
  CHECK(server.Get("k").empty());
  CHECK(client.counters.node_errors.Get() == 3);
}

TEST_CASE("a node that refuses the password is left alone by this worker, fails for no other, and is told of once") {
  MemcachedProcess server(Asking(kTextUser));
  NodeHealth health{};
  Counters counters;
  const SystemClock clock;
  std::vector<NodeSet::Member> members(1);
  members[0].address = TcpAddress(server.port());
  members[0].health = &health;
  members[0].node = MakeMemcachedNode(members[0].address, {seconds(5), seconds(5)}, &health, &counters, {"web", "no"});
  NodeSet nodes(std::move(members), seconds(3600), &clock, &counters);
  std::vector<NodeEvent> events;
  nodes.TellTo([&events](const NodeEvent& event) { events.push_back(event); });
  for (int i = 0; i < 3; ++i) (void)nodes.ReadAll({0}, "k", Now() + seconds(5));
  CHECK(std::count_if(events.begin(), events.end(), [](const NodeEvent& event) {
          return event.text.find("refused the user name or password") != std::string::npos;
        }) == 1);
  CHECK(health.failures.load() == 0);
  CHECK(counters.node_waits.Get() == 1);
}

TEST_CASE("a node that asks for no password is used all the same, and keeps none") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kTextUser);
  const NodeReply stored = client.Write("k", "v");
  INFO(stored.error);
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(client.counters.node_waits.Get() == 0);
  CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored);
  CHECK(server.Get("cs:credentials").empty());
  const std::string sent = proxy.requests();
  REQUIRE(sent.find(kTextUser.password) != std::string::npos);
  CHECK(sent.find("set cs:credentials ") == 0);
}

}  // namespace
}  // namespace clustered_session
