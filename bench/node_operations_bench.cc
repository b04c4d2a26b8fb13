// What an operation on a node costs beside the bare call of libmemcached that does the same, or less. Layer: bench,
// above cluster/. Starts its own memcached, on the last processor it may use, and runs on the first. Each iteration
// does all calls of a comparison one after the other, so that whatever else the machine does meets all of them; the
// medians and their ratios are the result, in the columns of counters. scripts/bench runs it, each repetition a round.
#include <benchmark/benchmark.h>
#include <libmemcached/memcached.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "src/memcached/memcached_node.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr std::string_view kKey = "cs:0123456789012345678901";
constexpr auto kTtl = std::chrono::seconds(1000);

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "node_operations_bench: %s\n", what);
  std::exit(1);
}

// Where a process runs decides what a round trip on loopback takes.
class Placement {
 public:
  Placement() {
    CPU_ZERO(&allowed_);
    if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) Fail("the processors are not known");
  }
  // Of this thread and what it starts from now on.
  void Pin(bool first) const {
    int chosen = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed_) && (chosen < 0 || !first)) chosen = cpu;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) Fail("a process cannot be pinned");
  }

 private:
  cpu_set_t allowed_;
};

struct Server {
  static Server& Of(bool over_unix) {
    static Server tcp(false);
    static Server local(true);
    return over_unix ? local : tcp;
  }
  explicit Server(bool over_unix) : memcached(OptionsOf(over_unix)) { placement().Pin(true); }

  static const Placement& placement() {
    static const Placement placement;
    return placement;
  }
  MemcachedProcess::Options OptionsOf(bool over_unix) {
    placement().Pin(false);
    MemcachedProcess::Options options;
    if (over_unix) options.unix_path = folder.path() + "/memcached";
    return options;
  }
  NodeAddress address() const {
    NodeAddress address;
    address.name = "m1";
    address.unix_path = memcached.unix_path();
    if (address.unix_path.empty()) {
      address.host = "127.0.0.1";
      address.port = memcached.port();
    }
    return address;
  }

  TempDir folder;
  MemcachedProcess memcached;
};

// libmemcached as a program uses it that cares about nothing else.
class Bare {
 public:
  explicit Bare(const Server& server) : memcached_(memcached_create(nullptr)) {
    memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_behavior_set(memcached_, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    const NodeAddress address = server.address();
    if (address.is_unix()) {
      memcached_server_add_unix_socket(memcached_, address.unix_path.c_str());
    } else {
      memcached_server_add(memcached_, address.host.c_str(), address.port);
    }
  }
  ~Bare() { memcached_free(memcached_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  void Set(std::string_view value) {
    if (memcached_set(memcached_, kKey.data(), kKey.size(), value.data(), value.size(), kTtl.count(), 0) !=
        MEMCACHED_SUCCESS) {
      Fail("a bare set failed");
    }
  }

  uint64_t Gets() {
    const char* key = kKey.data();
    const size_t size = kKey.size();
    if (memcached_mget(memcached_, &key, &size, 1) != MEMCACHED_SUCCESS) Fail("a bare get failed");
    memcached_result_st result;
    memcached_result_create(memcached_, &result);
    memcached_return_t code = MEMCACHED_SUCCESS;
    uint64_t cas = 0;
    while (memcached_fetch_result(memcached_, &result, &code) != nullptr) {
      value_.assign(memcached_result_value(&result), memcached_result_length(&result));
      cas = memcached_result_cas(&result);
    }
    memcached_result_free(&result);
    return cas;
  }

  void Cas(std::string_view value, uint64_t cas) {
    if (memcached_cas(memcached_, kKey.data(), kKey.size(), value.data(), value.size(), kTtl.count(), 0, cas) !=
        MEMCACHED_SUCCESS) {
      Fail("a bare cas failed");
    }
  }

 private:
  memcached_st* memcached_;
  std::string value_;
};

double Median(std::vector<double>* times) {
  std::nth_element(times->begin(), times->begin() + static_cast<long>(times->size() / 2), times->end());
  return (*times)[times->size() / 2];
}

// Columns: what the bare get, set and cas, the bare cas followed by a gets, our read and our write take, in
// microseconds, and the ratios. A write of ours is what the fourth is, in one flight: conditional, read back, its next
// token known.
void Operations(benchmark::State& state) {
  Server& server = Server::Of(state.range(0) != 0);
  const std::string value(static_cast<size_t>(state.range(1)), 'v');
  Bare bare(server);
  Counters counters;
  NodeHealth health{};
  const std::unique_ptr<Node> node =
      MakeMemcachedNode(server.address(), {std::chrono::seconds(5), std::chrono::seconds(5)}, &health, &counters);
  NodeToken token;
  uint64_t cas = 0;
  const auto far = [] { return std::chrono::steady_clock::now() + std::chrono::seconds(10); };

  const std::vector<std::function<void()>> calls = {
      [&] { benchmark::DoNotOptimize(bare.Gets()); },
      [&] { bare.Set(value); },
      [&] { bare.Cas(value, cas); },
      [&] {
        bare.Cas(value, cas);
        cas = bare.Gets();
      },
      [&] {
        node->StartRead(kKey, far());
        if (node->FinishRead().status != NodeStatus::kHit) Fail("a read failed");
      },
      [&] {
        node->StartWrite(kKey, value, kTtl, token, far());
        const NodeReply reply = node->FinishWrite();
        if (reply.status != NodeStatus::kStored) Fail("a write failed");
        token = reply.token;
      },
  };
  std::vector<std::vector<double>> times(calls.size());
  for (auto _ : state) {
    double sum = 0;
    for (size_t i = 0; i < calls.size(); ++i) {
      // Whose turn it is has what the one before stored.
      if (i == 2 || i == 3) cas = bare.Gets();
      if (i == 5) {
        node->StartRead(kKey, far());
        token = node->FinishRead().token;
      }
      const auto start = std::chrono::steady_clock::now();
      calls[i]();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      times[i].push_back(time.count() * 1e6);
      sum += time.count();
    }
    state.SetIterationTime(sum);
  }
  std::vector<double> medians;
  for (std::vector<double>& each : times) medians.push_back(Median(&each));
  const char* const columns[] = {"get", "set", "cas", "cas+gets", "read", "write"};
  for (size_t i = 0; i < medians.size(); ++i) state.counters[columns[i]] = medians[i];
  state.counters["read/get"] = medians[4] / medians[0];
  state.counters["write/set"] = medians[5] / medians[1];
  state.counters["write/cas"] = medians[5] / medians[2];
  state.counters["write/cas+gets"] = medians[5] / medians[3];
}

BENCHMARK(Operations)
    ->ArgNames({"unix", "bytes"})
    ->ArgsProduct({{0, 1}, {200, 4'096, 65'536}})
    ->UseManualTime()
    ->Iterations(300)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace clustered_session

BENCHMARK_MAIN();
