// The thread that brings back to real nodes what they lack: started, handed over, ended. Layer: tests.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "src/session/background_flusher.h"
#include "src/session/repairer.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;

namespace {

// A server with three nodes.
struct RepairedServer {
  RepairedServer() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(8u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(shared()->Init());
    settings.server_id = "a";
    settings.retry_interval = std::chrono::milliseconds(20);
  }

  SharedState* shared() { return static_cast<SharedState*>(store->Extra()); }
  std::string save_path() const {
    std::string path;
    for (int i = 0; i < 3; ++i) {
      path += (i > 0 ? ",m" : "m") + std::to_string(i) + "=127.0.0.1:" + std::to_string(nodes[i].port());
    }
    return path;
  }
  std::shared_ptr<const SessionContext> Context(Worker* worker) {
    const auto context = worker->ContextFor(save_path(), settings, 1);
    return context.ok() ? *context : nullptr;
  }
  // New sessions; their IDs.
  std::vector<std::string> Write(Worker* worker, int count, size_t size = 100) {
    const auto context = Context(worker);
    std::vector<std::string> ids;
    for (int i = 0; i < count; ++i) {
      Session session(*context);
      const auto number = static_cast<unsigned long long>(next++);
      ids.push_back(session.CreateId(std::to_string(number) + "abcdefghijklmnopqrstuvwxyz", number));
      if (!session.Read(ids.back(), 1440).ok() ||
          !session.Write(ids.back(), "n|s:" + std::to_string(size) + ":\"" + std::string(size, 'x') + "\";", 1440).ok())
        return {};
    }
    return ids;
  }
  bool Destroy(Worker* worker, const std::vector<std::string>& ids) {
    const auto context = Context(worker);
    for (const std::string& id : ids) {
      Session session(*context);
      if (!session.Read(id, 1440).ok() || !session.Destroy(id, 1440).ok()) return false;
    }
    return true;
  }
  bool Whole(Worker* worker) { return IsWhole(*Context(worker)); }
  std::string Held(int node, const std::string& id) const {
    return nodes[node].Get(StorageKey("cs:", Hash128({}, "cs:", id)));
  }
  int Copies(const std::string& id) const {
    int copies = 0;
    for (int node = 0; node < 3; ++node) copies += Held(node, id).empty() ? 0 : 1;
    return copies;
  }
  bool AllHave(const std::vector<std::string>& ids, int copies) const {
    for (const std::string& id : ids) {
      if (Copies(id) != copies) {
        UNSCOPED_INFO(Copies(id) << " copies: " << Held(0, id).size() << ' ' << Held(1, id).size() << ' '
                                 << Held(2, id).size());
        return false;
      }
    }
    return true;
  }

  MemcachedProcess nodes[3];
  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  SessionSettings settings;
  uint64_t next = 0;
};

}  // namespace

TEST_CASE("Nodes that restart empty one after the other get all back, with no request", "[repair]") {
  RepairedServer server;
  Worker worker(server.store.get(), &server.clock);
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  std::vector<std::string> ids = server.Write(&worker, 300);
  const std::vector<std::string> large = server.Write(&worker, 3, 100'000);  // not in batches
  ids.insert(ids.end(), large.begin(), large.end());
  const std::vector<std::string> gone = server.Write(&worker, 100);
  REQUIRE(server.Destroy(&worker, gone));
  flusher.Wake();
  REQUIRE(WaitUntil([&] { return server.Whole(&worker); }));
  for (MemcachedProcess& node : server.nodes) {
    node.Restart();
    CHECK_FALSE(server.Whole(&worker));
    REQUIRE(WaitUntil([&] { return server.Whole(&worker); }));
    CHECK(server.AllHave(ids, 2));
    CHECK(server.AllHave(gone, 3));
  }
  CHECK(server.store->counters().conflicts.Get() == 0);
}

TEST_CASE("A logout that a stopped node has missed is told to it when it goes on", "[repair]") {
  RepairedServer server;
  Worker worker(server.store.get(), &server.clock);
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  const std::vector<std::string> ids = server.Write(&worker, 50);
  flusher.Wake();
  REQUIRE(WaitUntil([&] { return server.Whole(&worker); }));
  server.nodes[0].Stop();
  REQUIRE(server.Destroy(&worker, ids));
  CHECK_FALSE(server.Whole(&worker));
  server.nodes[0].Continue();
  REQUIRE(WaitUntil([&] { return server.Whole(&worker); }));
  for (const std::string& id : ids) {
    for (int node = 0; node < 3; ++node) CHECK(server.Held(node, id).size() < 60);  // a tombstone
  }
  CHECK(server.AllHave(ids, 3));
}

TEST_CASE("Another worker that stands by goes on where one was killed in the middle of a repair", "[repair]") {
  RepairedServer server;
  server.settings.repair_rate = 100;  // so that it is in the middle for a while
  Worker worker(server.store.get(), &server.clock);
  const std::vector<std::string> ids = server.Write(&worker, 300);
  const auto seat_is_taken = [&] {
    SharedMutex& taken = server.shared()->pools.seats[0].taken;
    const LockOutcome outcome = taken.TryLock();
    if (IsLocked(outcome)) taken.Unlock();
    return outcome == LockOutcome::kBusy;
  };
  const auto serve = [&]() -> int {
    BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
    flusher.Wake();  // as at any request's end
    for (;;) pause();
  };
  ChildProcess dies(serve);
  REQUIRE(WaitUntil(seat_is_taken));
  ChildProcess stands_by(serve);
  server.nodes[0].Restart();
  const RepairView& view = server.shared()->repair.pools[0];
  REQUIRE(WaitUntil([&] { return view.copies.load() > 0; }));
  dies.Kill();
  CHECK_FALSE(server.Whole(&worker));
  REQUIRE(WaitUntil([&] { return server.Whole(&worker); }));
  CHECK(server.AllHave(ids, 2));
  stands_by.Kill();
}

TEST_CASE("With repair_rate 0 nothing is brought back, and nobody says that all is whole", "[repair]") {
  RepairedServer server;
  server.settings.repair_rate = 0;
  server.settings.news_interval = Duration::zero();
  Worker worker(server.store.get(), &server.clock);
  BackgroundFlusher flusher(server.store.get(), &server.clock, server.settings);
  REQUIRE(server.Write(&worker, 10).size() == 10);
  CHECK_FALSE(flusher.Watches());
  flusher.Wake();
  CHECK_FALSE(server.Whole(&worker));
}

TEST_CASE("Two pools are repaired on their own nodes and with their own credentials", "[repair]") {
  MemcachedProcess::Options options;
  options.username = "web";
  options.password = "word";
  MemcachedProcess node(options);
  RepairedServer server;
  Worker worker(server.store.get(), &server.clock);
  SessionSettings secret = server.settings;
  secret.username = options.username;
  secret.password = options.password;
  secret.copies = 1;
  const std::string save_path = "m9=127.0.0.1:" + std::to_string(node.port());
  const std::string id = "0123456789abcdefghijklmnopqrstuv";
  const auto other = [&] { return *worker.ContextFor(save_path, secret, 2); };
  {
    Session session(*other());
    REQUIRE(session.Read(id, 1440).ok());
    REQUIRE(session.Write(id, "n|i:1;", 1440).ok());
  }
  const std::vector<std::string> ids = server.Write(&worker, 50);
  BackgroundFlusher of_secret(server.store.get(), &server.clock, secret);
  BackgroundFlusher of_none(server.store.get(), &server.clock, server.settings);
  of_secret.Wake();
  of_none.Wake();
  REQUIRE(WaitUntil([&] { return server.Whole(&worker) && IsWhole(*other()); }));
  server.nodes[1].Restart();
  node.Restart();
  REQUIRE(WaitUntil([&] { return server.Whole(&worker) && IsWhole(*other()); }));
  CHECK(server.AllHave(ids, 2));
  CHECK(server.Copies(id) == 0);
}
