// The thread that renews cluster locks, see lock_keeper.h. Layer: session.
#include "src/session/lock_keeper.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "src/session/worker.h"

namespace clustered_session {

LockKeeper::LockKeeper(LocalStore* store, const Clock* clock, Duration lease_length, LockLeases::NodesOf nodes_of)
    : store_(store),
      clock_(clock),
      nodes_of_(std::move(nodes_of)),
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
  // The new thread inherits the mask: no signal of PHP's is ever handled there.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { Main(); });
    running_ = true;
  } catch (const std::exception&) {
    // No thread to be had: locks that are held for longer than a lease are lost, which is counted and logged.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return running_;
}

void LockKeeper::Main() {
  Worker worker(store_, clock_);  // its connections are opened by the first renewal
  const LockLeases::NodesOf by_worker = [&worker](const Lease& lease) -> NodeSet* {
    Result<const SessionContext*> context = worker.ContextFor(lease.access->save_path, lease.access->settings, 1);
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
