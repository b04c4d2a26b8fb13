// What the fault tests of the session locks have in common. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_LOCAL_LOCK_CHECKS_H_
#define CLUSTERED_SESSION_TESTS_LOCAL_LOCK_CHECKS_H_

#include "tests/local/store_fixture.h"

namespace clustered_session {

inline constexpr std::chrono::seconds kLong{
    100};  // never reached where the code is right, however loaded the machine is

inline bool TakesAndReleases(StoreFixture* fixture, uint64_t session) {
  Result<SessionLock> lock = fixture->locks->Acquire(KeyOf(session), FromNow(kLong));
  if (lock.ok()) fixture->locks->Release(&*lock);
  return lock.ok();
}

// REQUIRES: no worker lives.
inline void RequireWhole(StoreFixture* fixture, uint64_t sessions) {
  REQUIRE(fixture->locks->CheckInvariants() == "");
  const SessionLocks::Usage usage = fixture->locks->GetUsage();
  REQUIRE(usage.held == 0);
  REQUIRE(usage.waiting == 0);
  REQUIRE(fixture->locks->CheckInvariants() == "");
  for (uint64_t session = 0; session < sessions; ++session) {
    CAPTURE(session);
    Result<SessionLock> lock = fixture->locks->Acquire(KeyOf(session), FromNow(std::chrono::milliseconds(0)));
    REQUIRE(lock.ok());
    fixture->locks->Release(&*lock);
  }
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_LOCAL_LOCK_CHECKS_H_
