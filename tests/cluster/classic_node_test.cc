// What is the classic node's own: waits, threads, forks, signals. What it has in common with the other engine is in
// node_outcomes_test.cc and node_fault_outcomes_test.cc. Mirrors src/cluster/classic_node.h.
#include "src/cluster/classic_node.h"

#include <signal.h>
#include <sys/time.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/cluster/classic_connection.h"
#include "tests/cluster/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kLong = {seconds(5), seconds(5)};
const NodeCredentials kUser{"web", "s3cret:word"};

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

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
  MemcachedProcess server(Asking(kUser));
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), kLong, kUser);
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
  TestNode client(Engine::kClassic, TcpAddress(server.port()), kLong, kUser);
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(server.Get("cs:credentials").empty());
}

TEST_CASE("classic nodes connect and work at once, and are waited for once") {
  constexpr auto kDelay = milliseconds(300);
  std::vector<std::unique_ptr<MemcachedProcess>> servers;
  std::vector<std::unique_ptr<FaultProxy>> proxies;
  std::vector<std::unique_ptr<TestNode>> clients;
  for (int i = 0; i < 4; ++i) {
    servers.push_back(std::make_unique<MemcachedProcess>(Asking(kUser)));
    proxies.push_back(std::make_unique<FaultProxy>(servers.back()->port()));
    clients.push_back(std::make_unique<TestNode>(Engine::kClassic, TcpAddress(proxies.back()->port()), kLong, kUser));
    ProxyFaults slow;
    slow.delay = kDelay;
    proxies.back()->Set(slow);
  }
  for (auto& client : clients) client->node->StartWrite("k", "v", seconds(100), {}, Now() + seconds(10));
  // All of them ask before the first is asked for its answer.
  for (auto& proxy : proxies) CHECK(WaitUntil([&] { return proxy->requests().find("gets k ") != std::string::npos; }));
  for (auto& client : clients) CHECK(client->node->FinishWrite().status == NodeStatus::kStored);
}

TEST_CASE("a classic node's limit is asked once per node process for all workers, and only if the value is large") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  TestNode one(Engine::kClassic, TcpAddress(proxy.port()), kLong, {}, &health);
  TestNode other(Engine::kClassic, TcpAddress(proxy.port()), kLong, {}, &health);
  const std::string large(100'000, 'l');
  REQUIRE(one.Write("a", std::string(60'000, 's')).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 0);
  REQUIRE(one.Write("b", large).status == NodeStatus::kStored);
  REQUIRE(one.Write("c", large).status == NodeStatus::kStored);
  REQUIRE(other.Write("d", large).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 1);
  CHECK(health.item_size_max.load() == 1 << 20);
  CHECK(one.counters.node_waits.Get() == 2);

  const size_t sent = proxy.requests().size();
  CHECK(one.Write("e", std::string(2 << 20, 't')).status == NodeStatus::kTooLarge);
  CHECK(proxy.requests().size() == sent);  // nothing at all was sent
}

TEST_CASE("a classic node that does not tell its settings is written to as if it had no limit, and asked once") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()));
  ProxyFaults faults;
  faults.close_on_text = "stats settings";
  SECTION("on a fresh connection") {}
  SECTION("on a used connection") { REQUIRE(client.Read("k").status == NodeStatus::kMiss); }
  proxy.Set(faults);
  CHECK(client.Write("k", std::string(100'000, 'v')).status == NodeStatus::kStored);
  CHECK(client.Write("l", std::string(100'000, 'v')).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 1);
  const NodeReply refused = client.Write("m", std::string(3 << 20, 'v'));
  CHECK(refused.status == NodeStatus::kRefused);
  CHECK(refused.value.empty());
}

TEST_CASE("an operation of a classic node that is given up leaves neither thread nor descriptor behind") {
  MemcachedProcess server;
  REQUIRE(server.Set("first", std::string(3000, 'f')));
  REQUIRE(server.Set("second", "value of second"));
  FaultProxy proxy(server.port());
  auto client = std::make_unique<TestNode>(Engine::kClassic, TcpAddress(proxy.port()), kLong);
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
  TestNode one(Engine::kClassic, TcpAddress(server.port()), kLong, {}, &health);
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

TEST_CASE("sending to a classic node that does not read is given up, too, and the value may go") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), {milliseconds(200), milliseconds(300)});
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
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

TEST_CASE(
    "a classic node that keeps silent about its settings is an error that ends, and its late answer is nobody's") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), {milliseconds(200), milliseconds(300)});
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
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
  NodeTimeouts timeouts = kLong;
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

TEST_CASE("a forked child of a classic node opens a connection of its own and leaves the parent's alone") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  TempDir folder;
  const bool over_unix = GENERATE(false, true);
  const std::string path = over_unix ? folder.path() + "/proxy" : "";
  FaultProxy proxy(server.port(), path);
  auto client = std::make_unique<TestNode>(Engine::kClassic, over_unix ? UnixAddress(path) : TcpAddress(proxy.port()));
  REQUIRE(client->Read("k").status == NodeStatus::kHit);
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

TEST_CASE("signals do not keep a classic node's operation, nor does it keep them") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(Engine::kClassic, TcpAddress(proxy.port()), {milliseconds(300), milliseconds(300)});
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  static volatile sig_atomic_t seen = 0;
  seen = 0;
  struct sigaction before = {};
  struct sigaction counting = {};
  counting.sa_handler = [](int) { seen = seen + 1; };
  sigaction(SIGALRM, &counting, &before);
  itimerval often = {{0, 2000}, {0, 2000}};
  itimerval never = {};
  setitimer(ITIMER_REAL, &often, nullptr);
  ProxyFaults hole;
  hole.black_hole = true;
  proxy.Set(hole);
  const NodeReply hung = client.Read("k");
  const int while_waiting = seen;
  proxy.Heal();
  const NodeReply good = client.Read("k", seconds(5));
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  CHECK(hung.failure == NodeFailure::kTimeout);
  CHECK(while_waiting > 1);
  INFO(good.error);
  CHECK((good.status == NodeStatus::kMiss || good.failure == NodeFailure::kTimeout));
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
