// A thread that exists only while there is work, see on_demand_thread.h. Layer: base.
#include "src/base/on_demand_thread.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "src/base/process_number.h"
#include "src/base/quiet_thread.h"

namespace clustered_session {

struct OnDemandThread::State {
  std::mutex mutex;  // of all below; the atomic ones may be read without it
  std::condition_variable stopped;
  std::thread thread;
  bool wanted = false;  // the work is to begin once more
  std::atomic<bool> running{false};
  std::atomic<bool> stopping{false};
};

OnDemandThread::OnDemandThread(std::function<void()> work, std::function<void()> wake)
    : work_(std::move(work)), wake_(std::move(wake)), process_(ProcessNumber()), state_(std::make_unique<State>()) {}

// A child has no thread to join, and its copies of mutex and condition may be in any state.
OnDemandThread::~OnDemandThread() {
  if (Mine()) {
    Stop();
  } else {
    (void)state_.release();
  }
}

bool OnDemandThread::Mine() const { return ProcessNumber() == process_; }

bool OnDemandThread::running() const { return Mine() && state_->running.load(); }

bool OnDemandThread::stopping() const { return state_->stopping.load(); }

bool OnDemandThread::Start() {
  if (!Mine()) return false;
  const std::lock_guard<std::mutex> guard(state_->mutex);
  if (state_->stopping.load()) return false;
  state_->wanted = true;
  if (state_->running.load()) return true;
  if (state_->thread.joinable()) state_->thread.join();  // it has ended
  std::optional<std::thread> started = StartQuietThread([this] { Main(); });
  if (!started) return false;
  state_->thread = std::move(*started);
  state_->running.store(true);
  return true;
}

void OnDemandThread::Main() {
  std::unique_lock<std::mutex> guard(state_->mutex);
  while (state_->wanted && !state_->stopping.load()) {
    state_->wanted = false;
    guard.unlock();
    work_();
    guard.lock();
  }
  state_->running.store(false);
}

void OnDemandThread::Stop() {
  if (!Mine()) return;
  std::thread ended;
  {
    const std::lock_guard<std::mutex> guard(state_->mutex);
    state_->stopping.store(true);
    ended = std::move(state_->thread);
  }
  if (!ended.joinable()) return;
  state_->stopped.notify_all();
  if (wake_) wake_();
  ended.join();
}

void OnDemandThread::Pause(Duration duration) {
  std::unique_lock<std::mutex> guard(state_->mutex);
  state_->stopped.wait_for(guard, duration, [this] { return state_->stopping.load(); });
}

}  // namespace clustered_session
