// LockKeeper: the thread that renews the cluster locks of this process. Layer: session. One object per process.
// It starts with the first lock and ends when none has been held for the length of a lease, so that a request which is
// done in time pays for no thread of its own. It has connections of its own and calls nothing of PHP. A child made by
// fork() has no such thread and makes an object of its own.
#ifndef CLUSTERED_SESSION_SESSION_LOCK_KEEPER_H_
#define CLUSTERED_SESSION_SESSION_LOCK_KEEPER_H_

#include <cstdint>

#include "src/base/on_demand_thread.h"
#include "src/local/local_store.h"
#include "src/session/lock_leases.h"

namespace clustered_session {

class LockKeeper {
 public:
  // All must outlive the process's last use of the object. `nodes_of` is called by the thread; empty: nodes as the
  // leases' access has them. `log`: of this process, see event_log.h.
  LockKeeper(LocalStore* store, const Clock* clock, Duration lease_length, LockLeases::NodesOf nodes_of = {},
             uint64_t log = 0);
  LockKeeper(const LockKeeper&) = delete;
  LockKeeper& operator=(const LockKeeper&) = delete;

  LockLeases* leases() { return &leases_; }

  // Ends the thread, if it is this process's, for good.
  void Stop() { thread_.Stop(); }

  // Whether the calling process is the one that made the object.
  bool Mine() const { return thread_.Mine(); }

  bool running() const { return thread_.running(); }

 private:
  void Serve();
  void RenewUntilIdle(const LockLeases::NodesOf& nodes_of);

  LocalStore* store_;
  const Clock* clock_;
  const LockLeases::NodesOf nodes_of_;
  const uint64_t log_;
  LockLeases leases_;
  OnDemandThread thread_;  // last: it ends before what it uses
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_LOCK_KEEPER_H_
