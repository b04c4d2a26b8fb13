// The thread that renews cluster locks, see lock_keeper.h. Layer: session.
#include "src/session/lock_keeper.h"

#include <unistd.h>

#include <exception>
#include <optional>
#include <utility>

#include "src/base/quiet_thread.h"
#include "src/session/worker.h"

namespace clustered_session {

LockKeeper::LockKeeper(LocalStore* store, const Clock* clock, Duration lease_length, LockLeases::NodesOf nodes_of,
                       uint64_t log)
    : store_(store),
      clock_(clock),
      nodes_of_(std::move(nodes_of)),
      log_(log),
      process_(getpid()),
      leases_(clock, &store->counters(), lease_length, [this] { return Start(); }) {}

LockKeeper::~LockKeeper() { Stop(); }

bool LockKeeper::Mine() const { return getpid() == process_; }

bool LockKeeper::running() {
  const std::lock_guard<std::mutex> guard(mutex_);
  return running_;
}

// Called once until the leases have retired.
bool LockKeeper::Start() {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (stop_) return false;
  if (thread_.joinable()) thread_.join();  // it has retired
  std::optional<std::thread> started = StartQuietThread([this] { Main(); });
  running_ = started.has_value();
  if (running_) thread_ = std::move(*started);
  // Else: locks that are held for longer than a lease are lost, which is counted and logged.
  return running_;
}

void LockKeeper::Main() {
  Worker worker(store_, clock_, log_);  // its connections are opened by the first renewal
  const LockLeases::NodesOf by_worker = [&worker](const Lease& lease) -> NodeSet* {
    const auto context = worker.ContextFor(lease.access->save_path, lease.access->settings, 1);
    return context.ok() ? (*context)->nodes : nullptr;
  };
  RunLoop(nodes_of_ ? nodes_of_ : by_worker);
}

void LockKeeper::RunLoop(const LockLeases::NodesOf& nodes_of) {
  for (;;) {
    TimePoint next;
    try {
      next = leases_.Renew(nodes_of);
    } catch (const std::exception&) {
      next = clock_->Now() + std::chrono::seconds(1);  // out of memory: perhaps there is some by then
    }
    std::unique_lock<std::mutex> guard(mutex_);
    stopping_.wait_for(guard, next - clock_->Now(), [this] { return stop_; });
    if (stop_ || leases_.Retire()) {
      running_ = false;
      return;
    }
  }
}

void LockKeeper::Stop() {
  if (!Mine()) return;
  std::thread ended;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
    ended = std::move(thread_);
  }
  stopping_.notify_all();
  if (ended.joinable()) ended.join();
}

}  // namespace clustered_session
