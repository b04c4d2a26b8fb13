// What the local store costs, beside what the same copies cost without it. Run by bench/run_local, which reads the
// ratios off. Compare times within one run only.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "src/local/local_store.h"
#include "tests/local/one_hit_trace.h"

namespace clustered_session {
namespace {

constexpr size_t kPayload = 4096;  // bytes of a usual session
constexpr size_t kSmall = 200;     // bytes, so that a million of them fit
const TimePoint kNow{std::chrono::hours(1)};
const TimePoint kExpiry{std::chrono::hours(1000)};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "local_store_bench: %s\n", what);
  std::exit(1);
}

void* Map(size_t size) {
  void* base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) Fail("no shared memory");
  // As the store does.
  (void)madvise(base, size, MADV_HUGEPAGE);
  return base;
}

// The same order of keys for everybody; costs a nanosecond.
class Random {
 public:
  explicit Random(uint64_t seed = 1) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t Below(uint64_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return ((state_ >> 32) * limit) >> 32;  // REQUIRES: limit below 2^32
  }

 private:
  uint64_t state_;
};

SessionKey KeyOf(uint64_t number) {
  SessionKey key;
  std::memcpy(key.bytes.data(), &number, sizeof number);
  key.bytes[15] = 0x5e;
  return key;
}

Entry EntryOf(uint32_t flags = 0) {
  Entry entry;
  entry.version = 1;
  entry.epoch = 1;
  entry.flags = flags;
  entry.lifetime_s = 1440;
  entry.expires_at_ns = ToNanos(kExpiry);
  entry.confirmed_at_ns = ToNanos(kNow);
  entry.nodes_expire_at_ns = ToNanos(kExpiry);
  for (size_t i = 0; i < 2; ++i) entry.tokens[i] = {.cas = 1000 + i, .incarnation = 7, .node_hash = 5 + uint32_t(i)};
  return entry;
}

std::string PayloadOf(size_t size) {
  std::string payload(size, '\0');
  Random random(size);
  for (char& byte : payload) byte = static_cast<char>(random.Below(256));
  return payload;
}

std::unique_ptr<LocalStore> MakeStore(size_t memory, uint64_t entries, size_t size) {
  Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(memory, 0);
  if (!made.ok()) Fail(made.error().message().c_str());
  const std::string payload = PayloadOf(size);
  for (uint64_t i = 0; i < entries; ++i) {
    if (!(*made)->Put(KeyOf(i), EntryOf(), payload, kNow).ok()) Fail("a Put failed");
  }
  if ((*made)->GetUsage().entries != entries) Fail("the entries do not fit");
  return std::move(made.value());
}

// Made once each: a benchmark's function runs several times.
LocalStore* StoreWith(uint64_t entries, size_t size) {
  static std::map<std::pair<uint64_t, size_t>, std::unique_ptr<LocalStore>> stores;
  std::unique_ptr<LocalStore>& store = stores[{entries, size}];
  if (store == nullptr) store = MakeStore(std::max<size_t>(64u << 20, entries * (size + 340)), entries, size);
  return store.get();
}

// Payloads side by side in shared memory, behind one mutex: the least that any store would have to do.
struct BareMemory {
  pthread_mutex_t mutex;
  alignas(64) char bytes[1];

  // Made once each.
  static BareMemory* With(uint64_t entries, size_t size, bool robust) {
    static std::map<std::tuple<uint64_t, size_t, bool>, BareMemory*> memories;
    BareMemory*& memory = memories[{entries, size, robust}];
    if (memory == nullptr) memory = Make(entries, size, robust);
    return memory;
  }

  static BareMemory* Make(uint64_t entries, size_t size, bool robust) {
    auto* memory = static_cast<BareMemory*>(Map(sizeof(BareMemory) + entries * size));
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (pthread_mutex_init(&memory->mutex, &attributes) != 0) Fail("no mutex");
    pthread_mutexattr_destroy(&attributes);
    const std::string payload = PayloadOf(size);
    for (uint64_t i = 0; i < entries; ++i) std::memcpy(memory->bytes + i * size, payload.data(), size);
    return memory;
  }
};

void BareCopy(benchmark::State& state, bool robust) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  const auto size = static_cast<size_t>(state.range(1));
  BareMemory* memory = BareMemory::With(entries, size, robust);
  std::string copy(size, '\0');
  Random random;
  for (auto _ : state) {
    const char* from = memory->bytes + random.Below(entries) * size;
    pthread_mutex_lock(&memory->mutex);
    std::memcpy(copy.data(), from, size);
    pthread_mutex_unlock(&memory->mutex);
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
  }
}

// Behind the mutex that a careless cache has: PTHREAD_PROCESS_SHARED, not robust, not checked.
void BareMemcpy(benchmark::State& state) { BareCopy(state, false); }
// Behind a robust one, which is what surviving a worker's death costs everybody.
void BareMemcpyRobust(benchmark::State& state) { BareCopy(state, true); }

void Lookup(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  LocalStore* store = StoreWith(entries, static_cast<size_t>(state.range(1)));
  Random random;
  Entry entry;
  std::string payload;
  for (auto _ : state) {
    if (!store->Lookup(KeyOf(random.Below(entries)), kNow, &entry, &payload)) Fail("a Lookup missed");
    benchmark::DoNotOptimize(payload.data());
  }
}

// A thousand sessions in use, among so many.
void LookupInUse(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  LocalStore* store = StoreWith(entries, static_cast<size_t>(state.range(1)));
  Random random;
  Entry entry;
  std::string payload;
  for (auto _ : state) {
    const uint64_t number = random.Below(1000) * (entries / 1000);
    if (!store->Lookup(KeyOf(number), kNow, &entry, &payload)) Fail("a Lookup missed");
    benchmark::DoNotOptimize(payload.data());
  }
}

void LookupMiss(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  LocalStore* store = StoreWith(entries, kPayload);
  Random random;
  Entry entry;
  std::string payload;
  for (auto _ : state) {
    benchmark::DoNotOptimize(store->Lookup(KeyOf(entries + random.Below(entries)), kNow, &entry, &payload));
  }
}

void PutSameSize(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  const auto store = MakeStore(64u << 20, entries, kPayload);
  const std::string payload = PayloadOf(kPayload);
  Random random;
  for (auto _ : state) {
    if (!store->Put(KeyOf(random.Below(entries)), EntryOf(), payload, kNow).ok()) Fail("a Put failed");
  }
}

void PutWithEviction(benchmark::State& state) {
  const auto store = MakeStore(64u << 20, 0, kPayload);
  const std::string payload = PayloadOf(kPayload);
  uint64_t number = 0;
  while (store->counters().evictions.Get() == 0) (void)store->Put(KeyOf(number++), EntryOf(), payload, kNow).ok();
  const uint64_t before = store->counters().evictions.Get();
  for (auto _ : state) {
    if (!store->Put(KeyOf(number++), EntryOf(), payload, kNow).ok()) Fail("a Put failed");
  }
  state.counters["evictions"] = benchmark::Counter(static_cast<double>(store->counters().evictions.Get() - before),
                                                   benchmark::Counter::kAvgIterations);
}

// Of all sizes, so that free memory is in pieces.
void PutMixedWithEviction(benchmark::State& state) {
  const auto store = MakeStore(64u << 20, 0, kPayload);
  const std::string payload = PayloadOf(16 * 1024);
  Random random;
  uint64_t number = 0;
  const auto put = [&] {
    const size_t size = random.Below(4) == 0 ? random.Below(16 * 1024) : random.Below(2048);
    (void)store->Put(KeyOf(number++), EntryOf(), std::string_view(payload).substr(0, size), kNow).ok();
  };
  while (store->counters().evictions.Get() < 20'000) put();
  for (auto _ : state) put();
}

void PutAndErase(benchmark::State& state) {
  const auto store = MakeStore(64u << 20, 1000, kPayload);
  const std::string payload = PayloadOf(kPayload);
  uint64_t number = 1000;
  for (auto _ : state) {
    if (!store->Put(KeyOf(++number), EntryOf(), payload, kNow).ok()) Fail("a Put failed");
    if (!store->Erase(KeyOf(number))) Fail("an Erase missed");
  }
}

void Update(benchmark::State& state) {
  LocalStore* store = StoreWith(1000, kPayload);
  Random random;
  for (auto _ : state) {
    if (!store->Update(KeyOf(random.Below(1000)), EntryOf(), {}, EntryOf())) Fail("an Update missed");
  }
}

// Processes that look up at once, for a fixed time; the time of one iteration is that of one operation of all of them
// together. One operation in `puts_per_mille` of a thousand is a Put.
void Together(benchmark::State& state, uint64_t puts_per_mille) {
  constexpr auto kTime = std::chrono::milliseconds(400);
  constexpr uint64_t kEntries = 1000;
  struct Board {
    std::atomic<uint32_t> go;
    std::atomic<uint32_t> stop;
    alignas(64) std::atomic<uint64_t> operations;
  };
  const auto processes = static_cast<int>(state.range(0));
  const auto store = MakeStore(64u << 20, kEntries, kPayload);
  auto* board = static_cast<Board*>(Map(sizeof(Board)));
  const std::string bytes = PayloadOf(kPayload);
  double per_second = 0;
  double per_cpu_second = 0;
  for (auto _ : state) {
    new (board) Board{};
    std::vector<pid_t> children;
    rusage before;
    getrusage(RUSAGE_CHILDREN, &before);
    for (int i = 0; i < processes; ++i) {
      const pid_t child = fork();
      if (child < 0) Fail("no process");
      if (child > 0) {
        children.push_back(child);
        continue;
      }
      Random random(static_cast<uint64_t>(i) + 1);
      Entry entry;
      std::string payload;
      uint64_t operations = 0;
      while (board->go.load() == 0) usleep(100);
      while (board->stop.load(std::memory_order_relaxed) == 0) {
        const SessionKey key = KeyOf(random.Below(kEntries));
        const bool put = puts_per_mille > 0 && random.Below(1000) < puts_per_mille;
        if (put ? !store->Put(key, EntryOf(), bytes, kNow).ok() : !store->Lookup(key, kNow, &entry, &payload)) _exit(1);
        ++operations;
      }
      board->operations.fetch_add(operations);
      _exit(0);
    }
    usleep(20'000);
    const auto from = std::chrono::steady_clock::now();
    board->go.store(1);
    usleep(static_cast<useconds_t>(std::chrono::microseconds(kTime).count()));
    board->stop.store(1);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - from;
    for (const pid_t child : children) {
      int status = 0;
      if (waitpid(child, &status, 0) != child || status != 0) Fail("a process failed");
    }
    rusage after;
    getrusage(RUSAGE_CHILDREN, &after);
    const auto cpu = [](const rusage& use) {
      return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
             static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    };
    const auto operations = static_cast<double>(board->operations.load());
    state.SetIterationTime(seconds.count() / operations);
    per_second = operations / seconds.count();
    per_cpu_second = operations / (cpu(after) - cpu(before));
  }
  state.counters["per_second"] = per_second;
  state.counters["per_cpu_second"] = per_cpu_second;
  munmap(board, sizeof(Board));
}

void TogetherLookups(benchmark::State& state) { Together(state, 0); }
void TogetherMixed(benchmark::State& state) { Together(state, 100); }

// No time: the share of returning requests whose session is still here, where nine sessions in ten never return.
void HitRatio(benchmark::State& state) {
  constexpr size_t kSize = 2000;
  constexpr int kSteps = 200'000;
  constexpr int kWarmUp = 20'000;
  double hits = 0;
  double lru_hits = 0;
  double returns = 0;
  for (auto _ : state) {
    const auto store = MakeStore(4u << 20, 0, kSize);
    PlainLru lru(store->GetUsage().payload_memory);
    OneHitTrace trace;
    const std::string payload = PayloadOf(kSize);
    hits = lru_hits = returns = 0;
    for (int i = 0; i < kSteps; ++i) {
      const OneHitTrace::Request request = trace.Next();
      const bool hit = store->Lookup(KeyOf(request.session), kNow, nullptr, nullptr);
      if (!hit) (void)store->Put(KeyOf(request.session), EntryOf(), payload, kNow).ok();
      const bool lru_hit = lru.Use(request.session, kSize + 128);
      if (!request.returns || i < kWarmUp) continue;
      ++returns;
      hits += hit ? 1 : 0;
      lru_hits += lru_hit ? 1 : 0;
    }
  }
  state.counters["store"] = hits / returns;
  state.counters["plain_lru"] = lru_hits / returns;
}

// No time: what an entry takes of the default local_memory beside its payload, tables, session locks and all.
void Overhead(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    const auto store = MakeStore(64u << 20, 0, size);
    const std::string payload = PayloadOf(size);
    for (uint64_t i = 0; store->counters().evictions.Get() == 0; ++i) {
      (void)store->Put(KeyOf(i), EntryOf(), payload, kNow).ok();
    }
    const LocalStore::Usage usage = store->GetUsage();
    state.counters["entries"] = static_cast<double>(usage.entries);
    state.counters["beside_payload"] =
        static_cast<double>(usage.memory) / static_cast<double>(usage.entries) - static_cast<double>(size);
  }
}

constexpr int64_t kThousand = 1000;
constexpr int64_t kMillion = 1'000'000;

BENCHMARK(BareMemcpy)->Args({1, kPayload})->Args({kThousand, kPayload})->Args({kThousand, kSmall});
// A million of 4 KB where the machine has the memory.
void Many(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({kMillion, kSmall});
  if (sysconf(_SC_AVPHYS_PAGES) > (int64_t{12} << 30) / sysconf(_SC_PAGESIZE)) benchmark->Args({kMillion, kPayload});
}

BENCHMARK(LookupInUse)->Apply(Many)->Args({kThousand, kPayload})->Args({kThousand, kSmall});
BENCHMARK(BareMemcpy)->Apply(Many);
BENCHMARK(Lookup)->Apply(Many);
BENCHMARK(BareMemcpyRobust)->Args({1, kPayload})->Args({kThousand, kPayload});
BENCHMARK(Lookup)->Args({1, kPayload})->Args({kThousand, kPayload})->Args({kThousand, kSmall});
BENCHMARK(LookupMiss)->Arg(kThousand);
BENCHMARK(PutSameSize)->Arg(kThousand);
BENCHMARK(PutWithEviction);
BENCHMARK(PutMixedWithEviction);
BENCHMARK(PutAndErase);
BENCHMARK(Update);
BENCHMARK(TogetherLookups)->Arg(2)->Arg(8)->UseManualTime()->Iterations(1);
BENCHMARK(TogetherMixed)->Arg(2)->Arg(8)->UseManualTime()->Iterations(1);
BENCHMARK(Overhead)->Iterations(1)->ArgsProduct({{0, 200, 217, 500, 1000, 2000, 4096, 8192, 16384, 65536}});
BENCHMARK(HitRatio)->Iterations(1);

}  // namespace
}  // namespace clustered_session

BENCHMARK_MAIN();
