// The thread that renews cluster locks, see lock_keeper.h. Layer: session.
#include "src/session/lock_keeper.h"

#include <exception>
#include <utility>

#include "src/session/worker.h"

namespace clustered_session {

// Without a thread, locks that are held for longer than a lease are lost, which is counted and logged.
LockKeeper::LockKeeper(LocalStore* store, const Clock* clock, Duration lease_length, LockLeases::NodesOf nodes_of,
                       uint64_t log)
    : store_(store),
      clock_(clock),
      nodes_of_(std::move(nodes_of)),
      log_(log),
      leases_(clock, &store->counters(), lease_length, [this] { return thread_.Start(); }),
      thread_([this] { Serve(); }) {}

void LockKeeper::Serve() {
  Worker worker(store_, clock_, log_);  // its connections are opened by the first renewal
  const LockLeases::NodesOf by_worker = [&worker](const Lease& lease) -> NodeSet* {
    const auto context = worker.ContextFor(lease.access->save_path, lease.access->settings, 1);
    return context.ok() ? (*context)->nodes : nullptr;
  };
  RenewUntilIdle(nodes_of_ ? nodes_of_ : by_worker);
}

void LockKeeper::RenewUntilIdle(const LockLeases::NodesOf& nodes_of) {
  for (;;) {
    TimePoint next;
    try {
      next = leases_.Renew(nodes_of);
    } catch (const std::exception&) {
      next = clock_->Now() + std::chrono::seconds(1);  // out of memory: perhaps there is some by then
    }
    thread_.Pause(next - clock_->Now());
    if (thread_.stopping() || leases_.Retire()) return;
  }
}

}  // namespace clustered_session
