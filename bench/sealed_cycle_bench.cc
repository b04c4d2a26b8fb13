// What encryption and compression of records cost a request that changes its session: the whole cycle of the core, from
// open to close, written through to two nodes. Layer: bench, above session/. Starts two memcached of its own. Each
// iteration runs the cycle plain, encrypted by either cipher, compressed, and both, one after the other, so that
// whatever else the machine does meets all of them; the medians, in microseconds, and their ratios to plain are in the
// columns of counters. PHP's own work is in no figure, so in a site's request the ratios are smaller.
#include <benchmark/benchmark.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "src/base/keyring.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "src/session/worker.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr uint32_t kLifetime = 1440;  // seconds

[[noreturn]] void Give(const char* what) {
  std::fprintf(stderr, "sealed_cycle_bench: %s\n", what);
  std::exit(1);
}

// As PHP serializes a cart: it compresses as such things do.
std::string Cart(size_t size) {
  std::string payload;
  uint64_t seed = 1;
  for (int item = 0; payload.size() < size; ++item) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    char line[160];
    snprintf(line, sizeof line,
             "item_%04d|a:4:{s:3:\"sku\";s:12:\"%012llx\";s:5:\"title\";s:14:\"Article %06llu\";s:3:\"qty\";i:%d;"
             "s:5:\"price\";d:%llu.%02llu;}",
             item, static_cast<unsigned long long>(seed >> 16), static_cast<unsigned long long>(seed >> 44),
             item % 9 + 1, static_cast<unsigned long long>(seed >> 55), static_cast<unsigned long long>(seed >> 57));
    payload += line;
  }
  payload.resize(size);
  return payload;
}

struct Site {
  Site() {
    const std::string path = folder.path() + "/keys";
    std::ofstream(path) << NewKeyLine("k1");
    if (chmod(path.c_str(), 0600) != 0) Give("the key file cannot be made");
    save_path = "m1=127.0.0.1:" + std::to_string(nodes[0].port()) + ",m2=127.0.0.1:" + std::to_string(nodes[1].port());
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(64u << 20, sizeof(SharedState));
    if (!made.ok()) Give("no shared memory");
    store = std::move(*made);
    if (!static_cast<SharedState*>(store->Extra())->Init()) Give("no shared mutexes");
    worker = std::make_unique<Worker>(store.get(), &clock);
    for (const bool compressed : {false, true}) {
      for (const char* cipher : {"", "auto", "xchacha20"}) {
        const bool encrypted = *cipher != '\0';
        if (compressed && *cipher == 'x') continue;
        SessionSettings settings;
        settings.server_id = "bench";
        settings.prefix = "p" + std::to_string(contexts.size()) + ":";
        settings.operation_timeout = settings.connect_timeout = std::chrono::seconds(5);
        settings.affinity = AffinityMode::kBalancer;
        settings.local_trust = std::chrono::hours(1);
        if (encrypted) settings.key_file = path;
        if (*cipher == 'x') settings.cipher = CipherChoice::kXChaCha20;
        settings.compression_level = compressed ? 1 : 0;
        auto context = worker->ContextFor(save_path, settings, contexts.size() + 1);
        if (!context.ok()) Give(context.error().message().c_str());
        contexts.push_back(*context);
      }
    }
  }

  TempDir folder;
  MemcachedProcess nodes[2];
  std::string save_path;
  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Worker> worker;
  std::vector<std::shared_ptr<const SessionContext>> contexts;  // plain, encrypted, by XChaCha20, compressed, both
};

double MedianOf(std::vector<double>* times) {
  std::nth_element(times->begin(), times->begin() + static_cast<long>(times->size() / 2), times->end());
  return (*times)[times->size() / 2];
}

double CpuMicroseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void ChangedCycle(benchmark::State& state) {
  static Site site;
  std::string payload = Cart(static_cast<size_t>(state.range(0)));
  const std::string id = "0123456789abcdef0123456789abcd" + std::to_string(state.range(0) % 89 + 10);
  std::vector<std::vector<double>> times(site.contexts.size());
  std::vector<std::vector<double>> cpu_times(site.contexts.size());
  uint64_t round = 0;
  const auto cycle = [&](const std::shared_ptr<const SessionContext>& context) {
    char number[17];
    snprintf(number, sizeof number, "%016llx", static_cast<unsigned long long>(++round));
    payload.replace(payload.size() / 2, 16, number, 16);
    Session session(context);
    if (!session.Read(id, kLifetime).ok()) Give("a read failed");
    if (!session.Write(id, payload, kLifetime).ok()) Give("a write failed");
    session.Close();
  };
  for (const auto& context : site.contexts) cycle(context);
  for (auto _ : state) {
    double sum = 0;
    for (size_t i = 0; i < times.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      const double cpu_start = CpuMicroseconds();
      cycle(site.contexts[i]);
      cpu_times[i].push_back(CpuMicroseconds() - cpu_start);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      times[i].push_back(time.count() * 1e6);
      sum += time.count();
    }
    state.SetIterationTime(sum);
  }
  const char* const columns[] = {"plain", "encrypted", "xchacha20", "compressed", "both"};
  for (const bool cpu : {false, true}) {
    std::vector<double> medians;
    for (std::vector<double>& each : cpu ? cpu_times : times) medians.push_back(MedianOf(&each));
    const std::string clock = cpu ? "cpu " : "";
    for (size_t i = 0; i < medians.size(); ++i) state.counters[clock + columns[i]] = medians[i];
    for (size_t i = 1; i < medians.size(); ++i) {
      state.counters[clock + columns[i] + "/plain"] = medians[i] / medians[0];
    }
  }
}

BENCHMARK(ChangedCycle)
    ->ArgName("bytes")
    ->Arg(4'096)
    ->Arg(65'536)
    ->UseManualTime()
    ->Iterations(2000)
    ->Unit(benchmark::kMicrosecond);

// 10,000 IDs that nobody has made, refused by their tags: by one thread, in microseconds each.
void ForgedIds(benchmark::State& state) {
  const PoolKeys keys(**Keyring::Parse(NewKeyLine("k1")), "cs:");
  uint64_t seed = 0;
  for (auto _ : state) {
    char id[33];
    seed += 0x9e3779b97f4a7c15ull;
    snprintf(id, sizeof id, "%016llx%016llx", static_cast<unsigned long long>(seed),
             static_cast<unsigned long long>(~seed));
    if (IsSigned(keys, id)) Give("a forged ID is taken for ours");
  }
}

BENCHMARK(ForgedIds)->Iterations(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace clustered_session

BENCHMARK_MAIN();
