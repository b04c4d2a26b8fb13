// connect_timeout and operation_timeout end what a node does, whatever it is, and retry_interval how often it is asked.
// How exactly is measured by bench/node_timeouts_bench.cc. Mirrors src/memcached/memcached_node.h and node_set.h.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/cluster/node_set.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr int kTries = 3;
constexpr seconds kNever(300);  // what does not end by its own limit ends then

struct Trial {
  std::string what;
  Duration limit{};  // until it fails
  NodeTimeouts timeouts;
  ProxyFaults faults;
  bool hangs = false;     // connecting does
  bool connected = true;  // the operation finds an open connection
  size_t write = 0;       // bytes; 0: a read
  bool plain = false;     // the node knows no meta commands
};

struct Measured {
  int failed;
  int early;  // before its limit
  int late;   // by some other limit
};

// In a process of its own. The node has "k".
int Measure(const Trial& trial, const MemcachedProcess& server, Measured* measured) {
  HangingPort hanging;
  FaultProxy proxy(server.port());
  if (trial.plain) proxy.HideMeta();
  const std::string value(trial.write, 'v');
  TestNode client(TcpAddress(trial.hangs ? hanging.port() : proxy.port()), trial.timeouts);
  for (int i = 0; i < kTries; ++i) {
    // A node that is well, on a busy machine, may take longer than these limits.
    proxy.Heal();
    if (trial.connected && !WaitUntil([&] { return client.Read("x").status == NodeStatus::kMiss; })) return 1;
    client.health.item_size_max = 1 << 30;  // so that it is not asked
    proxy.Set(trial.faults);
    const TimePoint start = Now();
    NodeReply reply;
    if (trial.write == 0) {
      reply = client.Read("k", 2 * kNever);
    } else {
      client.node->StartWrite("k", value, seconds(100), {}, start + 2 * kNever);
      reply = client.node->FinishWrite();
    }
    const Duration took = Now() - start;
    measured->failed += reply.status == NodeStatus::kError;
    measured->early += took < trial.limit;
    measured->late += took >= kNever;
  }
  return 0;
}

// An operation has both times, as it may have to connect.
std::vector<Trial> Trials() {
  std::vector<Trial> trials;
  ProxyFaults never, stalls, deaf;
  never.black_hole = true;
  stalls.stall_after = 10;
  deaf.deaf = true;
  const auto add = [&trials](Trial trial, const std::string& what) -> Trial& {
    trial.what = what;
    return trials.emplace_back(std::move(trial));
  };
  for (const Duration limit : {milliseconds(60), milliseconds(150)}) {
    Trial trial;
    trial.limit = limit;
    trial.timeouts = {limit, kNever};
    trial.hangs = true;
    trial.connected = false;
    add(trial, "connecting hangs");
    trial.timeouts = {limit / 3, limit - limit / 3};
    trial.hangs = false;
    trial.faults = never;
    add(trial, "accepts and never answers");
    trial.connected = true;
    add(trial, "answers no more").write = 1;
    trial.faults = stalls;
    add(trial, "stalls in the middle");
    for (const bool plain : {false, true}) {
      trial.plain = plain;
      trial.faults = ProxyFaults();
      trial.faults.drip = std::chrono::duration_cast<milliseconds>(limit) / 7;
      add(trial, "a byte now and then");
      trial.faults = deaf;
      add(trial, "does not read").write = 20'000'000;
    }
  }
  Trial closes;
  closes.timeouts = {kNever, kNever};
  closes.faults.cut_after = 20;
  add(closes, "closes in the middle");  // no time at all
  return trials;
}

TEST_CASE("a node operation is ended by its own timeouts, whatever the node does") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", std::string(200, 'v')));
  const std::vector<Trial> trials = Trials();
  struct All {
    Measured measured[20];
  };
  Shared<All> all;
  REQUIRE(trials.size() <= std::size(all->measured));
  std::vector<ChildProcess> processes;  // at once: all they do is wait
  for (size_t i = 0; i < trials.size(); ++i) {
    processes.emplace_back([&, i] { return Measure(trials[i], server, &all->measured[i]); });
  }
  for (size_t i = 0; i < trials.size(); ++i) {
    const bool whole = processes[i].Wait(kNever).code == 0;
    const Measured& measured = all->measured[i];
    INFO(trials[i].what << (trials[i].plain ? ", plain" : ""));
    CHECK(whole);
    CHECK(measured.failed == kTries);
    CHECK(measured.early == 0);
    CHECK(measured.late == 0);
  }
}

// A node that answers everything with garbage, and counts how often it was asked.
class GarbageNode {
 public:
  GarbageNode() : listener_(ListenOnLoopback(&port_)), thread_([this] { Run(); }) {}
  ~GarbageNode() {
    stop_ = true;
    thread_.join();
    close(listener_);
  }
  uint16_t port() const { return port_; }
  int asked() const { return asked_; }

 private:
  void Run() {
    while (!stop_) {
      pollfd item{listener_, POLLIN, 0};
      if (poll(&item, 1, 10) <= 0) continue;
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      ++asked_;
      (void)!send(client, "garbage\r\n", 9, MSG_NOSIGNAL);
      while (recv(client, buffer_, sizeof buffer_, 0) > 0) {  // until it is dropped
      }
      close(client);
    }
  }

  uint16_t port_ = 0;
  int listener_;
  char buffer_[4096];
  std::atomic<bool> stop_{false};
  std::atomic<int> asked_{0};
  std::thread thread_;
};

TEST_CASE("a failing node is asked once per retry_interval by all workers together") {
  constexpr Duration kInterval = milliseconds(200);
  FakeClock clock;
  NodeHealth health{};
  Counters counters;
  GarbageNode node;
  std::vector<std::unique_ptr<NodeSet>> workers;
  for (int i = 0; i < 4; ++i) {
    std::vector<NodeSet::Member> members(1);
    members[0].address = TcpAddress(node.port());
    members[0].health = &health;
    members[0].node = MakeMemcachedNode(members[0].address, {kNever, kNever}, &health, &counters);
    workers.push_back(std::make_unique<NodeSet>(std::move(members), kInterval, &clock, &counters));
  }
  const auto ask_all = [&] {
    int asked = 0;
    for (const auto& worker : workers) {
      asked += worker->ReadAll({0}, "k", Now() + kNever).front().reply.status == NodeStatus::kError ? 1 : 0;
    }
    return asked;
  };
  CHECK(ask_all() == 1);
  for (int interval = 1; interval <= 5; ++interval) {
    for (int ms = 1; ms < 200; ++ms) {
      clock.Advance(milliseconds(1));
      REQUIRE(ask_all() == 0);
    }
    clock.Advance(milliseconds(1));
    CHECK(ask_all() == 1);
  }
  CHECK(WaitUntil([&] { return node.asked() == 6; }));
  CHECK(health.failures == 6);
}

}  // namespace
}  // namespace clustered_session
