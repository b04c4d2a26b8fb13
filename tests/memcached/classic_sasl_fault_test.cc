// Nodes that ask for SASL and are slow, broken or gone, and who forks, beside node_fault_outcomes_test.cc. Mirrors
// src/memcached/classic_node.h.
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

TEST_CASE("with SASL, whatever a node does, an operation ends at its deadline, and late answers are nobody's") {
  MemcachedProcess server(Asking(kSaslUser));
  const std::string large(200'000, 'l');
  REQUIRE(server.Set("k", "value of k"));
  REQUIRE(server.Set("large", large));
  REQUIRE(server.Set("other", "value of other"));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kSaslUser);
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

TEST_CASE("with SASL a forked child opens a connection of its own and leaves the parent's alone") {
  MemcachedProcess server(Asking(kSaslUser));
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  auto client = std::make_unique<TestNode>(TcpAddress(proxy.port()), kSaslUser);
  REQUIRE(client->Read("k").status == NodeStatus::kHit);
  ChildProcess child([&] {
    if (client->Read("k").status != NodeStatus::kHit) return 1;
    client.reset();
    return 0;
  });
  CHECK(child.Wait().code == 0);
  CHECK(client->Read("k").value == "v");
  CHECK(proxy.connections() == 2);
}

TEST_CASE("with SASL no descriptor is left open") {
  const auto descriptors = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  };
  MemcachedProcess server(Asking(kSaslUser));
  const auto run = [&] {
    FaultProxy proxy(server.port());
    TestNode client(TcpAddress(proxy.port()), kSaslUser);
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
        TestNode client(Engine::kClassic, i % 2 == 0 ? tcp : local, {seconds(5), seconds(5)},
                        i % 2 == 0 && i % 3 != 0 ? kSaslUser : NodeCredentials{});
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

}  // namespace
}  // namespace clustered_session
