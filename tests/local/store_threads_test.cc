// The store and the session locks among threads of one process, as in a ZTS build: what the thread sanitizer runs.
#include <random>
#include <thread>
#include <vector>

#include "src/base/sanitizers.h"
#include "tests/local/store_fixture.h"

#if CLUSTERED_SESSION_THREAD_SANITIZER
// The locks' order is that of arrival, which no order of mutexes by their address can be.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
#endif

namespace clustered_session {

TEST_CASE("threads that share the store find only whole entries", "[local][threads]") {
  StoreFixture fixture;
  std::atomic<int> wrong{0};
  std::atomic<int> found{0};
  std::vector<std::thread> threads;
  for (uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int i = 0; i < 4000; ++i) {
        const uint64_t number = random() % 60;
        const uint64_t version = random() % 100 + 1;
        Entry entry;
        std::string payload;
        switch (random() % 8) {
          case 0:
            fixture.store->Erase(KeyOf(number));
            break;
          case 1:
          case 2:
            (void)fixture.Put(number, number * 100 + version * 200, 0, version);
            break;
          case 3:
            (void)fixture.store->GetUsage();
            fixture.store->RemoveExpired(fixture.now, 10);
            break;
          default:
            if (!fixture.store->Lookup(KeyOf(number), fixture.now, &entry, &payload)) break;
            ++found;
            if (payload != PayloadOf(number, entry.version, number * 100 + entry.version * 200)) ++wrong;
            fixture.store->Update(KeyOf(number), entry, {}, entry);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(wrong == 0);
  REQUIRE(found > 100);
  REQUIRE(fixture.store->CheckInvariants() == "");
  REQUIRE(fixture.store->counters().store_repairs.Get() == 0);
}

TEST_CASE("one thread at a time has a session", "[local][threads]") {
  StoreFixture fixture;
  uint64_t sums[2] = {0, 0};  // each guarded by a session lock
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < 2000; ++i) {
        const uint64_t session = (i + thread) % 2;
        Result<SessionLock> lock = fixture.locks->Acquire(KeyOf(session), FromNow(std::chrono::seconds(20)));
        if (!lock.ok()) {
          ++failures;
          continue;
        }
        ++sums[session];
        fixture.locks->Release(&*lock);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(failures == 0);
  REQUIRE(sums[0] + sums[1] == 8000);
  REQUIRE(fixture.locks->CheckInvariants() == "");
}

TEST_CASE("a thread that ends frees the session it had, and another thread cannot release it", "[local][threads]") {
  StoreFixture fixture;
  Result<SessionLock> lock = Error(ErrorCode::kInternal, "");
  std::thread([&] { lock = fixture.locks->Acquire(KeyOf(1), FromNow(std::chrono::seconds(20))); }).join();
  REQUIRE(lock.ok());
  Result<SessionLock> next = fixture.locks->Acquire(KeyOf(1), FromNow(std::chrono::seconds(20)));
  REQUIRE(next.ok());
  SessionLock copy = *next;
  std::thread([&] { fixture.locks->Release(&copy); }).join();
  REQUIRE(fixture.locks->GetUsage().held == 1);
  fixture.locks->Release(&*next);
  REQUIRE(fixture.locks->GetUsage().held == 0);
  REQUIRE(fixture.store->counters().lock_takeovers.Get() == 1);
}

}  // namespace clustered_session
