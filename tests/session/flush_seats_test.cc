// Flushers of several pools with credentials of their own, and flushers in need: no pool waits for another one's nodes,
// workers or memory. Layer: tests.
#include <pthread.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <new>
#include <string>
#include <thread>

#include "src/session/background_flusher.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/child_process.h"
#include "tests/support/forwarding_store.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;

namespace {

MemcachedProcess::Options Asking(const std::string& user) {
  MemcachedProcess::Options options;
  options.username = user;
  options.password = "word-of-" + user;
  return options;
}

// One pool of a server: its own node, user and worker.
struct Pool {
  Pool(LocalStore* store_of_all, const Clock* clock, const std::string& user)
      : node(user.empty() ? MemcachedProcess::Options() : Asking(user)), store(store_of_all), worker(store, clock) {
    settings.server_id = "a";
    settings.copies = 1;
    settings.write = WriteMode::kBehind;
    settings.retry_interval = std::chrono::milliseconds(20);
    settings.username = user;
    if (!user.empty()) settings.password = "word-of-" + user;
  }

  std::string save_path() const { return "127.0.0.1:" + std::to_string(node.port()); }

  // Requests that leave new sessions behind.
  bool Write(int count) {
    const auto context = worker.ContextFor(save_path(), settings, 1);
    if (!context.ok()) return false;
    for (int i = 0; i < count; ++i) {
      Session session(**context);
      const auto number = static_cast<unsigned long long>(next++);
      const std::string id = session.CreateId(std::to_string(number) + "abcdefghijklmnopqrstuvwxyz", number);
      if (!session.Read(id, 1440).ok() || !session.Write(id, "n|i:1;", 1440).ok()) return false;
    }
    return true;
  }
  // Exact while flushers run, unlike a listing, of which each of them takes a part.
  bool AnyLeft() const {
    const auto* shared = static_cast<SharedState*>(store->Extra());
    const std::bitset<256> used = store->PoolsInUse();
    for (size_t number = 1; number < used.size(); ++number) {
      const uint64_t credentials = SharedPoolTable::CredentialsHash(settings);
      if (used[number] && shared->pools.IsOf(static_cast<uint8_t>(number), credentials)) return true;
    }
    return false;
  }

  MemcachedProcess node;
  LocalStore* store;
  SessionSettings settings;
  Worker worker;
  uint64_t next = 1;
};

struct TwoPools {
  TwoPools() {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(8u << 20, sizeof(SharedState));
    REQUIRE(made.ok());
    store = std::move(*made);
    REQUIRE(shared()->Init());
    a = std::make_unique<Pool>(store.get(), &clock, "usera");
    b = std::make_unique<Pool>(store.get(), &clock, "userb");
  }
  SharedState* shared() { return static_cast<SharedState*>(store->Extra()); }

  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<Pool> a;
  std::unique_ptr<Pool> b;
};

// Goes on by `step` at each look, so that whoever waits for a deadline gets there.
class HurryingClock final : public Clock {
 public:
  TimePoint Now() const override { return now_ += std::chrono::milliseconds(50); }
  void Pause(Duration duration) const override { now_ += duration; }

 private:
  mutable TimePoint now_ = std::chrono::steady_clock::now();
};

// A store whose listing runs out of memory some times.
class PoorStore final : public ForwardingStore {
 public:
  PoorStore(LocalStore* store, int failures) : ForwardingStore(store), failures_(failures) {}
  std::vector<Unreplicated> ListUnreplicated(size_t limit) override {
    if (failures_.fetch_sub(1) > 0) throw std::bad_alloc();
    return ForwardingStore::ListUnreplicated(limit);
  }
  int failures_left() const { return failures_.load(); }

 private:
  std::atomic<int> failures_;
};

}  // namespace

TEST_CASE_METHOD(TwoPools, "A pool's entries are written while another pool's flusher has work that it cannot do",
                 "[session]") {
  BackgroundFlusher of_a(store.get(), &clock, a->settings);
  BackgroundFlusher of_b(store.get(), &clock, b->settings);
  REQUIRE(a->Write(1));
  of_a.Wake();
  REQUIRE(WaitUntil([&] { return !a->AnyLeft(); }));  // its thread runs, and stays for a while
  a->node.Kill();
  REQUIRE(a->Write(100));
  REQUIRE(b->Write(100));
  of_a.Wake();
  of_b.Wake();
  REQUIRE(WaitUntil([&] { return !b->AnyLeft(); }));
  CHECK(b->node.Stat("cmd_set") >= 100);
  CHECK(WaitUntil([&] { return store->UnreplicatedCount() == 100; }));  // less while a try puts one back
  REQUIRE(b->Write(10));                                                // a write alone wakes the thread of its pool
  REQUIRE(WaitUntil([&] { return !b->AnyLeft(); }));
  a->node.Restart();
  REQUIRE(WaitUntil([&] { return !a->AnyLeft(); }));
}

TEST_CASE_METHOD(TwoPools, "A flusher that looks first leaves word of other pools' entries to their own", "[session]") {
  REQUIRE(b->Write(5));
  BackgroundFlusher of_a(store.get(), &clock, a->settings);
  of_a.Wake();                                                        // a request of a ends first
  CHECK(of_a.FlushAll(clock.Now() + std::chrono::seconds(20)) == 0);  // nobody has written for a yet
  REQUIRE(a->Write(1));
  CHECK(of_a.FlushAll(clock.Now() + std::chrono::seconds(20)) == 5);
  CHECK_FALSE(a->AnyLeft());
  BackgroundFlusher of_none(store.get(), &clock, SessionSettings());
  CHECK(of_none.FlushAll(clock.Now() + std::chrono::seconds(20)) == 5);
  BackgroundFlusher of_b(store.get(), &clock, b->settings);
  of_b.Wake();
  REQUIRE(WaitUntil([&] { return !b->AnyLeft(); }));
}

TEST_CASE_METHOD(TwoPools, "Entries that a process cannot write hold up neither those it can nor its end",
                 "[session]") {
  a->settings.behind_max = 100000;
  REQUIRE(a->Write(500));
  REQUIRE(b->Write(3));
  HurryingClock hurrying;
  {
    BackgroundFlusher of_b(store.get(), &hurrying, b->settings);
    const TimePoint deadline = hurrying.Now() + std::chrono::hours(1);
    CHECK(of_b.FlushAll(deadline) == 500);
    CHECK(hurrying.Now() < deadline);  // it does not wait for what others have to write
    CHECK_FALSE(of_b.AnyOfOurs());
  }
  BackgroundFlusher of_none(store.get(), &hurrying, SessionSettings());
  const TimePoint deadline = hurrying.Now() + std::chrono::hours(1);
  CHECK(of_none.FlushAll(deadline) == 500);
  CHECK(hurrying.Now() < deadline);
}

TEST_CASE_METHOD(TwoPools, "Out of memory ends neither the thread nor its work", "[session]") {
  PoorStore poor(store.get(), 3);
  BackgroundFlusher flusher(&poor, &clock, a->settings);
  REQUIRE(a->Write(10));
  flusher.Wake();  // once
  REQUIRE(WaitUntil([&] { return !a->AnyLeft(); }));
  CHECK(poor.failures_left() <= 0);
  // At the end of a process it is told, and the seat is left to others.
  flusher.Stop();
  PoorStore none(store.get(), 1);
  BackgroundFlusher last(&none, &clock, a->settings);
  REQUIRE(a->Write(10));
  CHECK_THROWS_AS(last.FlushAll(clock.Now() + std::chrono::seconds(20)), std::bad_alloc);
  CHECK(store->UnreplicatedCount() == 10);
  CHECK(flusher.FlushAll(clock.Now() + std::chrono::seconds(20)) == 0);
}

TEST_CASE_METHOD(TwoPools, "Where there is no thread to be had the next request starts one", "[session]") {
  ChildProcess process([&] {
    BackgroundFlusher flusher(store.get(), &clock, a->settings);
    if (!a->Write(5)) return 1;
    pthread_attr_t usual;
    pthread_attr_t huge;
    pthread_getattr_default_np(&usual);
    pthread_attr_init(&huge);
    if (pthread_attr_setstacksize(&huge, size_t{1} << 46) != 0 || pthread_setattr_default_np(&huge) != 0) return 2;
    flusher.Wake();
    flusher.Wake();
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    if (sigismember(&blocked, SIGTERM) != 0) return 3;
    if (store->UnreplicatedCount() != 5) return 4;
    if (pthread_setattr_default_np(&usual) != 0) return 5;
    flusher.Wake();
    return WaitUntil([&] { return store->UnreplicatedCount() == 0; }) ? 0 : 6;
  });
  CHECK(process.Wait().code == 0);
}

TEST_CASE_METHOD(TwoPools, "A seat's wait ends when it is woken, or else after its time", "[session]") {
  FlushSeat& seat = shared()->pools.seats[0];
  seat.Wake();
  seat.Wait(std::chrono::hours(1));  // woken before
  std::thread waits([&] { seat.Wait(std::chrono::hours(1)); });
  seat.NotePending();
  waits.join();
  const TimePoint before = clock.Now();
  seat.Wait(std::chrono::milliseconds(20));
  CHECK(clock.Now() - before >= std::chrono::milliseconds(20));
  seat.Wait(Duration(-1));
}
