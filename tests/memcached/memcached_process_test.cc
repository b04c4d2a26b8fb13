// The node client among forks, threads and name lookups. Mirrors src/memcached/memcached_node.h.
#include "tests/support/memcached_process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/memcached/proxied_node.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kShort = {milliseconds(300), milliseconds(300)};

// Runs `body` in a forked child and returns its result, or -1 if the child died. No Catch2 in the child.
struct MetaLocalNode : LocalProxiedNode {
  MetaLocalNode() : LocalProxiedNode(Engine::kMeta) {}
};

int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE_METHOD(MetaLocalNode, "a forked child opens a connection of its own and leaves the parent's alone") {
  SECTION("a child that uses the node and destroys it") {
    CHECK(InChild([&] {
            if (client->Read("k").status != NodeStatus::kHit) return 1;
            client.reset();
            return 0;
          }) == 0);
    CHECK(proxy.connections() == 2);
  }
  SECTION("a child that only destroys it") {
    CHECK(InChild([&] {
            client.reset();
            return 0;
          }) == 0);
    CHECK(proxy.connections() == 1);
  }
  SECTION("a child while the parent's operation is under way") {
    ProxyFaults slow;
    slow.delay = milliseconds(200);
    proxy.Set(slow);
    client->node->StartRead("k", Now() + seconds(5));
    CHECK(InChild([&] {
            if (client->node->FinishRead().status != NodeStatus::kError) return 1;
            if (client->Read("k").status != NodeStatus::kHit) return 2;
            client.reset();
            return 0;
          }) == 0);
    const NodeReply reply = client->node->FinishRead();
    INFO(reply.error);
    CHECK(reply.status == NodeStatus::kHit);
  }
  const size_t connections = proxy.connections();
  CHECK(client->Read("k").status == NodeStatus::kHit);
  CHECK(proxy.connections() == connections);  // still the first one
  CHECK(proxy.requests().find("quit") == std::string::npos);
}

TEST_CASE("a node leaves no descriptor open, whatever happened to its connection") {
  const auto descriptors = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
  };
  MemcachedProcess server;
  const auto run = [&server] {
    FaultProxy proxy(server.port());
    TestNode client(TcpAddress(proxy.port()), kShort);
    for (int round = 0; round < 3; ++round) {
      ProxyFaults faults;
      client.Read("k", seconds(5));
      faults.cut_after = 3;
      proxy.Set(faults);
      client.Read("k");
      faults = {};
      faults.refuse = true;
      proxy.Set(faults);
      client.Read("k");
      faults = {};
      faults.black_hole = true;
      proxy.Set(faults);
      client.Read("k", milliseconds(20));
      proxy.Heal();
    }
  };
  run();  // the resolver may keep something at its first use
  const size_t before = descriptors();
  for (int i = 0; i < 3; ++i) run();
  CHECK(descriptors() == before);
}

TEST_CASE("threads with nodes of their own do not meet, over TCP and unix sockets") {
  TempDir folder;
  MemcachedProcess::Options options;
  options.unix_path = folder.path() + "/memcached";
  MemcachedProcess over_unix(options);
  MemcachedProcess over_tcp;
  NodeHealth health{};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const NodeAddress address = thread % 2 == 0 ? UnixAddress(options.unix_path) : TcpAddress(over_tcp.port());
      const std::string key = "k" + std::to_string(thread);
      NodeToken token;
      for (int round = 0; round < 25; ++round) {
        TestNode client(address, {seconds(5), seconds(5)}, &health);
        for (int i = 0; i < 4; ++i) {
          const std::string value = key + "/" + std::to_string(round) + "/" + std::to_string(i);
          const NodeReply reply = client.Write(key, value, token);
          wrong += reply.status != NodeStatus::kStored || client.Read(key).value != value;
          token = reply.token;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
}

TEST_CASE("a name that does not resolve is an error") {
  // A label of more than 63 characters is in nobody's name service, and is not asked for on the network.
  TestNode client(TcpAddress(11211, std::string(64, 'a') + ".test"));
  const NodeReply reply = client.Read("k");
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.find("cannot resolve its name") != std::string::npos);
  CHECK(client.counters.node_errors.Get() == 1);
}

TEST_CASE("localhost is found whichever of its addresses the node listens on") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port(), "localhost"));
  const NodeReply reply = client.Read("k");
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kMiss);
}

TEST_CASE("a name with two addresses is reached at the one that works") {
  MemcachedProcess v4;
  MemcachedProcess::Options options;
  options.v6 = true;
  MemcachedProcess v6(options);
  TempDir folder;
  const std::string hosts = folder.path() + "/hosts";
  std::ofstream(hosts) << "127.0.0.1 localhost\n::1 two.test\n127.0.0.1 two.test\n"
                       << "::1 both-refuse.test\n127.0.0.1 both-refuse.test\n";
  constexpr int kNoNamespace = 77;
  const int result = InChild([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(hosts.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0) {
      return kNoNamespace;
    }
    TestNode on_v4(TcpAddress(v4.port(), "two.test"));
    if (on_v4.Read("k").status != NodeStatus::kMiss) return 1;
    TestNode on_v6(TcpAddress(v6.port(), "two.test"));
    if (on_v6.Read("k").status != NodeStatus::kMiss) return 2;
    if (on_v4.counters.node_connects.Get() != 1 || on_v6.counters.node_connects.Get() != 1) return 3;
    TestNode nowhere(TcpAddress(FreePort(), "both-refuse.test"));
    if (nowhere.Read("k").error.find("cannot connect") == std::string::npos) return 4;
    return 0;
  });
  if (result == kNoNamespace) {
    WARN("not checked: this user may not make a mount namespace");
    return;
  }
  CHECK(result == 0);
}

}  // namespace
}  // namespace clustered_session
