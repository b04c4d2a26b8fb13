// How exactly a node operation keeps its limit, whatever the node does: the time beyond it, in milliseconds. Layer: bench,
// above cluster/. Starts its own memcached. Limits: connect 40 ms, operation 60 ms; a row is 50 operations.
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "src/cluster/memcached_node.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

using std::chrono::milliseconds;

constexpr int kTries = 50;
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
  Duration limit;             // what the operation may take
  std::function<void()> before;  // makes the node well
  std::function<void()> ill;
  bool alarms = false;
  bool write = false;
};

void Run(const Case& each) {
  Counters counters;
  NodeHealth health{};
  const auto node = MakeMemcachedNode(AddressOf(each.port), kTimeouts, &health, &counters);
  std::vector<double> beyond_ms;
  int errors = 0;
  for (int i = 0; i < kTries; ++i) {
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
  std::sort(beyond_ms.begin(), beyond_ms.end());
  std::printf("%-52s %8.2f %8.2f %8.2f   %d of %d\n", each.name, beyond_ms.front(), beyond_ms[kTries / 2],
              beyond_ms.back(), errors, kTries);
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
  std::printf("%-52s %8s %8s %8s   failed\n", "milliseconds beyond the limit: a node that ...", "min", "median", "max");
  for (const Case& each : cases) Run(each);
  server.Continue();
  for (const int descriptor : clients) close(descriptor);
  close(hanging);
  return 0;
}

}  // namespace
}  // namespace clustered_session

int main() { return clustered_session::Main(); }
