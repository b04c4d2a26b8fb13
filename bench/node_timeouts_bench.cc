// How exactly a node operation keeps its limit, and a node that fails is left alone for its retry interval, whatever
// the node does: the time beyond it, in milliseconds. Layer: bench, above cluster/. Starts its own memcached. Limits:
// connect 40 ms, operation 60 ms, retry interval 100 ms. scripts/bench runs it:
//   node_timeouts_bench [operations per row [json]]
// 50 unless named; with json each row is a line of JSON.
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/node_set.h"
#include "src/memcached/memcached_node.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

using std::chrono::milliseconds;

int tries = 50;
bool json = false;
constexpr milliseconds kRetryInterval(100);
constexpr NodeTimeouts kTimeouts = {milliseconds(40), milliseconds(60)};
constexpr size_t kLargeSize = 6'000'000;

NodeAddress AddressOf(uint16_t port) {
  NodeAddress address;
  address.name = "m1";
  address.host = "127.0.0.1";
  address.port = port;
  return address;
}

// SIGALRM each millisecond, without SA_RESTART.
class Alarms {
 public:
  Alarms() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGALRM, &action, nullptr);
    Every(1000);
  }
  ~Alarms() { Every(0); }

 private:
  static void Every(long microseconds) {
    const itimerval timer{{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, nullptr);
  }
};

struct Case {
  const char* name;
  uint16_t port;
  Duration limit;                // what the operation may take
  std::function<void()> before;  // makes the node well
  std::function<void()> ill;
  bool alarms = false;
  bool write = false;
};

void Show(const char* name, std::vector<double> beyond_ms, int errors) {
  std::sort(beyond_ms.begin(), beyond_ms.end());
  const double median = beyond_ms[beyond_ms.size() / 2];
  if (json) {
    std::printf("{\"node\":\"%s\",\"least\":%.3f,\"median\":%.3f,\"most\":%.3f,\"failed\":%d,\"of\":%d}\n", name,
                beyond_ms.front(), median, beyond_ms.back(), errors, tries);
  } else {
    std::printf("%-52s %8.2f %8.2f %8.2f   %d of %d\n", name, beyond_ms.front(), median, beyond_ms.back(), errors,
                tries);
  }
  std::fflush(stdout);
}

void Run(const Case& each) {
  Counters counters;
  NodeHealth health{};
  const auto node = MakeMemcachedNode(AddressOf(each.port), kTimeouts, &health, &counters);
  std::vector<double> beyond_ms;
  int errors = 0;
  for (int i = 0; i < tries; ++i) {
    if (each.before) {
      each.before();
      node->StartRead("x", std::chrono::steady_clock::now() + std::chrono::seconds(5));
      (void)node->FinishRead();
    }
    if (each.ill) each.ill();
    const auto run = [&] {
      const auto start = std::chrono::steady_clock::now();
      NodeReply reply;
      if (each.write) {
        node->StartWrite("k", "v", std::chrono::seconds(100), {}, start + std::chrono::seconds(5));
        reply = node->FinishWrite();
      } else {
        node->StartRead("k", start + std::chrono::seconds(5));
        reply = node->FinishRead();
      }
      const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start - each.limit;
      beyond_ms.push_back(time.count());
      errors += reply.status == NodeStatus::kError ? 1 : 0;
    };
    if (each.alarms) {
      const Alarms alarms;
      run();
    } else {
      run();
    }
  }
  Show(each.name, std::move(beyond_ms), errors);
}

// From the failure of a node to the first time that it is asked again, by one who asks all the time.
void RunRetry(const char* name, uint16_t port) {
  const SystemClock clock;
  Counters counters;
  NodeHealth health{};
  std::vector<NodeSet::Member> members(1);
  members[0].address = AddressOf(port);
  members[0].node = MakeMemcachedNode(AddressOf(port), kTimeouts, &health, &counters);
  members[0].health = &health;
  NodeSet nodes(std::move(members), kRetryInterval, &clock, &counters);
  std::vector<double> beyond_ms;
  int errors = 0;
  TimePoint failed{};
  while (static_cast<int>(beyond_ms.size()) < tries) {
    const TimePoint start = clock.Now();
    const NodeStatus status = nodes.ReadAll({0}, "k", start + std::chrono::seconds(5))[0].reply.status;
    if (status == NodeStatus::kSkipped) {
      timespec moment{0, 100'000};
      nanosleep(&moment, nullptr);
      continue;
    }
    errors += status == NodeStatus::kError ? 1 : 0;
    if (failed != TimePoint{}) {
      const std::chrono::duration<double, std::milli> time = start - failed - kRetryInterval;
      beyond_ms.push_back(time.count());
    }
    failed = clock.Now();
  }
  Show(name, std::move(beyond_ms), errors - 1);
}

int Main() {
  MemcachedProcess::Options options;
  options.arguments = {"-I", "8m", "-m", "64"};
  MemcachedProcess server(options);
  if (!server.Set("k", std::string(kLargeSize, 'v'))) return 1;
  FaultProxy proxy(server.port());
  uint16_t hanging_port = 0;
  const int hanging = ListenOnLoopback(&hanging_port, false, 0);
  std::vector<int> clients;  // fill its queue: connecting to it now is a black hole, as far as SYN packets go
  for (int i = 0; i < 4; ++i) {
    sockaddr_storage address;
    socklen_t length = sizeof address;
    getsockname(hanging, reinterpret_cast<sockaddr*>(&address), &length);
    clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)!connect(clients.back(), reinterpret_cast<sockaddr*>(&address), length);
  }
  const auto with = [&proxy](const std::function<void(ProxyFaults*)>& change) {
    return [&proxy, change] {
      ProxyFaults faults;
      change(&faults);
      proxy.Set(faults);
    };
  };
  const auto heal = [&] {
    server.Continue();
    proxy.Heal();
  };
  const auto hole = with([](ProxyFaults* faults) { faults->black_hole = true; });
  const auto drip = with([](ProxyFaults* faults) { faults->drip = milliseconds(7); });
  const auto slow_end = with([](ProxyFaults* faults) {
    faults->drip = milliseconds(7);
    faults->drip_from = kLargeSize - 1000;
  });
  const auto cut = with([](ProxyFaults* faults) { faults->cut_after = 10; });
  const auto stopped = [&server] { server.Stop(); };
  const auto continued = [&server] { server.Continue(); };
  const Duration both = kTimeouts.connect + kTimeouts.operation;
  const std::vector<Case> cases = {
      {"connecting is never answered", hanging_port, kTimeouts.connect, nullptr, nullptr},
      {"connecting is never answered, alarms", hanging_port, kTimeouts.connect, nullptr, nullptr, true},
      {"accepts and never answers, read", proxy.port(), both, heal, hole},
      {"accepts and never answers, write", proxy.port(), both, heal, hole, false, true},
      {"accepts and never answers, alarms", proxy.port(), both, heal, hole, true},
      {"is stopped (SIGSTOP)", server.port(), both, continued, stopped},
      {"answers a byte each 7 ms", proxy.port(), both, heal, drip},
      {"answers a byte each 7 ms, alarms", proxy.port(), both, heal, drip, true},
      {"6 MB whose end comes a byte each 7 ms", proxy.port(), both, heal, slow_end},
      {"6 MB whose end comes a byte each 7 ms, alarms", proxy.port(), both, heal, slow_end, true},
      {"closes in the middle (no limit: the time itself)", proxy.port(), Duration::zero(), heal, cut},
  };
  if (!json) {
    std::printf("%-52s %8s %8s %8s   failed\n", "milliseconds beyond the limit: a node that ...", "min", "median",
                "max");
  }
  for (const Case& each : cases) Run(each);
  server.Stop();
  RunRetry("is stopped: its retry interval", server.port());
  server.Continue();
  RunRetry("connecting is never answered: its retry interval", hanging_port);
  for (const int descriptor : clients) close(descriptor);
  close(hanging);
  return 0;
}

}  // namespace
}  // namespace clustered_session

int main(int count, char** arguments) {
  using clustered_session::json;
  using clustered_session::tries;
  if (count > 1) tries = std::atoi(arguments[1]);
  json = count > 2 && std::strcmp(arguments[2], "json") == 0;
  if (tries > 0) return clustered_session::Main();
  std::fprintf(stderr, "node_timeouts_bench [operations per row [json]]\n");
  return 2;
}
