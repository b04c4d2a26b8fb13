// Which engine serves a node, and how that is found out. Mirrors src/memcached/memcached_node.h.
#include <catch2/catch.hpp>
#include <string>

#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/nutcracker_process.h"

namespace clustered_session {
namespace {

TEST_CASE("a node that knows no meta commands is served by libmemcached, from the operation that finds it out") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  const bool says_so = GENERATE(true, false);
  INFO("it says so " << says_so);
  if (says_so) {
    proxy.HideMeta();
  } else {
    ProxyFaults faults;
    faults.close_on_text = "mg ";
    proxy.Set(faults);
  }
  TestNode client(TcpAddress(proxy.port()), {seconds(20), seconds(20)}, &health);
  NodeReply stored;
  SECTION("by a read") {
    REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    stored = client.Write("k", "v");
  }
  SECTION("by a write") { stored = client.Write("k", "v"); }
  SECTION("by a claim") {
    CHECK(client.Claim("me").lock_owner == "me");
    stored = client.Write("k", "v");
  }
  INFO(stored.error);
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored);
  CHECK(client.Read("k").value == "w");
  CHECK(proxy.connections() == 2);
  CHECK(client.counters.node_errors.Get() == 0);
  // What one worker has found, the others need not.
  const size_t questions = Count(proxy.requests(), "mg ");
  TestNode other(TcpAddress(proxy.port()), {seconds(20), seconds(20)}, &health);
  CHECK(other.Read("k").value == "w");
  CHECK(proxy.connections() == 3);
  CHECK(Count(proxy.requests(), "mg ") == questions);
}

TEST_CASE("a node that restarts as one that knows meta commands is found out, and so is the way back") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  proxy.HideMeta();
  NodeHealth health{};
  TestNode client(TcpAddress(proxy.port()), {seconds(20), seconds(20)}, &health);
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  const uint32_t before = health.incarnation.load();
  CHECK(health.classic.load() == before);

  server.Restart();
  proxy.HideMeta(false);
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  CHECK(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(health.incarnation.load() != before);
  const size_t questions = Count(proxy.requests(), "mg k ");
  CHECK(client.Read("k").value == "v");
  CHECK(Count(proxy.requests(), "mg k ") == questions + 1);

  server.Restart();
  proxy.HideMeta();
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  CHECK(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(health.classic.load() == health.incarnation.load());
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("a node that closes every connection is an error of each operation, and not asked without end") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults faults;
  faults.close_on_request = true;
  proxy.Set(faults);
  TestNode client(TcpAddress(proxy.port()));
  for (size_t i = 1; i <= 3; ++i) {
    const NodeReply reply = client.Read("k");
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.failure == NodeFailure::kClosed);
    CHECK(proxy.connections() == 2 * i);  // by either engine once
  }
  proxy.Heal();
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  CHECK(client.counters.node_errors.Get() == 3);
}

}  // namespace
}  // namespace clustered_session
