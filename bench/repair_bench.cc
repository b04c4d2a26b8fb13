// How long sessions are without their copies: the time until a node that restarted empty has all back, of what a server
// has entries of and of what none has, with no request and with requests beside it; and the time until entries that no
// node has acknowledged are written, over a network of one millisecond.
//   repair_bench [<sessions> [<bytes> [<flushed> [<rounds>]]]]     10000, 4096, 10000, 1
// `rounds`: how often the time of requests is measured: alone, beside a repair, and beside a bare client that stores as
// much as the repair.
#include <unistd.h>

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
#include "src/session/repair_batch.h"
#include "src/session/repairer.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/free_port.h"
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

// The least that a repair has to do, by nobody of ours: items of this size are stored on a node at the same rate.
class BareStores {
 public:
  BareStores(uint16_t port, size_t bytes, uint32_t rate)
      : thread_([this, port, bytes, rate] {
          const int descriptor = ConnectToLoopback(port);
          if (descriptor < 0) Die("a node does not answer");
          for (size_t batch = 0; !stop_; ++batch) {
            const Time begin = Now();
            Store(descriptor, batch, bytes);
            std::this_thread::sleep_until(begin + std::chrono::nanoseconds(1'000'000'000 * kBatch / rate));
          }
          close(descriptor);
        }) {}
  ~BareStores() {
    stop_ = true;
    thread_.join();
  }

 private:
  static constexpr size_t kBatch = RepairBatch::kEntriesMax;

  static void Store(int descriptor, size_t batch, size_t bytes) {
    std::string sent;
    for (size_t i = 0; i < kBatch; ++i) {
      sent += "ms bare" + std::to_string((batch * kBatch + i) % 10'000) + " " + std::to_string(bytes) + "\r\n" +
              std::string(bytes, 'x') + "\r\n";
    }
    for (size_t at = 0; at < sent.size();) {
      const ssize_t written = write(descriptor, sent.data() + at, sent.size() - at);
      if (written <= 0) Die("a node does not take bare items");
      at += static_cast<size_t>(written);
    }
    for (size_t left = kBatch * 4; left > 0;) {  // "HD\r\n" each
      char answers[kBatch * 4];
      const ssize_t got = read(descriptor, answers, left);
      if (got <= 0) Die("a node does not answer bare items");
      left -= static_cast<size_t>(got);
    }
  }

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

double MedianOf(std::vector<double>* values) {
  std::sort(values->begin(), values->end());
  return (*values)[values->size() / 2];
}

void MeasureRepair(size_t sessions, size_t bytes, size_t rounds) {
  MemcachedProcess::Options options;
  options.arguments = {"-m", "2048"};
  MemcachedProcess nodes[] = {MemcachedProcess(options), MemcachedProcess(options), MemcachedProcess(options)};
  Server server({nodes[0].port(), nodes[1].port(), nodes[2].port()}, (64u << 20) + 2 * sessions * (bytes + 512));
  {
    Worker worker(server.store.get(), &server.clock);
    server.Write(&worker, sessions, bytes);
    server.UntilWhole(&worker);
    nodes[0].Restart();
    const double alone_s = server.UntilWhole(&worker);
    printf("%zu sessions of %zu bytes, which the server has: whole after %.1f s\n", sessions, bytes, alone_s);
    const std::vector<std::string> used = server.Write(&worker, 1000, 100);
    server.UntilWhole(&worker);
    std::vector<double> ratios;
    std::vector<double> bare_ratios;
    for (size_t round = 0; round < rounds; ++round) {
      // As long as the repair will take: the p99 of single seconds differ by more than what is measured here.
      const auto measure = [&] {
        Requests requests(&server, &used);
        std::this_thread::sleep_for(std::chrono::duration<double>(alone_s));
        return requests.P99Ms();
      };
      const double alone_ms = measure();
      nodes[1 + round % 2].Restart();
      Requests beside(&server, &used);
      const double took = server.UntilWhole(&worker);
      const double beside_ms = beside.P99Ms();
      double bare_ms = 0;
      {
        const BareStores bare(nodes[1 + round % 2].port(), bytes, server.settings.repair_rate);
        bare_ms = measure();
      }
      ratios.push_back(beside_ms / alone_ms);
      bare_ratios.push_back(bare_ms / alone_ms);
      printf(
          "the same, with 1000 requests/s beside it: whole after %.1f s; p99 %.2f ms, %.2f ms without repair: %.2fx; "
          "%.2f ms beside bare stores: %.2fx\n",
          took, beside_ms, alone_ms, ratios.back(), bare_ms, bare_ratios.back());
      fflush(stdout);
    }
    printf("p99 beside repair: %.2fx, beside bare stores: %.2fx (medians)\n", MedianOf(&ratios),
           MedianOf(&bare_ratios));
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
  if (sessions > 0) MeasureRepair(sessions, number(2, 4096), std::max<size_t>(number(4, 1), 1));
  MeasureFlush(number(3, 10'000));
  return 0;
}
