// The thread that writes what requests have left behind: started, handed over, ended, with real nodes. Layer: tests.
#include "src/session/background_flusher.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/memcached_process.h"
#include "tests/support/signal_watch.h"

using namespace clustered_session;

namespace {

struct Server {
  Server() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(4u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(shared()->Init());
    settings.server_id = "a";
    settings.copies = 1;
    settings.write = WriteMode::kBehind;
    settings.repair_rate = 0;  // see background_repair_test.cc
    settings.news_interval = Duration::zero();
    settings.retry_interval = std::chrono::milliseconds(20);
  }

  SharedState* shared() { return static_cast<SharedState*>(store->Extra()); }
  std::string save_path() const { return "127.0.0.1:" + std::to_string(node.port()); }

  // One request of a worker: a new session. False if it failed.
  bool Write(Worker* worker, const std::string& payload) {
    const auto context = worker->ContextFor(save_path(), settings, 1);
    if (!context.ok()) return false;
    Session session(**context);
    const auto number = static_cast<unsigned long long>(sessions.fetch_add(1));
    const std::string id = session.CreateId(std::to_string(number) + "abcdefghijklmnopqrstuvwxyz", number);
    return session.Read(id, 1440).ok() && session.Write(id, payload, 1440).ok();
  }
  bool Write(Worker* worker, int count) {
    for (int i = 0; i < count; ++i) {
      if (!Write(worker, "n|i:1;")) return false;
    }
    return true;
  }
  bool NothingLeft() const { return store->UnreplicatedCount() == 0; }
  uint64_t ItemsOnNode() const { return node.Stat("curr_items") - 1; }  // one is the connection's own

  MemcachedProcess node;
  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  SessionSettings settings;
  std::atomic<uint64_t> sessions{0};
};

}  // namespace

TEST_CASE("What a request left behind is written without another one", "[session]") {
  Server server;
  Worker worker(server.store.get(), &server.clock);
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  flusher.Wake();  // nothing to do
  for (int round = 1; round <= 3; ++round) {
    REQUIRE(server.Write(&worker, 100));
    flusher.Wake();
    REQUIRE(WaitUntil([&] { return server.NothingLeft(); }));
    REQUIRE(server.ItemsOnNode() == 100u * static_cast<unsigned>(round));
  }
  REQUIRE(WaitUntil([&] { return server.store->counters().flushed.Get() == 300; }));  // counted a moment later
  // Once the thread runs, a write alone wakes it.
  REQUIRE(server.Write(&worker, 1));
  REQUIRE(WaitUntil([&] { return server.NothingLeft(); }));
}

TEST_CASE("After an outage the thread writes what is left when the node answers again", "[session]") {
  Server server;
  server.settings.write = WriteMode::kThrough;
  Worker worker(server.store.get(), &server.clock);
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  server.node.Kill();
  REQUIRE(server.Write(&worker, 50));
  REQUIRE(server.store->UnreplicatedCount() == 50);
  const TimePoint written = server.clock.Now();
  flusher.Wake();
  const uint64_t errors = server.store->counters().node_errors.Get();
  REQUIRE(WaitUntil([&] { return server.store->counters().node_errors.Get() >= errors + 2; }));  // it tries in vain
  const Duration outage = server.clock.Now() - written;
  server.node.Restart();
  REQUIRE(WaitUntil([&] { return server.NothingLeft(); }));
  REQUIRE(server.ItemsOnNode() == 50);
  REQUIRE(outage >= server.settings.retry_interval);
  // Noted a moment later.
  const std::atomic<int64_t>& lag = server.shared()->longest_lag_ns;
  REQUIRE(WaitUntil([&] { return lag.load() >= std::chrono::nanoseconds(outage).count(); }));
}

TEST_CASE("Another worker goes on where one was killed with the seat", "[session]") {
  Server server;
  ChildProcess dies([&]() -> int {
    Worker worker(server.store.get(), &server.clock);
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    server.node.Stop();
    (void)server.Write(&worker, 20);
    flusher.Wake();
    for (;;) pause();
  });
  // It has the seat, and waits for the node that was stopped.
  REQUIRE(WaitUntil([&] {
    if (server.store->UnreplicatedCount() < 20) return false;
    const LockOutcome outcome = server.shared()->pools.seats[0].taken.TryLock();
    if (IsLocked(outcome)) server.shared()->pools.seats[0].taken.Unlock();
    return outcome == LockOutcome::kBusy;
  }));
  dies.Kill();
  server.node.Continue();
  ChildProcess next([&] {
    Worker worker(server.store.get(), &server.clock);
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    flusher.Wake();  // as any request's end does
    return WaitUntil([&] { return server.NothingLeft(); }) ? 0 : 1;
  });
  REQUIRE(next.Wait().code == 0);
  REQUIRE(server.ItemsOnNode() == 20);
}

TEST_CASE("Only one worker of a server writes in the background, and all profit", "[session]") {
  Server server;
  constexpr int kWorkers = 4;
  std::vector<ChildProcess> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&, i] {
      server.sessions = static_cast<uint64_t>(i) * 1000;
      Worker worker(server.store.get(), &server.clock);
      BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
      for (int j = 0; j < 100; ++j) {
        if (!server.Write(&worker, 1)) return 1;
        flusher.Wake();
      }
      return WaitUntil([&] { return server.NothingLeft(); }) ? 0 : 2;
    });
  }
  for (ChildProcess& worker : workers) REQUIRE(worker.Wait().code == 0);
  REQUIRE(server.ItemsOnNode() == 100 * kWorkers);
}

TEST_CASE("At the end of a process all is written, or what is not is known in time", "[session]") {
  Server server;
  Worker worker(server.store.get(), &server.clock);
  {
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    REQUIRE(server.Write(&worker, 200));
    flusher.Stop();  // of a thread that was never started
    REQUIRE(flusher.FlushAll(server.clock.Now() + std::chrono::seconds(20)) == 0);
    REQUIRE(server.ItemsOnNode() == 200);
    REQUIRE(server.Write(&worker, 10));
    flusher.Wake();
    flusher.Stop();
    REQUIRE(flusher.FlushAll(server.clock.Now() + std::chrono::seconds(20)) == 0);
    REQUIRE(server.ItemsOnNode() == 210);
  }
  server.node.Kill();
  REQUIRE(server.Write(&worker, 10));
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  flusher.Wake();
  flusher.Stop();
  REQUIRE(flusher.FlushAll(server.clock.Now() + std::chrono::milliseconds(100)) == 10);
  REQUIRE(server.shared()->events.Take(0));  // the node's failure is not lost
  // What is left is tried again by whoever comes next.
  REQUIRE(server.shared()->pools.seats[0].pending.load() == 1);
}

TEST_CASE("A child made by fork leaves its parent's thread alone and writes by its own", "[session]") {
  Server server;
  ChildProcess parent([&] {
    Worker worker(server.store.get(), &server.clock);
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    if (!server.Write(&worker, 5)) return 1;
    flusher.Wake();
    // The thread has nothing to do when the child is made: the address sanitizer's allocator may not be locked then.
    if (!WaitUntil([&] { return server.NothingLeft(); })) return 4;
    ChildProcess child([&] {
      if (flusher.Mine()) return 1;
      flusher.Stop();  // not its own
      Worker own_worker(server.store.get(), &server.clock);
      BackgroundFlusher own(server.store.get(), &server.clock, server.settings);
      server.sessions = 1000;
      if (!server.Write(&own_worker, 5)) return 2;
      own.Wake();  // if the parent's thread has the seat, that one writes them
      return WaitUntil([&] { return server.NothingLeft(); }) ? 0 : 3;
    });
    return child.Wait().code;
  });
  REQUIRE(parent.Wait().code == 0);
  REQUIRE(server.ItemsOnNode() == 10);
}

TEST_CASE("The thread handles no signal of the process", "[session]") {
  Server server;
  ChildProcess process([&] {
    SignalWatch signals;
    Worker worker(server.store.get(), &server.clock);
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    for (int i = 0; i < 50; ++i) {
      if (!server.Write(&worker, 2)) return 1;
      flusher.Wake();
      if (!signals.FirstThreadHandlesOne()) return 2;
    }
    return WaitUntil([&] { return server.NothingLeft(); }) ? 0 : 3;
  });
  REQUIRE(process.Wait().code == 0);
}

TEST_CASE("Credentials are in no shared memory, and who has others writes nothing", "[session]") {
  MemcachedProcess::Options options;
  options.username = "web";
  options.password = "very-secret-word";
  MemcachedProcess node(std::move(options));
  Server server;
  server.settings.username = "web";
  server.settings.password = "very-secret-word";
  Worker worker(server.store.get(), &server.clock);
  const std::string save_path = "127.0.0.1:" + std::to_string(node.port());
  const auto context = worker.ContextFor(save_path, server.settings, 1);
  REQUIRE(context.ok());
  {
    Session session(**context);
    REQUIRE(session.Read("0123456789abcdefghijklmnopqrstuv", 1440).ok());
    REQUIRE(session.Write("0123456789abcdefghijklmnopqrstuv", "n|i:1;", 1440).ok());
  }
  const auto* bytes = reinterpret_cast<const char*>(server.shared());
  REQUIRE(std::string_view(bytes, sizeof(SharedState)).find("very-secret-word") == std::string_view::npos);
  REQUIRE(server.store->UnreplicatedCount() == 1);
  BackgroundFlusher other(server.store.get(), &server.clock, SessionSettings());
  REQUIRE(other.FlushAll(server.clock.Now() + std::chrono::seconds(20)) == 1);
  BackgroundFlusher own(server.store.get(), &server.clock, server.settings);
  REQUIRE(own.FlushAll(server.clock.Now() + std::chrono::seconds(20)) == 0);
}

TEST_CASE("An orderly end does not wait for what only other processes can write", "[session]") {
  // Time passes by itself, so that whoever waits for it comes to an end.
  struct : Clock {
    TimePoint Now() const override { return now += std::chrono::milliseconds(10); }
    void Pause(Duration duration) const override { now += duration; }
    mutable TimePoint now{std::chrono::seconds(20)};
  } clock;
  Server server;
  constexpr uint8_t kUnknownPool = 9;
  Entry entry;
  entry.version = 1;
  entry.flags = kEntryUnreplicated;
  entry.pool = kUnknownPool;
  entry.lifetime_s = 1440;
  entry.expires_at_ns = ToNanos(clock.Now() + std::chrono::seconds(1440));
  REQUIRE(server.store->Put(SessionKey{}, entry, "x", clock.Now()).ok());
  BackgroundFlusher flusher(server.store.get(), &clock, server.settings);
  const TimePoint before = clock.Now();
  CHECK(flusher.FlushAll(before + std::chrono::seconds(3)) == 1);
  CHECK(clock.Now() - before < std::chrono::seconds(1));
}

TEST_CASE("The thread compares node lists now and then, and tells once that another server has other nodes",
          "[session]") {
  struct LaterClock final : Clock {
    TimePoint Now() const override { return std::chrono::steady_clock::now() + later.load(); }
    void Pause(Duration duration) const override { std::this_thread::sleep_for(duration); }
    std::atomic<Duration> later{Duration::zero()};
  };
  LaterClock clock;
  Server a;
  Server b;
  b.settings.server_id = "b";
  const std::string one = "m1=" + a.save_path();
  const std::string two = one + ",m2=" + b.save_path();
  Worker worker_a(a.store.get(), &clock);
  Worker worker_b(b.store.get(), &clock);
  BackgroundFlusher flusher_a(a.store.get(), &clock, a.settings);
  BackgroundFlusher flusher_b(b.store.get(), &clock, b.settings);
  std::vector<std::string> told;
  const auto compare = [&](Server* server, Worker* worker, BackgroundFlusher* flusher, const std::string& save_path) {
    const auto context = worker->ContextFor(save_path, server->settings, 1);
    REQUIRE(context.ok());
    flusher->Wake();
    REQUIRE(WaitUntil([&] { return !server->shared()->Pending(); }));
    while (const std::optional<Notice> event = server->shared()->events.Take(0)) told.push_back(event->text);
  };
  for (int i = 0; i < 4; ++i) {
    compare(&a, &worker_a, &flusher_a, one);
    compare(&b, &worker_b, &flusher_b, two);
    clock.later = clock.later.load() + SetupWatch::kCheckInterval;
  }
  const std::vector<std::string> expected = {
      "server a has the nodes \"m1\" in session.save_path, and this one has \"m1,m2\": all servers need the same "
      "[CS-NODE-LISTS]",
      "server b has the nodes \"m1,m2\" in session.save_path, and this one has \"m1\": all servers need the same "
      "[CS-NODE-LISTS]"};
  CHECK(told == expected);
}
