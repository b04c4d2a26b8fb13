// The node client in a storm of signals: none of its calls hangs, ends early or fails for it. Mirrors
// src/memcached/memcached_node.h.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "src/memcached/resolver.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kShort = {milliseconds(50), milliseconds(100)};
constexpr Duration kBoth = milliseconds(150);
constexpr Duration kBound = seconds(3);

std::atomic<int> signals_seen{0};

// Sends this thread signals without SA_RESTART, every few hundred microseconds for `storm_time`. A poll() that has
// lost its timeout among them would then wait for ever: one more signal after `kRescue` lets the test fail instead.
class SignalStorm {
 public:
  explicit SignalStorm(Duration storm_time) : target_(pthread_self()) {
    struct sigaction action {};
    action.sa_handler = [](int) { signals_seen.fetch_add(1); };
    sigaction(SIGUSR1, &action, &before_);
    signals_seen = 0;
    thread_ = std::thread([this, storm_time] {
      const TimePoint start = Now();
      while (!stop_.load() && Now() < start + kRescue) {
        if (Now() < start + storm_time) pthread_kill(target_, SIGUSR1);
        usleep(300);
      }
      if (!stop_.load()) pthread_kill(target_, SIGUSR1);
    });
  }
  ~SignalStorm() {
    stop_ = true;
    thread_.join();
    usleep(1000);
    sigaction(SIGUSR1, &before_, nullptr);
  }

 private:
  static constexpr Duration kRescue = seconds(5);

  pthread_t target_;
  struct sigaction before_ {};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// `call` fails after `limit`, whether the signals end before that or go on.
void CheckLimit(Duration limit, const std::function<void()>& prepare, const std::function<NodeReply()>& call) {
  for (const Duration storm_time : {milliseconds(25), milliseconds(5000)}) {
    prepare();
    const SignalStorm storm(storm_time);
    const TimePoint start = Now();
    const NodeReply reply = call();
    const Duration time = Now() - start;
    INFO(reply.error);
    CHECK(reply.status == NodeStatus::kError);
    CHECK(time >= limit);
    CHECK(time < kBound);
    CHECK(signals_seen.load() > 0);
  }
}

MemcachedProcess::Options OptionsOf(bool asks_for_password) {
  MemcachedProcess::Options options;
  options.arguments = {"-I", "8m", "-m", "64"};
  if (asks_for_password) {
    options.username = kTextUser.username;
    options.password = kTextUser.password;
  }
  return options;
}

TEST_CASE("a storm of signals makes no call longer or shorter, and the signals arrive") {
  MemcachedProcess server(OptionsOf(false));
  FaultProxy proxy(server.port());
  if (GENERATE(false, true)) proxy.HideMeta();
  TestNode client(TcpAddress(proxy.port()), kShort);
  ProxyFaults faults;
  faults.black_hole = true;
  uint64_t size_max = 1 << 30;
  bool fresh = false;
  NodeToken token;
  std::string value;
  SECTION("waiting for a small answer to a read") {}
  SECTION("waiting for the answer to a small write") { value = "v"; }
  SECTION("waiting for the answer to a large write") { value.assign(300'000, 'v'); }
  SECTION("waiting for the end of a large answer") {
    constexpr size_t kSize = 6'000'000;
    REQUIRE(server.Set("k", std::string(kSize, 'v')));
    faults = {};
    faults.drip = milliseconds(20);
    faults.drip_from = kSize - 1000;
  }
  SECTION("sending") {
    faults = {};
    faults.deaf = true;
    value.assign(20'000'000, 'v');
  }
  SECTION("the handshake of a fresh connection") {  // with a token, the incarnation must be known first
    fresh = true;
    token = {7, 7};
    value = "v";
  }
  SECTION("stats settings") {
    value.assign(100'000, 'v');
    size_max = 0;
  }
  const auto prepare = [&] {
    proxy.Heal();
    REQUIRE(WaitUntil([&] { return client.Read("x").status == NodeStatus::kMiss; }));  // the machine may be busy
    client.health.item_size_max = size_max;
    if (fresh) proxy.CloseConnections();
    proxy.Set(faults);
  };
  CheckLimit(kBoth, prepare, [&] {
    if (value.empty()) return client.Read("k", seconds(20));
    client.node->StartWrite("k", value, seconds(100), token, Now() + seconds(20));
    return client.node->FinishWrite();
  });
}

TEST_CASE("a storm of signals makes sending credentials no longer or shorter") {
  MemcachedProcess server(OptionsOf(true));
  FaultProxy proxy(server.port());
  if (GENERATE(false, true)) proxy.HideMeta();
  TestNode client(TcpAddress(proxy.port()), kTextUser, kShort);
  ProxyFaults faults;
  faults.black_hole = true;
  const auto prepare = [&] {
    proxy.Heal();
    REQUIRE(WaitUntil([&] { return client.Read("x").status == NodeStatus::kMiss; }));  // the machine may be busy
    proxy.CloseConnections();
    proxy.Set(faults);
  };
  CheckLimit(kBoth, prepare, [&] { return client.Read("k", seconds(20)); });
}

TEST_CASE("a storm of signals makes connecting no longer or shorter") {
  HangingPort hanging;
  TestNode client(TcpAddress(hanging.port()), kShort);
  CheckLimit(
      kShort.connect, [] {}, [&] { return client.Read("k", seconds(20)); });
}

TEST_CASE("a storm of signals makes looking up a name no longer or shorter") {
  std::promise<void> release;
  {
    const AsksFor silent([released = release.get_future().share()](const std::string&) -> Result<HostAddresses> {
      released.wait();
      return Error(ErrorCode::kUnavailable, "cannot resolve its name: gone");
    });
    TestNode client(TcpAddress(11211, "m1.test"), kShort);
    CheckLimit(
        kShort.connect, [] {}, [&] { return client.Read("k", seconds(20)); });
  }
  release.set_value();

  MemcachedProcess server;
  const AsksFor slow([](const std::string&) -> Result<HostAddresses> {
    std::this_thread::sleep_for(milliseconds(50));
    return HostAddresses{"127.0.0.1"};
  });
  const SignalStorm storm(seconds(5));
  for (int i = 0; i < 5; ++i) {
    TestNode client(TcpAddress(server.port(), "m1.test"));
    const NodeReply reply = client.Read("k");
    INFO(reply.error);
    CHECK(reply.status == NodeStatus::kMiss);
  }
}

// Each answer is waited for, small and large, and each connection is begun with all there may be to say.
TEST_CASE("a storm of signals fails no operation of a node that is slow") {
  const bool asks_for_password = GENERATE(false, true);
  const bool hides_meta = GENERATE(false, true);
  MemcachedProcess server(OptionsOf(asks_for_password));
  FaultProxy proxy(server.port());
  if (hides_meta) proxy.HideMeta();
  ProxyFaults faults;
  faults.delay = milliseconds(5);
  proxy.Set(faults);
  TestNode client(TcpAddress(proxy.port()), asks_for_password ? kTextUser : NodeCredentials());
  const SignalStorm storm(seconds(5));
  NodeToken token;
  constexpr uint64_t kConnections = 3;
  for (uint64_t connection = 1; connection <= kConnections; ++connection) {
    for (const size_t size : {size_t{10}, size_t{300'000}, size_t{3'000'000}}) {
      INFO("connection " << connection << ", " << size << " bytes");
      const std::string value = std::string(size, 'v') + std::to_string(connection);
      const NodeReply stored = client.Write("k", value, token);
      INFO(stored.error);
      REQUIRE(stored.status == NodeStatus::kStored);
      const NodeReply hit = client.Read("k");
      INFO(hit.error);
      REQUIRE(hit.status == NodeStatus::kHit);
      REQUIRE((hit.value == value));
      token = hit.token;
    }
    CHECK(client.counters.node_connects.Get() == connection + (hides_meta ? 1 : 0));  // the one that found that out
    proxy.CloseConnections();
  }
  CHECK(client.counters.node_errors.Get() == 0);
  const std::string sent = proxy.requests();
  const size_t asked = sent.find("stats settings");  // once: it was not given up
  CHECK(asked != std::string::npos);
  CHECK(sent.find("stats settings", asked + 1) == std::string::npos);
  CHECK(client.health.item_size_max == 8 << 20);
  CHECK(signals_seen.load() > 0);
}

TEST_CASE("a storm of signals fails no operation of a healthy node") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const SignalStorm storm(seconds(5));
  NodeToken token;
  const std::string large(300'000, 'v');
  for (int i = 0; i < 300; ++i) {
    const NodeReply reply = client.Write("k", large + std::to_string(i), token);
    INFO(reply.error);
    REQUIRE(reply.status == NodeStatus::kStored);
    token = reply.token;
  }
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("a storm of signals makes dropping a connection no wait, whatever the node does") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults faults;
  SECTION("a healthy one") {}
  SECTION("one that never answers") { faults.black_hole = true; }
  SECTION("one that does not read") { faults.deaf = true; }
  constexpr int kDrops = 30;
  const SignalStorm storm(seconds(5));
  const TimePoint start = Now();
  for (int i = 0; i < kDrops; ++i) {
    TestNode client(TcpAddress(proxy.port()));
    proxy.Heal();
    REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    proxy.Set(faults);
    // In the middle of an operation by the next one, then by the node's end.
    client.node->StartRead("k", Now() + seconds(20));
    client.node->StartRead("k", Now() + seconds(20));
  }
  CHECK(Now() - start < kBound);
  CHECK(WaitUntil([] { return signals_seen.load() > 0; }));  // the storm may be slow to begin on a busy machine
  CHECK(proxy.requests().find("quit") == std::string::npos);
}

}  // namespace
}  // namespace clustered_session
