// Connections that something on the way has forgotten, and nodes that only look as if. Mirrors
// src/memcached/meta_node.h.
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "src/memcached/meta_node.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

// Every connection counts as one that was idle for long. The second one is opened after a quarter of the second number.
constexpr NodeTimeouts kIdleAtOnce = {seconds(30), seconds(2), Duration::zero()};

// A worker of one server, whose workers share `health`.
struct Worker {
  Worker(uint16_t port, NodeHealth* health, NodeTimeouts timeouts = kIdleAtOnce)
      : client(TcpAddress(port), timeouts, health) {}

  NodeReply Read(std::string_view key) { return client.Read(key, seconds(60)); }
  NodeReply Write(std::string_view key, std::string_view value, const NodeToken& token) {
    return client.Write(key, value, token, seconds(60));
  }

  TestNode client;
};

TEST_CASE("a connection that is forgotten on the way fails no operation, and is found once for all workers") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  Worker one(proxy.port(), &health);
  Worker other(proxy.port(), &health);
  Worker third(proxy.port(), &health);
  const NodeReply stored = one.Write("k", "v", {});
  REQUIRE(stored.status == NodeStatus::kStored);
  REQUIRE(other.Read("k").status == NodeStatus::kHit);
  REQUIRE(third.Read("k").status == NodeStatus::kHit);
  CHECK(proxy.connections() == 3);

  proxy.ForgetConnections();
  SECTION("found by a read") { CHECK(one.Read("k").value == "v"); }
  SECTION("found by a write, whose token holds on the new connection as well") {
    CHECK(one.Write("k", "v", stored.token).status == NodeStatus::kStored);
  }
  SECTION("found by a claim") { CHECK(one.client.Claim("me").lock_owner == "me"); }
  CHECK(proxy.connections() == 4);
  CHECK(proxy.requests_lost() == 1);
  // The other workers do not even try theirs.
  CHECK(other.Read("k").value == "v");
  CHECK(third.Write("k2", "w", {}).status == NodeStatus::kStored);
  CHECK(proxy.connections() == 6);
  CHECK(proxy.requests_lost() == 1);
  for (Worker* each : {&one, &other, &third}) {
    CHECK(each->client.counters.node_errors.Get() == 0);
    CHECK(each->Read("k").value == "v");  // each on its new one
  }
  CHECK(proxy.connections() == 6);
}

TEST_CASE("a connection that the node has closed is followed by a new one, in the same protocol") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  Worker worker(proxy.port(), nullptr, {seconds(30), seconds(30)});
  for (size_t connections = 1; connections <= 3; ++connections) {
    CHECK(worker.Write("k", "v", {}).status != NodeStatus::kError);
    CHECK(worker.Read("k").value == "v");
    CHECK(proxy.connections() == connections);
    proxy.CloseConnections();
  }
  CHECK(proxy.requests().find("gets ") == std::string::npos);  // a closed connection shows no classic node
  CHECK(worker.client.counters.node_errors.Get() == 0);
}

TEST_CASE("a large write on a forgotten connection is stored by the second one") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  Worker worker(proxy.port(), &health);
  const std::string value(300'000, 'v');
  const NodeReply stored = worker.Write("k", value, {});
  REQUIRE(stored.status == NodeStatus::kStored);
  proxy.ForgetConnections();
  const std::string other(300'000, 'w');
  const NodeReply again = worker.Write("k", other, stored.token);
  INFO(again.error);
  CHECK(again.status == NodeStatus::kStored);
  CHECK((server.Get("k") == other));
}

TEST_CASE("a node that is late on an idle connection is asked on a second one, and its first answer counts") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  NodeHealth health{};
  Worker worker(proxy.port(), &health, {seconds(30), seconds(8), Duration::zero()});
  REQUIRE(worker.Read("k").status == NodeStatus::kHit);
  ProxyFaults hold;
  hold.hold = true;
  proxy.Set(hold);
  NodeReply reply;
  std::thread reader([&] { reply = worker.Read("k"); });
  const bool asked_twice = WaitUntil([&] { return proxy.connections() == 2 && proxy.round_trips() >= 3; });
  proxy.Heal();  // both answer, the first one first
  reader.join();
  CHECK(asked_twice);
  CHECK(reply.value == "v");
  CHECK(worker.client.counters.node_errors.Get() == 0);
  CHECK(worker.Read("k").value == "v");
  CHECK(proxy.connections() == 2);
}

TEST_CASE("a node that hangs fails with its own time, on an idle connection too") {
  MemcachedProcess server;
  NodeHealth health{};
  Worker worker(server.port(), &health, {seconds(1), seconds(1), Duration::zero()});
  REQUIRE(worker.Read("k").status == NodeStatus::kMiss);
  server.Stop();
  const NodeReply reply = worker.Read("k");
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.failure == NodeFailure::kTimeout);
  CHECK(health.forgotten_at_ns.load() == 0);
  server.Continue();
  CHECK(WaitUntil([&] { return worker.Read("k").status == NodeStatus::kMiss; }));
}

TEST_CASE("a node that takes no new connections answers on the idle one") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  NodeHealth health{};
  Worker worker(proxy.port(), &health, {seconds(2), seconds(4), Duration::zero()});
  REQUIRE(worker.Read("k").status == NodeStatus::kHit);
  ProxyFaults faults;
  faults.refuse = true;
  faults.delay = milliseconds(1500);  // the second connection is opened and closed by then
  proxy.Set(faults);
  CHECK(worker.Read("k").value == "v");
  CHECK(worker.client.counters.node_errors.Get() == 0);
  CHECK(health.forgotten_at_ns.load() == 0);
}

TEST_CASE("a connection that is in use is not asked beside") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  Worker worker(proxy.port(), &health, {milliseconds(500), milliseconds(500), std::chrono::hours(1)});
  REQUIRE(WaitUntil([&] { return worker.Read("k").status == NodeStatus::kMiss; }));
  const size_t before = proxy.connections();
  proxy.ForgetConnections();
  CHECK(worker.Read("k").failure == NodeFailure::kTimeout);
  CHECK(proxy.connections() == before);
  CHECK(proxy.requests_lost() == 1);
}

}  // namespace
}  // namespace clustered_session
