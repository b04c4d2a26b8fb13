// Several nodes in one flight: none takes another one's time, answer or good name. Mirrors src/cluster/flight.h.
#include "src/cluster/flight.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/cluster/node_set.h"
#include "src/memcached/resolver.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr Duration kLong = seconds(30);

// A set of nodes at these ports.
struct Set {
  Set(const std::vector<uint16_t>& ports, NodeTimeouts timeouts) : health(ports.size()) {
    std::vector<NodeSet::Member> members;
    for (const uint16_t port : ports) {
      NodeSet::Member& member = members.emplace_back();
      member.address = TcpAddress(port);
      member.health = &health[members.size() - 1];
      member.node = MakeMemcachedNode(member.address, timeouts, member.health.get(), &counters);
      all.push_back(static_cast<uint32_t>(all.size()));
    }
    nodes = std::make_unique<NodeSet>(std::move(members), seconds(3600), &clock, &counters);
  }

  std::vector<NodeSet::Read> Read(TimePoint deadline = Now() + kLong) { return nodes->ReadAll(all, "k", deadline); }
  std::vector<NodeReply> Write(std::string_view value, TimePoint deadline = Now() + kLong) {
    std::vector<NodeSet::WriteTarget> targets;
    for (const uint32_t node : all) targets.push_back({node, {}});
    return nodes->WriteAll(targets, "k", value, seconds(100), deadline);
  }

  std::vector<NodeHealth> health;
  Counters counters;
  SystemClock clock;
  std::vector<uint32_t> all;
  std::unique_ptr<NodeSet> nodes;
};

// One memcached behind many proxies: each is a node.
struct Proxies {
  explicit Proxies(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      proxies.push_back(std::make_unique<FaultProxy>(memcached.port()));
      ports.push_back(proxies.back()->port());
    }
  }

  MemcachedProcess memcached;
  std::vector<std::unique_ptr<FaultProxy>> proxies;
  std::vector<uint16_t> ports;
};

ProxyFaults BlackHole() {
  ProxyFaults faults;
  faults.black_hole = true;
  return faults;
}

ProxyFaults Hold() {
  ProxyFaults faults;
  faults.hold = true;
  return faults;
}

TEST_CASE("a node that hangs takes no large answer from any other, and no acknowledgement of a large write") {
  const size_t count = GENERATE(3u, 8u, 16u);
  INFO(count << " nodes");
  Proxies each(count);
  const std::string value(100'000, 'v');
  REQUIRE(each.memcached.Set("k", value));
  Set set(each.ports, {kLong, kLong});
  Set writer(each.ports, {kLong, kLong});
  for (Set* both : {&set, &writer}) {
    for (const NodeSet::Read& read : both->Read()) REQUIRE(read.reply.status == NodeStatus::kHit);
  }

  each.proxies[0]->Set(BlackHole());
  const std::vector<NodeSet::Read> reads = set.Read(Now() + seconds(2));
  CHECK(reads[0].reply.status == NodeStatus::kError);
  CHECK(reads[0].reply.failure == NodeFailure::kTimeout);
  for (size_t i = 1; i < count; ++i) {
    INFO(i << ": " << reads[i].reply.error);
    CHECK(reads[i].reply.status == NodeStatus::kHit);
    CHECK((reads[i].reply.value == value));
  }
  REQUIRE(each.memcached.Delete("k"));
  const std::string other(100'000, 'w');
  const std::vector<NodeReply> replies = writer.Write(other, Now() + seconds(2));
  CHECK(replies[0].status == NodeStatus::kError);
  for (size_t i = 1; i < count; ++i) {
    INFO(i << ": " << replies[i].error);
    // They are one memcached: who comes second finds what the first one has stored, which is the same.
    const bool answered = replies[i].status == NodeStatus::kStored || replies[i].status == NodeStatus::kContested;
    CHECK(answered);
    CHECK(writer.health[i].failures.load() == 0);
  }
  CHECK((each.memcached.Get("k") == other));
}

TEST_CASE("an answer that has arrived is taken, however late somebody looks for it") {
  const size_t size = GENERATE(10u, 100'000u, 1'000'000u);
  INFO(size << " bytes");
  MemcachedProcess server;
  const std::string value(size, 'v');
  REQUIRE(server.Set("k", value));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), {kLong, kLong});
  client.health.item_size_max = 1 << 30;  // so that it is not asked
  REQUIRE(client.Read("x").status == NodeStatus::kMiss);
  // Until the deadline has passed, and something has arrived by then.
  const auto look_late = [&](TimePoint deadline) {
    std::vector<pollfd> waits;
    (void)client.node->pollable()->AddWaits(&waits);
    REQUIRE(waits.size() == 1);
    REQUIRE(poll(waits.data(), waits.size(), 10'000) == 1);
    REQUIRE(waits[0].revents == POLLIN);
    REQUIRE(WaitUntil([&] { return Now() > deadline; }));
  };
  TimePoint deadline = Now() + milliseconds(20);
  client.node->StartRead("k", deadline);
  look_late(deadline);
  const NodeReply hit = client.node->FinishRead();
  INFO(hit.error);
  REQUIRE(hit.status == NodeStatus::kHit);
  CHECK((hit.value == value));

  deadline = Now() + milliseconds(20);
  const std::string other(10'000, 'w');  // leaves at once
  client.node->StartWrite("k", other, seconds(100), hit.token, deadline);
  look_late(deadline);
  const NodeReply stored = client.node->FinishWrite();
  INFO(stored.error);
  CHECK(stored.status == NodeStatus::kStored);
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("the first flight connects to all its nodes, and asks them, before any has answered") {
  Proxies each(8);
  REQUIRE(each.memcached.Set("k", "v"));
  for (const auto& proxy : each.proxies) proxy->Set(Hold());
  Set set(each.ports, {kLong, kLong});
  std::vector<NodeSet::Read> reads;
  std::thread reader([&] { reads = set.Read(); });
  const bool asked = WaitUntil([&] {
    return std::all_of(each.proxies.begin(), each.proxies.end(),
                       [](const auto& proxy) { return proxy->requests().find("mg k ") != std::string::npos; });
  });
  for (const auto& proxy : each.proxies) proxy->Heal();
  reader.join();
  CHECK(asked);
  for (const NodeSet::Read& read : reads) CHECK(read.reply.status == NodeStatus::kHit);
  CHECK(set.counters.node_waits.Get() == 1);
  CHECK(set.counters.node_connects.Get() == 8);
}

TEST_CASE("the names of all nodes of a flight are looked up at once") {
  MemcachedProcess server;
  constexpr size_t kCount = 5;
  std::mutex mutex;
  std::condition_variable all_asked;
  size_t asked = 0;
  Resolver::OfProcess().SetLookup([&](const std::string&) -> Result<HostAddresses> {
    std::unique_lock<std::mutex> lock(mutex);
    ++asked;
    all_asked.notify_all();
    if (!all_asked.wait_for(lock, seconds(10), [&] { return asked == kCount; })) {
      return Error(ErrorCode::kUnavailable, "cannot resolve its name: one after the other");
    }
    return HostAddresses{"127.0.0.1"};
  });
  Counters counters;
  SystemClock clock;
  std::vector<NodeHealth> health(kCount);
  std::vector<NodeSet::Member> members(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    members[i].address = TcpAddress(server.port(), "m" + std::to_string(i) + ".test");
    members[i].health = &health[i];
    members[i].node = MakeMemcachedNode(members[i].address, {kLong, kLong}, &health[i], &counters);
  }
  NodeSet nodes(std::move(members), seconds(3600), &clock, &counters);
  const std::vector<NodeSet::Read> reads = nodes.ReadAll({0, 1, 2, 3, 4}, "k", Now() + kLong);
  Resolver::OfProcess().SetLookup(LookUpHost);
  for (const NodeSet::Read& read : reads) {
    INFO(read.reply.error);
    CHECK(read.reply.status == NodeStatus::kMiss);
  }
}

TEST_CASE("whatever happens to the others in a flight, each node comes to what it is") {
  enum Peer { kDead, kHung, kUnreachable, kSlow, kDripping, kRestarted, kGarbage, kCloses, kHealthy, kPeers };
  std::vector<std::unique_ptr<MemcachedProcess>> servers;
  std::vector<std::unique_ptr<FaultProxy>> proxies;
  std::vector<uint16_t> ports;
  HangingPort hole;
  const std::string value(100'000, 'v');
  for (int i = 0; i < kPeers; ++i) {
    servers.push_back(std::make_unique<MemcachedProcess>());
    REQUIRE(servers[i]->Set("k", i == kDripping ? "v" : value));
    proxies.push_back(std::make_unique<FaultProxy>(servers[i]->port()));
    ports.push_back(i == kUnreachable ? hole.port() : i == kDead ? servers[i]->port() : proxies[i]->port());
  }
  const bool connected = GENERATE(false, true);
  INFO("connected " << connected);
  Set set(ports, {kLong, kLong});
  if (connected) {
    std::vector<uint32_t> those = {kDead, kHung, kSlow, kDripping, kRestarted, kGarbage, kCloses, kHealthy};
    for (const NodeSet::Read& read : set.nodes->ReadAll(those, "k", Now() + kLong)) {
      REQUIRE(read.reply.status == NodeStatus::kHit);
    }
  }
  servers[kDead]->Kill();
  servers[kHung]->Stop();
  servers[kRestarted]->Restart();
  ProxyFaults faults;
  faults.delay = milliseconds(300);
  proxies[kSlow]->Set(faults);
  faults = {};
  faults.drip = milliseconds(1);
  proxies[kDripping]->Set(faults);
  faults = {};
  faults.answer_instead = "HTTP/1.1 400 Bad Request\r\n\r\n";
  proxies[kGarbage]->Set(faults);
  faults = {};
  faults.cut_after = 10'000;
  proxies[kCloses]->Set(faults);

  const std::vector<NodeSet::Read> reads = set.Read(Now() + seconds(4));
  const auto check = [&](Peer peer, NodeStatus status, NodeFailure failure = NodeFailure::kNone) {
    INFO(peer << ": " << reads[peer].reply.error);
    CHECK(reads[peer].reply.status == status);
    CHECK(reads[peer].reply.failure == failure);
  };
  check(kDead, NodeStatus::kError, NodeFailure::kConnectRefused);
  check(kHung, NodeStatus::kError, NodeFailure::kTimeout);
  check(kUnreachable, NodeStatus::kError, NodeFailure::kConnectTimeout);
  check(kSlow, NodeStatus::kHit);
  check(kDripping, NodeStatus::kHit);
  check(kRestarted, NodeStatus::kMiss);
  check(kGarbage, NodeStatus::kError, NodeFailure::kGarbage);
  check(kCloses, NodeStatus::kError, NodeFailure::kClosed);
  check(kHealthy, NodeStatus::kHit);
  servers[kHung]->Continue();
}

TEST_CASE("threads that connect at the same time do not wait for each other, and fail none", "[threads]") {
  MemcachedProcess server;
  HangingPort hole;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  // One thread is connecting all the time, in vain.
  std::thread connecting([&] {
    while (!stop) {
      TestNode client(TcpAddress(hole.port()), {milliseconds(100), milliseconds(100)});
      wrong += client.Read("k").status != NodeStatus::kError;
    }
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 6; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string key = "k" + std::to_string(thread);
      for (int round = 0; round < 20; ++round) {
        TestNode client(TcpAddress(server.port()), {kLong, kLong});
        const std::string value = key + "/" + std::to_string(round);
        const NodeReply before = client.Read(key);
        wrong += client.Write(key, value, before.token).status != NodeStatus::kStored;
        wrong += client.Read(key).value != value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  connecting.join();
  CHECK(wrong.load() == 0);
}

}  // namespace
}  // namespace clustered_session
