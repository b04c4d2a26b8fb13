// SessionLocks among processes: one holder, in order of arrival, freed by death, never by a child.
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "tests/local/store_fixture.h"
#include "tests/support/child_process.h"

namespace clustered_session {

namespace {

constexpr std::chrono::seconds kLong{100};  // never reached where the code is right, however loaded the machine is

struct Events {
  std::atomic<int> count;
  std::atomic<int> order[16];
  std::atomic<int> go;
  std::atomic<uint64_t> sum;  // changed under the lock only, in two steps

  void Note(int who) { order[count.fetch_add(1)] = who; }
};

struct LocksFixture : StoreFixture {
  SessionLock MustAcquire(uint64_t number) {
    Result<SessionLock> lock = locks->Acquire(KeyOf(number), FromNow(kLong));
    REQUIRE(lock.ok());
    return *lock;
  }
  bool IsFree(uint64_t number) {
    Result<SessionLock> lock = locks->Acquire(KeyOf(number), FromNow(std::chrono::milliseconds(0)));
    if (lock.ok()) locks->Release(&*lock);
    return lock.ok();
  }
  // A child that waits for the lock, notes that it has it, and releases it.
  ChildProcess Waiter(uint64_t number, int who) {
    const uint32_t waiting = locks->GetUsage().waiting;
    ChildProcess child([this, number, who] {
      Result<SessionLock> lock = locks->Acquire(KeyOf(number), FromNow(kLong));
      if (!lock.ok()) return 1;
      events->Note(who);
      locks->Release(&*lock);
      return 0;
    });
    REQUIRE(WaitUntil([&] { return locks->GetUsage().waiting == waiting + 1; }, kLong));
    return child;
  }
  // A child that has the lock until it is killed.
  ChildProcess Holder(uint64_t number) {
    const int before = events->go;
    ChildProcess child([this, number] {
      // Not the test program's, which would report a failure of this test.
      for (const int fatal : {SIGSEGV, SIGTERM}) signal(fatal, SIG_DFL);
      Result<SessionLock> lock = locks->Acquire(KeyOf(number), FromNow(kLong));
      if (!lock.ok()) return 1;
      ++events->go;
      for (;;) pause();
    });
    REQUIRE(WaitUntil([&] { return events->go == before + 1; }, kLong));
    return child;
  }
  void RequireIdle() {
    REQUIRE(locks->CheckInvariants() == "");
    const SessionLocks::Usage usage = locks->GetUsage();
    REQUIRE(usage.held == 0);
    REQUIRE(usage.waiting == 0);
    REQUIRE(locks->CheckInvariants() == "");
  }

  Shared<Events> events;
};

}  // namespace

TEST_CASE_METHOD(LocksFixture, "one process at a time has a session", "[local]") {
  std::vector<ChildProcess> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([this] {
      for (int round = 0; round < 500; ++round) {
        Result<SessionLock> lock = locks->Acquire(KeyOf(1), FromNow(kLong));
        if (!lock.ok()) return 1;
        const uint64_t sum = events->sum.load();
        if (round % 64 == 0) sched_yield();
        events->sum.store(sum + 1);
        locks->Release(&*lock);
      }
      return 0;
    });
  }
  for (ChildProcess& child : children) REQUIRE(child.Wait(kLong).code == 0);
  REQUIRE(events->sum == 2000);
  REQUIRE(store->counters().lock_timeouts.Get() == 0);
  REQUIRE(store->counters().lock_takeovers.Get() == 0);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "waiters get a session in order of arrival", "[local]") {
  SessionLock lock = MustAcquire(1);
  std::vector<ChildProcess> children;
  for (int i = 0; i < 8; ++i) children.push_back(Waiter(1, i));
  REQUIRE(locks->GetUsage().held == 1);
  REQUIRE(events->count == 0);
  locks->Release(&lock);
  REQUIRE_FALSE(lock.held);
  for (ChildProcess& child : children) REQUIRE(child.Wait(kLong).code == 0);
  for (int i = 0; i < 8; ++i) REQUIRE(events->order[i] == i);
  REQUIRE(store->counters().lock_waits.Get() == 8);
  REQUIRE(locks->GetUsage().longest_wait_ns > 0);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "a holder's death by any signal or exit frees its waiter", "[local]") {
  for (const int signal : {SIGKILL, SIGSEGV, SIGTERM}) {
    ChildProcess holder = Holder(1);
    ChildProcess waiter = Waiter(1, 0);
    holder.Send(signal);
    REQUIRE(waiter.Wait(kLong).code == 0);
  }
  // As PHP's hard timeout ends a worker.
  ChildProcess exits([this] {
    if (!locks->Acquire(KeyOf(1), FromNow(kLong)).ok()) return 1;
    ++events->go;
    while (events->go >= 0) sched_yield();
    _exit(124);
  });
  REQUIRE(WaitUntil([&] { return events->go == 4; }, kLong));
  ChildProcess waiter = Waiter(1, 0);
  events->go = -1;
  REQUIRE(waiter.Wait(kLong).code == 0);
  REQUIRE(exits.Wait(kLong).code == 124);
  REQUIRE(store->counters().lock_takeovers.Get() == 4);
  REQUIRE(IsFree(1));
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "waiters killed in the middle of the queue are passed by", "[local]") {
  SessionLock lock = MustAcquire(1);
  std::vector<ChildProcess> children;
  for (int i = 0; i < 6; ++i) children.push_back(Waiter(1, i));
  for (const size_t dead : {size_t{1}, size_t{2}, size_t{4}}) children[dead].Kill();
  REQUIRE_FALSE(IsFree(1));
  locks->Release(&lock);
  for (const size_t alive : {size_t{0}, size_t{3}, size_t{5}}) REQUIRE(children[alive].Wait(kLong).code == 0);
  REQUIRE(events->count == 3);
  REQUIRE(events->order[0] == 0);
  REQUIRE(events->order[1] == 3);
  REQUIRE(events->order[2] == 5);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "the last waiters' and the holder's death leaves nothing behind", "[local]") {
  ChildProcess holder = Holder(1);
  ChildProcess first = Waiter(1, 0);
  ChildProcess last = Waiter(1, 1);
  last.Kill();
  first.Kill();
  holder.Kill();
  RequireIdle();
  REQUIRE(IsFree(1));
}

TEST_CASE_METHOD(LocksFixture, "a wait ends at its deadline, and those behind keep their order", "[local]") {
  // On a loaded machine a deadline may pass before the next one has come; then again with a later one.
  bool someone_came = false;
  for (std::chrono::milliseconds patience{200}; !someone_came && patience < kLong; patience *= 2) {
    SessionLock lock = MustAcquire(1);
    events->count = 0;
    const uint64_t timeouts = store->counters().lock_timeouts.Get();
    ChildProcess gives_up([this, patience] {
      const Result<SessionLock> mine = locks->Acquire(KeyOf(1), FromNow(patience));
      return !mine.ok() && mine.error().code() == ErrorCode::kTimeout ? 7 : 1;
    });
    ChildProcess::End end;
    const auto gave_up = [&] {
      if (!end.ended) end = gives_up.Wait(std::chrono::milliseconds(0));
      return end.ended;
    };
    REQUIRE(WaitUntil([&] { return locks->GetUsage().waiting == 1 || gave_up(); }, kLong));
    ChildProcess second([this] {
      Result<SessionLock> mine = locks->Acquire(KeyOf(1), FromNow(kLong));
      if (!mine.ok()) return 1;
      events->Note(2);
      locks->Release(&*mine);
      return 0;
    });
    REQUIRE(WaitUntil(
        [&] {
          someone_came = locks->GetUsage().waiting == 2;
          return someone_came || gave_up();
        },
        kLong));
    REQUIRE(WaitUntil(gave_up, kLong));
    REQUIRE(end.code == 7);
    REQUIRE_FALSE(IsFree(1));
    REQUIRE(events->count == 0);
    REQUIRE(store->counters().lock_timeouts.Get() == timeouts + 2);
    REQUIRE(WaitUntil([&] { return locks->GetUsage().waiting == 1; }, kLong));
    ChildProcess third = Waiter(1, 3);
    locks->Release(&lock);
    REQUIRE(second.Wait(kLong).code == 0);
    REQUIRE(third.Wait(kLong).code == 0);
    REQUIRE(events->order[0] == 2);
    REQUIRE(events->order[1] == 3);
    RequireIdle();
  }
  REQUIRE(someone_came);
}

TEST_CASE_METHOD(LocksFixture, "no more wait for a session than may, and who died waits no more", "[local]") {
  const auto refused = [this](uint64_t number, uint32_t waiters_max) {
    Result<SessionLock> lock = locks->Acquire(KeyOf(number), FromNow(std::chrono::milliseconds(0)), waiters_max);
    if (lock.ok()) locks->Release(&*lock);
    return !lock.ok() && lock.error().code() == ErrorCode::kTooMany;
  };
  SessionLock held = MustAcquire(1);
  SessionLock other = MustAcquire(2);
  CHECK_FALSE(refused(1, 1));  // waits, in vain
  ChildProcess first = Waiter(1, 1);
  CHECK(refused(1, 1));
  CHECK_FALSE(refused(1, 2));
  ChildProcess second = Waiter(1, 2);
  ChildProcess third = Waiter(1, 3);
  CHECK(refused(1, 3));
  CHECK_FALSE(refused(1, 4));
  CHECK_FALSE(refused(1, 0));  // any number
  CHECK_FALSE(refused(2, 1));  // another session
  CHECK_FALSE(refused(3, 1));  // one that nobody has
  CHECK(store->counters().lock_refusals.Get() == 2);
  third.Kill();
  CHECK_FALSE(refused(1, 3));
  CHECK(locks->GetUsage().waiting == 2);
  locks->Release(&held);
  REQUIRE(first.Wait().code == 0);
  REQUIRE(second.Wait().code == 0);
  CHECK(events->order[0] == 1);
  CHECK(events->order[1] == 2);
  locks->Release(&other);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "who may not wait for a session takes no lock from others", "[local]") {
  SessionLock held = MustAcquire(1);
  ChildProcess waiter = Waiter(1, 1);
  for (uint32_t i = 0; i < locks->GetUsage().capacity; ++i) {
    Result<SessionLock> refused = locks->Acquire(KeyOf(1), FromNow(std::chrono::milliseconds(0)), 1);
    REQUIRE_FALSE(refused.ok());
    REQUIRE(refused.error().code() == ErrorCode::kTooMany);
  }
  SessionLock other = MustAcquire(2);
  locks->Release(&other);
  locks->Release(&held);
  REQUIRE(waiter.Wait().code == 0);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "a forked child cannot release its parent's lock, nor does its end", "[local]") {
  SessionLock lock = MustAcquire(1);
  ChildProcess child([&] {
    SessionLock copy = lock;
    locks->Release(&copy);
    return copy.held ? 1 : 0;
  });
  REQUIRE(child.Wait(kLong).code == 0);
  ChildProcess other([this] { return IsFree(1) ? 1 : 0; });
  REQUIRE(other.Wait(kLong).code == 0);
  REQUIRE(locks->GetUsage().held == 1);
  SessionLock again = lock;
  locks->Release(&lock);
  REQUIRE(IsFree(1));

  // A value that was released already releases nothing, also when its place is somebody's again.
  SessionLock next = MustAcquire(1);
  locks->Release(&again);
  ChildProcess third([this] { return IsFree(1) ? 1 : 0; });
  REQUIRE(third.Wait(kLong).code == 0);
  locks->Release(&next);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "different sessions never wait for each other, up to the capacity", "[local]") {
  const uint32_t capacity = locks->GetUsage().capacity;
  REQUIRE(capacity >= 512);
  std::vector<SessionLock> held;
  for (uint32_t i = 0; i < capacity; ++i) held.push_back(MustAcquire(i));
  REQUIRE(store->counters().lock_waits.Get() == 0);
  REQUIRE(locks->GetUsage().held == capacity);
  REQUIRE(locks->CheckInvariants() == "");
  const Result<SessionLock> refused = locks->Acquire(KeyOf(capacity), FromNow(kLong));
  REQUIRE_FALSE(refused.ok());
  REQUIRE(refused.error().code() == ErrorCode::kNoMemory);
  locks->Release(&held.back());
  held.back() = MustAcquire(capacity + 1);
  for (SessionLock& lock : held) locks->Release(&lock);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "what a dead worker held of the capacity comes back", "[local]") {
  const uint32_t capacity = locks->GetUsage().capacity;
  ChildProcess child([&] {
    for (uint32_t i = 0; i < capacity; ++i) {
      if (!locks->Acquire(KeyOf(i), FromNow(kLong)).ok()) return 1;
    }
    return 0;
  });
  REQUIRE(child.Wait(kLong).code == 0);
  std::vector<SessionLock> held;
  for (uint32_t i = 0; i < capacity; ++i) held.push_back(MustAcquire(5000 + i));
  for (SessionLock& lock : held) locks->Release(&lock);
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "a thread that asks for a lock it has is told so at once", "[local]") {
  SessionLock lock = MustAcquire(1);
  const Result<SessionLock> twice = locks->Acquire(KeyOf(1), FromNow(kLong));
  REQUIRE_FALSE(twice.ok());
  REQUIRE(twice.error().code() == ErrorCode::kInternal);
  locks->Release(&lock);
  REQUIRE(IsFree(1));
  RequireIdle();
}

TEST_CASE_METHOD(LocksFixture, "a store may go while a thread still has a session, and the thread goes on", "[local]") {
  ChildProcess child([this] {
    signal(SIGSEGV, SIG_DFL);
    Shared<SharedMutex> another;
    if (!another->Init() || !locks->Acquire(KeyOf(1), FromNow(kLong)).ok()) return 1;
    owner.reset();
    const bool works = another->Lock() == LockOutcome::kLocked;
    another->Unlock();
    return works ? 0 : 2;
  });
  REQUIRE(child.Wait(kLong).code == 0);
}

TEST_CASE_METHOD(LocksFixture, "locks and lookups that meet nobody need no system call", "[local]") {
  REQUIRE(Put(1, 4000));
  ChildProcess child([this] {
    std::string payload(4000, 'x');
    const TimePoint deadline = FromNow(kLong);
    // From here on any system call but exit kills the process.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) return 2;
    bool good = true;
    for (uint64_t i = 0; i < 50; ++i) {
      Result<SessionLock> lock = locks->Acquire(KeyOf(i), deadline);
      good = good && lock.ok() && store->Lookup(KeyOf(1), now, nullptr, &payload) && payload.size() == 4000;
      if (lock.ok()) locks->Release(&*lock);
    }
    syscall(SYS_exit, good ? 0 : 1);
    return 3;
  });
  REQUIRE(child.Wait(kLong).code == 0);
}

}  // namespace clustered_session
