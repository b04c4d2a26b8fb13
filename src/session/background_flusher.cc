#include "src/session/background_flusher.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <optional>
#include <utility>

#include "src/base/quiet_thread.h"
#include "src/session/worker.h"

namespace clustered_session {
namespace {

constexpr size_t kStepEntries = 64;
constexpr Duration kStepTime = std::chrono::seconds(1);
constexpr Duration kIdle = std::chrono::seconds(5);           // without work, after which the thread ends
constexpr Duration kRetry = std::chrono::milliseconds(50);    // while nodes fail: health lets few of these through
constexpr Duration kUnknownRetry = std::chrono::seconds(1);   // while only other processes could write what is left
constexpr Duration kBusyRetry = std::chrono::milliseconds(2); // while requests have the entries
constexpr size_t kNoticesMax = 100;

}  // namespace

BackgroundFlusher::BackgroundFlusher(LocalStore* store, const Clock* clock, SessionSettings own)
    : store_(store), clock_(clock), own_(std::move(own)), pid_(getpid()) {}

BackgroundFlusher::~BackgroundFlusher() { Stop(); }

bool BackgroundFlusher::Mine() const { return getpid() == pid_; }

std::unique_ptr<Flusher> BackgroundFlusher::MakeFlusher() const {
  // Kept by the function: connections live as long as the flusher.
  auto worker = std::make_shared<Worker>(store_, clock_);
  return std::make_unique<Flusher>(store_, clock_, [this, worker](uint8_t pool) -> std::shared_ptr<const SessionContext> {
    SessionSettings settings = own_;
    std::string save_path;
    if (!static_cast<SharedState*>(store_->Extra())->pools.Load(pool, &save_path, &settings)) return nullptr;
    settings.write = WriteMode::kThrough;
    auto context = worker->ContextFor(save_path, settings, pool);
    return context.ok() ? *context : nullptr;
  });
}

bool BackgroundFlusher::TakeSeat() {
  const LockOutcome outcome = seat().taken.TryLock();
  if (outcome == LockOutcome::kOwnerDied) seat().taken.MarkConsistent();
  return IsLocked(outcome);
}

void BackgroundFlusher::Wake() {
  if (seat().pending.load() == FlushSeat::kNothing || running_.load()) return;
  // A mutex belongs to its thread, so this one only looks whether it is free.
  if (!TakeSeat()) return;
  seat().taken.Unlock();

  const std::lock_guard<std::mutex> guard(mutex_);
  if (stop_.load() || running_.exchange(true)) return;
  if (thread_.joinable()) thread_.join();  // it has ended
  if (std::optional<std::thread> started = StartQuietThread([this] { Main(); })) {
    thread_ = std::move(*started);
  } else {
    running_.store(false);  // the next request tries again
  }
}

void BackgroundFlusher::Main() {
  bool seated = false;
  do {
    seated = TakeSeat();
    if (seated) {
      try {
        Serve(MakeFlusher().get());
      } catch (const std::exception&) {  // out of memory: the next request starts another
        stop_.store(true);
      }
      seat().taken.Unlock();
    }
    running_.store(false);
    // Who left something behind a moment ago may have seen the seat taken, or this thread running.
  } while (seated && !stop_.load() && seat().pending.load() != FlushSeat::kNothing && !running_.exchange(true));
}

// Until nothing has come for a while, or the process ends.
void BackgroundFlusher::Serve(Flusher* flusher) {
  TimePoint idle_until = clock_->Now() + kIdle;
  while (!stop_.load()) {
    if (seat().pending.load() == FlushSeat::kNothing) {
      const TimePoint now = clock_->Now();
      if (now >= idle_until) return;
      WaitForWork(idle_until - now);  // or less: what it was woken for may be done already
      continue;
    }
    seat().pending.store(FlushSeat::kUnderWay);
    const Flusher::Step step = flusher->Run(kStepEntries, clock_->Now() + kStepTime);
    KeepNotices(flusher);
    const bool left = store_->UnreplicatedCount() > step.unknown;
    uint32_t still = FlushSeat::kUnderWay;  // else there is something new
    seat().pending.compare_exchange_strong(still, left ? FlushSeat::kPending : FlushSeat::kNothing);
    if (step.written == 0) Pause(step);
    idle_until = clock_->Now() + kIdle;
  }
}

// After a step that brought nothing forward.
void BackgroundFlusher::Pause(const Flusher::Step& step) {
  const TimePoint until = clock_->Now() + (step.no_node > 0 ? kRetry : step.unknown > 0 ? kUnknownRetry : kBusyRetry);
  while (!stop_.load() && clock_->Now() < until) WaitForWork(until - clock_->Now());
}

// Returns early when woken.
void BackgroundFlusher::WaitForWork(Duration wait) {
  timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  const int64_t nanos = until.tv_nsec + std::chrono::nanoseconds(wait).count();
  until.tv_sec += static_cast<time_t>(nanos / 1'000'000'000);
  until.tv_nsec = static_cast<long>(nanos % 1'000'000'000);
  while (sem_timedwait(&seat().wake, &until) != 0 && errno == EINTR) {
  }
}

void BackgroundFlusher::Stop() {
  if (!Mine()) return;
  const std::lock_guard<std::mutex> guard(mutex_);
  stop_.store(true);
  if (thread_.joinable()) {
    sem_post(&seat().wake);
    thread_.join();
  }
  stop_.store(false);
}

size_t BackgroundFlusher::FlushAll(TimePoint deadline) {
  if (store_->UnreplicatedCount() == 0 || !TakeSeat()) return 0;
  const std::unique_ptr<Flusher> flusher = MakeFlusher();
  size_t left = 0;
  for (;;) {
    const Flusher::Step step = flusher->Run(kStepEntries, deadline);
    left = store_->UnreplicatedCount();
    if (left <= step.unknown || clock_->Now() >= deadline) break;
    if (step.written == 0) Pause(step);
  }
  seat().pending.store(left != 0 ? FlushSeat::kPending : FlushSeat::kNothing);
  KeepNotices(flusher.get());
  seat().taken.Unlock();
  return left;
}

void BackgroundFlusher::KeepNotices(Flusher* flusher) {
  for (Notice& notice : flusher->TakeNotices()) {
    const std::lock_guard<std::mutex> guard(notices_mutex_);
    if (notices_.size() < kNoticesMax) notices_.push_back(std::move(notice));
    has_notices_.store(true);
  }
}

std::vector<Notice> BackgroundFlusher::TakeNotices() {
  const std::lock_guard<std::mutex> guard(notices_mutex_);
  has_notices_.store(false);
  return std::exchange(notices_, {});
}

}  // namespace clustered_session
