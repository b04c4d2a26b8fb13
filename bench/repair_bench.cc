// How long sessions are without their copies: the time until a node that restarted empty has all back, of what a server
// has entries of and of what none has, with no request and with requests beside it; and the time until entries that no
// node has acknowledged are written, over a network of one millisecond.
//   repair_bench [<sessions> [<bytes> [<flushed>]]]     10000, 4096, 10000
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "src/session/background_flusher.h"
#include "src/session/repairer.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;
using Time = std::chrono::steady_clock::time_point;

namespace {

constexpr uint32_t kLifetime = 1440;
constexpr Duration kRequestEach = std::chrono::milliseconds(1);

Time Now() { return std::chrono::steady_clock::now(); }
double SecondsSince(Time begin) { return std::chrono::duration<double>(Now() - begin).count(); }

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "repair_bench: %s\n", what.c_str());
  exit(1);
}

// One web server; Forget() is a restart of it.
struct Server {
  Server(std::vector<uint16_t> ports, size_t memory_bytes) : memory(memory_bytes) {
    for (size_t i = 0; i < ports.size(); ++i) {
      save_path += (i > 0 ? ",m" : "m") + std::to_string(i) + "=127.0.0.1:" + std::to_string(ports[i]);
    }
    settings.server_id = "a";
    settings.retry_interval = std::chrono::milliseconds(100);
    settings.operation_timeout = std::chrono::seconds(2);
    Forget();
  }

  void Forget() {
    flusher.reset();
    store.reset();
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(memory, sizeof(SharedState));
    if (!made.ok()) Die(made.error().message());
    store = std::move(*made);
    if (!static_cast<SharedState*>(store->Extra())->Init()) Die("no shared mutexes");
    flusher = std::make_unique<BackgroundFlusher>(store.get(), &clock, settings);
  }
  std::shared_ptr<const SessionContext> Context(Worker* worker) const {
    auto context = worker->ContextFor(save_path, settings, 1);
    if (!context.ok()) Die(context.error().message());
    return *context;
  }
  std::vector<std::string> Write(Worker* worker, size_t count, size_t size) {
    const auto context = Context(worker);
    const std::string payload = "n|s:" + std::to_string(size) + ":\"" + std::string(size, 'x') + "\";";
    std::vector<std::string> ids;
    for (size_t i = 0; i < count; ++i) {
      Session session(*context);
      ids.push_back(session.CreateId(std::to_string(next) + "abcdefghijklmnopqrstuvwxyz", next));
      ++next;
      if (!session.Read(ids.back(), kLifetime).ok() || !session.Write(ids.back(), payload, kLifetime).ok()) {
        Die("a session was not written");
      }
    }
    return ids;
  }
  double UntilWhole(Worker* worker) {
    const Time begin = Now();
    flusher->Wake();
    while (!IsWhole(*Context(worker))) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return SecondsSince(begin);
  }

  const size_t memory;
  std::string save_path;
  SessionSettings settings;
  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<BackgroundFlusher> flusher;
  unsigned long long next = 0;
};

// Requests that change a session each, one in a millisecond; their times.
class Requests {
 public:
  Requests(Server* server, const std::vector<std::string>* ids)
      : thread_([this, server, ids] {
          Worker worker(server->store.get(), &server->clock);
          const auto context = server->Context(&worker);
          for (size_t i = 0; !stop_; ++i) {
            const Time begin = Now();
            const std::string& id = (*ids)[i % ids->size()];
            Session session(*context);
            if (!session.Read(id, kLifetime).ok() ||
                !session.Write(id, "n|i:" + std::to_string(i) + ";", kLifetime).ok())
              Die("a request failed");
            times_.push_back(SecondsSince(begin));
            std::this_thread::sleep_until(begin + kRequestEach);
          }
        }) {}
  double P99Ms() {
    stop_ = true;
    thread_.join();
    std::sort(times_.begin(), times_.end());
    return times_.empty() ? 0 : 1e3 * times_[times_.size() * 99 / 100];
  }

 private:
  std::atomic<bool> stop_{false};
  std::vector<double> times_;
  std::thread thread_;
};

void MeasureRepair(size_t sessions, size_t bytes) {
  MemcachedProcess::Options options;
  options.arguments = {"-m", "2048"};
  MemcachedProcess nodes[] = {MemcachedProcess(options), MemcachedProcess(options), MemcachedProcess(options)};
  Server server({nodes[0].port(), nodes[1].port(), nodes[2].port()}, (64u << 20) + 2 * sessions * (bytes + 512));
  {
    Worker worker(server.store.get(), &server.clock);
    server.Write(&worker, sessions, bytes);
    server.UntilWhole(&worker);
    nodes[0].Restart();
    printf("%zu sessions of %zu bytes, which the server has: whole after %.1f s\n", sessions, bytes,
           server.UntilWhole(&worker));
    const std::vector<std::string> used = server.Write(&worker, 1000, 100);
    server.UntilWhole(&worker);
    Requests alone(&server, &used);
    std::this_thread::sleep_for(std::chrono::seconds(3));
    const double alone_ms = alone.P99Ms();
    nodes[1].Restart();
    Requests beside(&server, &used);
    const double took = server.UntilWhole(&worker);
    const double beside_ms = beside.P99Ms();
    printf(
        "the same, with 1000 requests/s beside it: whole after %.1f s; p99 %.2f ms, and %.2f ms without repair: "
        "%.2fx\n",
        took, beside_ms, alone_ms, beside_ms / alone_ms);
  }
  server.Forget();
  Worker worker(server.store.get(), &server.clock);
  server.Write(&worker, 1, 100);
  printf("a server that knows none of them, at its start: whole after %.1f s\n", server.UntilWhole(&worker));
  nodes[2].Restart();
  printf("the same, a node restarted empty: whole after %.1f s\n", server.UntilWhole(&worker));
}

void MeasureFlush(size_t sessions) {
  MemcachedProcess nodes[3];
  FaultProxy proxies[] = {FaultProxy(nodes[0].port()), FaultProxy(nodes[1].port()), FaultProxy(nodes[2].port())};
  ProxyFaults faults;
  faults.delay = std::chrono::milliseconds(1);
  for (FaultProxy& proxy : proxies) proxy.Set(faults);
  Server server({proxies[0].port(), proxies[1].port(), proxies[2].port()}, (64u << 20) + 2 * sessions * 1024);
  server.settings.write = WriteMode::kBehind;
  server.settings.behind_max = 10'000'000;
  server.settings.news_interval = Duration::zero();
  server.settings.repair_rate = 0;
  server.Forget();
  Worker worker(server.store.get(), &server.clock);
  server.Write(&worker, sessions, 200);
  const size_t unwritten = server.store->UnreplicatedCount();
  const Time begin = Now();
  const size_t left = server.flusher->FlushAll(Now() + std::chrono::minutes(5));
  printf("%zu sessions that no node had, over 1 ms: written after %.1f s (%zu left)\n", unwritten, SecondsSince(begin),
         left);
}

}  // namespace

int main(int count, char** arguments) {
  const auto number = [&](int index, size_t otherwise) {
    return count > index ? static_cast<size_t>(strtoull(arguments[index], nullptr, 10)) : otherwise;
  };
  const size_t sessions = number(1, 10'000);
  if (sessions > 0) MeasureRepair(sessions, number(2, 4096));
  MeasureFlush(number(3, 10'000));
  return 0;
}
