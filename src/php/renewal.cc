// A thread's worker, and the thread that renews the cluster locks of all workers of this process. Layer: php.
#include <atomic>
#include <memory>

#include "src/php/module.h"
#include "src/session/cluster_lock.h"
#include "src/session/lock_keeper.h"

using clustered_session::LockKeeper;
using clustered_session::LockLeases;

namespace {

// Of this process. A child made by fork() leaves its parent's copy alone, whose locks may be anybody's.
std::atomic<LockKeeper*> keeper_here{nullptr};

LockLeases* LeasesOfThisProcess() {
  const auto make = [] {
    return std::make_unique<LockKeeper>(php_clustered_session_store(), php_clustered_session_clock(),
                                        clustered_session::kLockLease, LockLeases::NodesOf(),
                                        php_clustered_session_log_id());
  };
  return OfThisProcess(&keeper_here, make)->leases();
}

}  // namespace

// The setting may change while a session is open, so no worker is without leases. Whether they are still this process's
// only matters where they are used.
clustered_session::Worker* php_clustered_session_worker() {
  if (CSG(worker) != nullptr && CSG(settings)->lock != clustered_session::LockMode::kCluster) return CSG(worker);
  LockLeases* leases = LeasesOfThisProcess();
  if (CSG(worker) == nullptr) {
    CSG(worker) = new clustered_session::Worker(php_clustered_session_store(), php_clustered_session_clock(),
                                                php_clustered_session_log_id());
    // Read by the thread that renews: without a lock, as what it sees a moment late costs at most one renewal.
    static_assert(sizeof PS(session_status) == sizeof(int));
    const int* status = reinterpret_cast<const int*>(&PS(session_status));
    CSG(worker)->SetSessionOpen([status] { return __atomic_load_n(status, __ATOMIC_RELAXED) == php_session_active; });
  }
  CSG(worker)->SetLeases(leases);
  return CSG(worker);
}

// The next start makes another keeper, perhaps of another store. This one is not deleted: a session that PHP left open
// refers to its leases until the globals are gone.
void php_clustered_session_stop_renewal() noexcept {
  try {
    LockKeeper* keeper = keeper_here.load();
    if (keeper == nullptr || !keeper->Mine()) return;
    keeper->Stop();
    keeper_here.store(nullptr);
  } catch (const std::exception&) {
    // Nothing to be done about a thread that cannot be joined.
  }
}
