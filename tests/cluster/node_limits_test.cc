// connect_timeout, operation_timeout and retry_interval are what a node costs, to within 20 ms, whatever it does.
// Mirrors src/cluster/memcached_node.h and node_set.h.
//
// What counts is the median of several tries, and beside it what a bare nanosleep() of the same length takes too long:
// if that is above 5 ms, the machine is busy with other things, and as much is allowed more.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <ctime>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "src/cluster/node_set.h"
#include "tests/cluster/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr int kTries = 11;
constexpr Duration kPrecision = milliseconds(20);
constexpr Duration kBusy = milliseconds(5);

Duration MedianOf(std::vector<Duration> durations) {
  std::sort(durations.begin(), durations.end());
  return durations[durations.size() / 2];
}

double Millis(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// What a sleep takes too long.
Duration SleepExcess(Duration length) {
  const auto nanos = std::chrono::nanoseconds(length).count();
  const timespec time{nanos / 1'000'000'000, nanos % 1'000'000'000};
  const TimePoint start = Now();
  nanosleep(&time, nullptr);
  return Now() - start - length;
}

// How much the median may be beyond its limit on this machine now.
Duration Allowed(std::vector<Duration> sleep_excesses) {
  const Duration excess = MedianOf(std::move(sleep_excesses));
  return kPrecision + (excess > kBusy ? excess : Duration::zero());
}

struct Trial {
  std::string what;
  Duration limit{};       // until it fails
  NodeTimeouts timeouts;
  ProxyFaults faults;
  bool hangs = false;     // connecting does
  bool connected = true;  // the operation finds an open connection
  size_t write = 0;       // bytes; 0: a read
  bool plain = false;     // the node knows no meta commands
};

struct Measured {
  int failed;
  Duration beyond[kTries];
  Duration sleep[kTries];
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
      reply = client.Read("k");
    } else {
      client.node->StartWrite("k", value, seconds(100), {}, start + seconds(10));
      reply = client.node->FinishWrite();
    }
    measured->beyond[i] = Now() - start - trial.limit;
    measured->failed += reply.status == NodeStatus::kError;
    measured->sleep[i] = SleepExcess(std::max(trial.limit, Duration(milliseconds(20))));
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
    trial.timeouts = {limit, seconds(5)};
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
  closes.timeouts = {seconds(5), seconds(5)};
  closes.faults.cut_after = 20;
  add(closes, "closes in the middle");  // no time at all
  return trials;
}

TEST_CASE("a node operation keeps its timeouts to within 20 ms, whatever the node does") {
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
    const bool whole = processes[i].Wait(seconds(60)).code == 0;
    const Measured& measured = all->measured[i];
    const std::vector<Duration> beyond(measured.beyond, measured.beyond + kTries);
    const std::vector<Duration> sleeps(measured.sleep, measured.sleep + kTries);
    INFO(trials[i].what << (trials[i].plain ? ", plain" : "") << ": limit " << Millis(trials[i].limit)
                        << " ms, median beyond " << Millis(MedianOf(beyond)) << " ms, sleep "
                        << Millis(MedianOf(sleeps)));
    CHECK(whole);
    CHECK(measured.failed == kTries);
    CHECK(*std::min_element(beyond.begin(), beyond.end()) >= Duration::zero());
    CHECK(MedianOf(beyond) <= Allowed(sleeps));
  }
}

// A node that answers everything with garbage, and knows when each connection's request arrived.
class ProbedNode {
 public:
  ProbedNode() : listener_(ListenOnLoopback(&port_)), thread_([this] { Run(); }) {}
  ~ProbedNode() {
    (void)Stop();
    close(listener_);
  }
  uint16_t port() const { return port_; }

  // The times of arrival so far, in order.
  std::vector<TimePoint> Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return arrivals_;
  }

 private:
  void Run() {
    while (!stop_) {
      pollfd item{listener_, POLLIN, 0};
      if (poll(&item, 1, 10) <= 0) continue;
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      item = {client, POLLIN, 0};
      poll(&item, 1, 10'000);
      // The kernel's own time: this thread may have been kept waiting.
      tcp_info info{};
      socklen_t length = sizeof info;
      getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length);
      arrivals_.push_back(Now() - milliseconds(info.tcpi_last_data_recv));
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
  std::vector<TimePoint> arrivals_;
  std::thread thread_;
};

struct Board {
  NodeHealth health;
  Counters counters;
  std::atomic<bool> stop;
};

NodeSet MakeNodes(Board* board, uint16_t port, Duration retry_interval, const Clock* clock) {
  std::vector<NodeSet::Member> members(1);
  members[0].address = TcpAddress(port);
  members[0].health = &board->health;
  members[0].node = MakeMemcachedNode(members[0].address, {seconds(5), seconds(5)}, &board->health, &board->counters);
  return NodeSet(std::move(members), retry_interval, clock, &board->counters);
}

TEST_CASE("a failing node is asked once per retry_interval by all workers together, to within 20 ms") {
  constexpr Duration kInterval = milliseconds(200);
  constexpr Duration kTime = milliseconds(1500);
  const SystemClock clock;
  Shared<Board> board;
  ProbedNode node;
  const auto ask = [&](NodeSet* nodes) { (void)nodes->ReadAll({0}, "k", Now() + seconds(10)); };
  NodeSet first = MakeNodes(&*board, node.port(), kInterval, &clock);
  ask(&first);
  REQUIRE(board->health.open == 1);

  std::vector<ChildProcess> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      NodeSet nodes = MakeNodes(&*board, node.port(), kInterval, &clock);
      while (!board->stop) {
        ask(&nodes);
        usleep(500);
      }
      return 0;
    });
  }
  std::vector<Duration> sleeps;
  const TimePoint end = Now() + kTime;
  while (Now() < end) sleeps.push_back(SleepExcess(kInterval / 2));
  board->stop = true;
  for (ChildProcess& worker : workers) CHECK(worker.Wait().code == 0);
  const std::vector<TimePoint> arrivals = node.Stop();

  REQUIRE(arrivals.size() >= 3);
  CHECK(arrivals.size() == board->health.failures);
  std::vector<Duration> beyond;
  for (size_t i = 1; i < arrivals.size(); ++i) beyond.push_back(arrivals[i] - arrivals[i - 1] - kInterval);
  INFO("asked " << arrivals.size() << " times, median beyond the interval " << Millis(MedianOf(beyond))
                << " ms, of a sleep " << Millis(MedianOf(sleeps)) << " ms");
  CHECK(*std::min_element(beyond.begin(), beyond.end()) >= -kPrecision);
  CHECK(MedianOf(beyond) <= Allowed(sleeps));
}

}  // namespace
}  // namespace clustered_session
