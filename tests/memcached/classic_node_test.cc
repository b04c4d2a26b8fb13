// What is the classic node's own: waits, threads, forks, signals. What it has in common with the other engine is in
// node_outcomes_test.cc and node_fault_outcomes_test.cc. Mirrors src/memcached/classic_node.h.
#include "src/memcached/classic_node.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/memcached/classic_connection.h"
#include "tests/memcached/node_fixture.h"
#include "tests/memcached/proxied_node.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

// Its client is connected.
struct HastyProxiedNode : ProxiedNode {
  HastyProxiedNode() : ProxiedNode(Engine::kClassic, {milliseconds(200), milliseconds(300)}) {
    REQUIRE(client.Read("k").value == "v");
  }
};

struct ClassicLocalNode : LocalProxiedNode {
  ClassicLocalNode() : LocalProxiedNode(Engine::kClassic) {}
};

size_t Entries(const std::string& folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST_CASE("a classic node waits once for an operation, and once more for a token on a fresh connection") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()));
  const NodeReply stored = client.Write("k", "v");  // connects as well
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == 1);
  CHECK(client.Read("k").status == NodeStatus::kHit);
  CHECK(proxy.round_trips() == 2);
  const NodeReply second = client.Write("k", "w", stored.token);
  REQUIRE(second.status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == 3);
  const NodeReply conflict = client.Write("k", "x", stored.token);  // shows what is there
  CHECK(conflict.value == "w");
  CHECK(proxy.round_trips() == 4);
  CHECK(client.Claim("me").lock_owner == "me");
  CHECK(proxy.round_trips() == 5);
  CHECK(client.counters.node_waits.Get() == 0);  // none beside those

  TestNode writer(Engine::kClassic, TcpAddress(proxy.port()));
  REQUIRE(writer.Write("k", "y", second.token).status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == 7);
  CHECK(writer.counters.node_waits.Get() == 1);
  CHECK(proxy.connections() == 2);
}

TEST_CASE("a classic node that asks for a password of the text protocol is waited for once more when connecting") {
  MemcachedProcess server(Asking(kTextUser));
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), kLongTimeouts, kTextUser);
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(client.counters.node_waits.Get() == 1);
  CHECK(client.Read("k").value == "v");
  CHECK(client.counters.node_waits.Get() == 1);
  TestNode without(Engine::kClassic, TcpAddress(proxy.port()));
  const NodeReply reply = without.Read("k");
  CHECK(reply.failure == NodeFailure::kCredentials);
  CHECK(reply.error.find("asks for a user name and a password (clustered_session.username is not set)") !=
        std::string::npos);
}

TEST_CASE("a classic node that asks for no password is used all the same, and keeps none") {
  MemcachedProcess server;
  TestNode client(Engine::kClassic, TcpAddress(server.port()), kLongTimeouts, kTextUser);
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(server.Get("cs:credentials").empty());
}

TEST_CASE("starting an operation of a classic node waits for nothing, not even for a connection and a login") {
  // None of them answers: an operation that waits here would wait until this.
  const Duration time = seconds(20);
  const TimePoint deadline = Now() + time;
  MemcachedProcess server(Asking(kTextUser));
  FaultProxy silent(server.port());
  ProxyFaults hole;
  hole.black_hole = true;
  silent.Set(hole);
  HangingPort hanging;
  std::vector<std::unique_ptr<TestNode>> clients;
  for (const uint16_t port : {silent.port(), hanging.port()}) {
    for (const NodeCredentials& credentials : {kTextUser, NodeCredentials{}}) {
      clients.push_back(
          std::make_unique<TestNode>(Engine::kClassic, TcpAddress(port), NodeTimeouts{time, time}, credentials));
    }
  }
  const size_t threads = Entries("/proc/self/task");
  for (auto& client : clients) client->node->StartWrite("k", "v", seconds(100), {}, deadline);
  CHECK(Now() < deadline);
  CHECK(Entries("/proc/self/task") == threads + clients.size());  // all are under way
  CHECK(WaitUntil([&] { return !silent.requests().empty(); }));
  CHECK(Now() < deadline);
}

TEST_CASE("an operation of a classic node that is given up leaves neither thread nor descriptor behind") {
  MemcachedProcess server;
  REQUIRE(server.Set("first", std::string(3000, 'f')));
  REQUIRE(server.Set("second", "value of second"));
  FaultProxy proxy(server.port());
  auto client = std::make_unique<TestNode>(Engine::kClassic, TcpAddress(proxy.port()), kLongTimeouts);
  REQUIRE(client->Read("second").value == "value of second");
  const size_t threads = Entries("/proc/self/task");
  ProxyFaults drip;
  drip.drip = milliseconds(20);  // for a minute
  SECTION("by asking for something else") {
    proxy.Set(drip);
    for (int i = 0; i < 5; ++i) {
      client->node->StartRead("first", Now() + seconds(5));
      proxy.Heal();
      CHECK(client->Read("second").value == "value of second");
      proxy.Set(drip);
    }
  }
  SECTION("by its deadline") {
    proxy.Set(drip);
    for (int i = 0; i < 5; ++i) CHECK(client->Read("first", milliseconds(60)).failure == NodeFailure::kTimeout);
  }
  SECTION("by destroying the node") {
    proxy.Set(drip);
    client->node->StartRead("first", Now() + seconds(5));
    client.reset();
  }
  SECTION("by finishing another kind") {
    client->node->StartRead("first", Now() + seconds(5));
    CHECK(client->node->FinishWrite().error.find("no such operation") != std::string::npos);
    CHECK(client->node->FinishRead().error.find("no such operation") != std::string::npos);
    CHECK(client->Read("second").value == "value of second");
  }
  // Long before the node has said all.
  CHECK(WaitUntil([&] { return Entries("/proc/self/task") <= threads; }));
}

TEST_CASE("a classic node's operation that fails brings no process back that others know to be gone") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  TestNode one(Engine::kClassic, TcpAddress(server.port()), kLongTimeouts, {}, &health);
  TestNode other(Engine::kClassic, TcpAddress(proxy.port()), {milliseconds(200), milliseconds(200)}, {}, &health);
  REQUIRE(other.Read("k").status == NodeStatus::kMiss);
  const uint32_t before = health.incarnation.load();
  server.Restart();
  REQUIRE(one.Read("k").status == NodeStatus::kMiss);
  const uint32_t after = health.incarnation.load();
  REQUIRE(after != before);
  ProxyFaults hole;
  hole.black_hole = true;
  proxy.Set(hole);
  CHECK(other.Read("k").status == NodeStatus::kError);
  CHECK(health.incarnation.load() == after);
}

TEST_CASE("a classic node that has evicted the sentinel gets it again, and that is no error") {
  MemcachedProcess server;
  TestNode client(Engine::kClassic, TcpAddress(server.port()));
  const NodeReply stored = client.Write("k", "v");
  REQUIRE(stored.status == NodeStatus::kStored);
  REQUIRE(server.Delete("cs:node-incarnation"));
  CHECK(client.Read("k").token == stored.token);  // still the same process, on the same connection
  const NodeReply missing = client.Read("gone");
  INFO(missing.error);
  CHECK(missing.status == NodeStatus::kMiss);
  CHECK_FALSE(server.Get("cs:node-incarnation").empty());
  const NodeReply hit = client.Read("k");
  CHECK(hit.value == "v");
  CHECK(client.Write("k", "w", hit.token).status == NodeStatus::kStored);
  CHECK(client.counters.node_errors.Get() == 0);
  CHECK(client.counters.node_connects.Get() == 2);
}

TEST_CASE_METHOD(HastyProxiedNode,
                 "sending to a classic node that does not read is given up, too, and the value may go") {
  ProxyFaults faults;
  faults.deaf = true;
  proxy.Set(faults);
  client.health.item_size_max.store(1 << 30);  // so that it is not asked
  client.health.incarnation.store(client.health.incarnation.load());
  auto value = std::make_unique<std::string>(50'000'000, 'v');
  const NodeReply reply = client.Write("k", *value);
  value.reset();
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.failure == NodeFailure::kTimeout);
}

TEST_CASE_METHOD(
    HastyProxiedNode,
    "a classic node that keeps silent about its settings is an error that ends, and its late answer is nobody's") {
  ProxyFaults faults;
  faults.black_hole = true;
  proxy.Set(faults);
  CHECK(client.Write("k", std::string(100'000, 'v')).status == NodeStatus::kError);
  CHECK(client.counters.node_connects.Get() == 2);
}

TEST_CASE("an idle connection of a classic node that is swallowed without a word is tried once more on a fresh one") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  NodeTimeouts timeouts = kLongTimeouts;
  timeouts.idle = milliseconds(0);
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), timeouts);
  REQUIRE(client.Read("k").value == "v");
  ProxyFaults hole;
  hole.black_hole = true;
  proxy.Set(hole);
  const size_t asked = proxy.requests().size();
  client.node->StartRead("k", Now() + seconds(6));
  REQUIRE(WaitUntil([&] { return proxy.requests().size() > asked; }));
  proxy.Heal();  // but what was asked on the old connection is gone
  const NodeReply reply = client.node->FinishRead();
  INFO(reply.error);
  CHECK(reply.value == "v");
  CHECK(proxy.connections() == 2);
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE_METHOD(ClassicLocalNode,
                 "a forked child of a classic node opens a connection of its own and leaves the parent's alone") {
  SECTION("a child that uses the node and destroys it") {
    ChildProcess child([&] {
      if (client->Read("k").status != NodeStatus::kHit) return 1;
      client.reset();
      return 0;
    });
    CHECK(child.Wait().code == 0);
    CHECK(proxy.connections() == 2);
  }
  SECTION("a child that only destroys it") {
    ChildProcess child([&] {
      client.reset();
      return 0;
    });
    CHECK(child.Wait().code == 0);
    CHECK(proxy.connections() == 1);
    CHECK(proxy.requests().find("quit") == std::string::npos);
  }
  SECTION("a child while the parent's operation is under way") {
    ProxyFaults slow;
    slow.delay = milliseconds(200);
    proxy.Set(slow);
    const size_t asked = proxy.requests().size();
    client->node->StartRead("k", Now() + seconds(5));
    REQUIRE(WaitUntil([&] { return proxy.requests().size() > asked; }));
    ChildProcess child([&] {
      // Not more: the sanitizers' locks may be held in the child, as the proxy's thread was running.
      const bool failed = client->node->FinishRead().failure == NodeFailure::kLocal;
      client.reset();
      return failed ? 0 : 1;
    });
    CHECK(child.Wait().code == 0);
    CHECK(client->node->FinishRead().status == NodeStatus::kHit);
  }
  const size_t connections = proxy.connections();
  CHECK(client->Read("k").status == NodeStatus::kHit);
  CHECK(proxy.connections() == connections);  // still the first one
}

volatile sig_atomic_t signals = 0;
volatile sig_atomic_t signals_elsewhere = 0;
pthread_t main_thread;

TEST_CASE("signals do not keep a classic node's operation, and are not handled on its thread") {
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarms, nullptr);  // for the proxy's thread
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  pthread_sigmask(SIG_UNBLOCK, &alarms, nullptr);
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), {milliseconds(300), milliseconds(300)});
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  signals = 0;
  signals_elsewhere = 0;
  main_thread = pthread_self();
  struct sigaction before = {};
  struct sigaction counting = {};
  counting.sa_handler = [](int) {
    signals = signals + 1;
    if (pthread_self() != main_thread) signals_elsewhere = signals_elsewhere + 1;
  };
  sigaction(SIGALRM, &counting, &before);
  const itimerval often = {{0, 2000}, {0, 2000}};
  const itimerval never = {};
  ProxyFaults hole;
  hole.black_hole = true;
  proxy.Set(hole);
  client.node->StartRead("k", Now() + seconds(10));
  pthread_sigmask(SIG_BLOCK, &alarms, nullptr);  // any other thread may have them
  setitimer(ITIMER_REAL, &often, nullptr);
  usleep(20'000);
  pthread_sigmask(SIG_UNBLOCK, &alarms, nullptr);
  const NodeReply hung = client.node->FinishRead();
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  CHECK(hung.failure == NodeFailure::kTimeout);
  CHECK(signals > 1);
  CHECK(signals_elsewhere == 0);
}

TEST_CASE("classic nodes of several threads do not meet, on one port and one unix socket", "[threads]") {
  TempDir folder;
  MemcachedProcess server;
  FaultProxy proxy(server.port(), folder.path() + "/proxy");
  std::vector<char> good(6);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::string key = "k" + std::to_string(i);
      bool all = true;
      for (int round = 0; round < 10; ++round) {
        TestNode client(Engine::kClassic,
                        i % 2 == 0 ? TcpAddress(server.port()) : UnixAddress(folder.path() + "/proxy"));
        const std::string value = key + " " + std::to_string(round);
        const NodeToken token = client.Read(key).token;
        all = all && client.Write(key, value, token).status == NodeStatus::kStored && client.Read(key).value == value;
        client.node->StartRead(key, Now() + seconds(5));  // and one that is given up
      }
      good[i] = all;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char each : good) CHECK(each == 1);
}

TEST_CASE("the libmemcached that is linked is one whose timeouts can be trusted") {
  const char* version = nullptr;
  CHECK(LibmemcachedUsable(&version));
  REQUIRE(version != nullptr);
  CHECK(std::string(version).find('.') != std::string::npos);
}

}  // namespace
}  // namespace clustered_session
