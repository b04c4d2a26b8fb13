// How many requests may wait for one session, and what a flood of IDs takes of the locks. Layer: tests.
#include <catch2/catch.hpp>

#include "src/local/session_locks.h"
#include "tests/session/cluster_fixture.h"
#include "tests/support/child_process.h"

using namespace clustered_session;

namespace {

constexpr std::chrono::seconds kLong{100};  // never reached where the code is right, however loaded the machine is

struct Waiters : ClusterFixture {
  Waiters() { a.context().settings.lock_waiters_max = 2; }

  static SessionKey KeyOf(const SessionContext& context, const std::string& id) {
    return context.InSpace(Hash128({}, context.settings.prefix, id));
  }
  SessionLocks& locks() { return a.store().locks(); }

  // Another worker that waits for the session until it gets it.
  std::unique_ptr<ChildProcess> Wait(const SessionContext& context, const std::string& id) {
    const uint32_t waiting = locks().GetUsage().waiting;
    auto child = std::make_unique<ChildProcess>([this, key = KeyOf(context, id)] {
      Result<SessionLock> lock = locks().Acquire(key, std::chrono::steady_clock::now() + kLong);
      if (lock.ok()) locks().Release(&*lock);
      return lock.ok() ? 0 : 1;
    });
    while (locks().GetUsage().waiting != waiting + 1) std::this_thread::yield();
    return child;
  }
  static Result<std::string> Read(const SessionContext& context, const std::string& id) {
    Session session(context);
    Result<std::string_view> read = session.Read(id, Request::kLifetime);
    if (!read.ok()) return read.error();
    return std::string(*read);
  }
};

}  // namespace

TEST_CASE_METHOD(Waiters, "Beyond lock_waiters_max a session is refused at once, and others are not", "[session]") {
  a.context().settings.lock = GENERATE(LockMode::kLocal, LockMode::kCluster);
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  Browser other;
  std::swap(browser, other);
  Serve(&a, "", "n|i:2;");
  SessionContext pool = a.context();  // another one of the same server
  pool.settings.prefix = "pool:";

  // By another thread's word: the wait is none of this one's.
  const SessionKey key = KeyOf(a.context(), id);
  Result<SessionLock> held = locks().Acquire(key, std::chrono::steady_clock::now() + kLong);
  REQUIRE(held.ok());
  const auto first = Wait(a.context(), id);
  const auto second = Wait(a.context(), id);
  const Result<std::string> read = Read(a.context(), id);
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code() == ErrorCode::kTooMany);
  CHECK(read.error().message() ==
        "session lock refused: 2 requests of this session wait for it already "
        "(clustered_session.lock_waiters_max) [CS-LOCK-WAITERS]");
  CHECK(a.counters().lock_refusals.Get() == 1);
  CHECK(a.counters().lock_timeouts.Get() == 0);
  CHECK(locks().GetUsage().waiting == 2);
  CHECK(View(&a, "n|i:2;") <= 1);
  CHECK(Read(pool, id).ok());
  CHECK(a.counters().lock_refusals.Get() == 1);

  locks().Release(&*held);
  CHECK(first->Wait().code == 0);
  CHECK(second->Wait().code == 0);
  CHECK(Read(a.context(), id).value() == "n|i:1;");
}

TEST_CASE_METHOD(Waiters, "An ID that does not exist takes no lock once strict mode has refused it", "[session]") {
  a.context().settings.lock = GENERATE(LockMode::kLocal, LockMode::kCluster);
  const uint32_t capacity = locks().GetUsage().capacity;
  std::vector<std::unique_ptr<Session>> open;  // requests that have not ended yet
  for (uint32_t i = 0; i <= capacity; ++i) {
    open.push_back(std::make_unique<Session>(a.context()));
    REQUIRE_FALSE(open.back()->Validate("made-up-" + std::to_string(i), Request::kLifetime).value());
  }
  CHECK(locks().GetUsage().held == 0);
  CHECK(a.counters().lock_refusals.Get() == 0);
  for (FakeMemcached* node : nodes) CHECK(node->items().empty());
}

TEST_CASE_METHOD(Waiters, "Where all locks are in use, a new session starts without, and others say why they do not",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::string id = browser.session_id;
  const uint32_t capacity = locks().GetUsage().capacity;
  std::vector<SessionLock> taken;
  for (uint32_t i = 0; i < capacity; ++i) {
    taken.push_back(locks().Acquire(KeyOf(a.context(), std::to_string(i)), TimePoint()).value());
  }
  const Result<std::string> read = Read(a.context(), id);
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message() ==
        "all " + std::to_string(capacity) + " session locks are held or waited for [CS-LOCKS-FULL]");
  CHECK(a.counters().lock_refusals.Get() == 1);
  browser = Browser();
  Serve(&a, "", "n|i:2;");  // nobody else knows its ID
  for (SessionLock& lock : taken) locks().Release(&lock);
  View(&a, "n|i:2;");
  CHECK(Read(a.context(), id).value() == "n|i:1;");
}
