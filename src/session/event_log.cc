// The lines of a server's logs, see event_log.h. Layer: session.
#include "src/session/event_log.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace clustered_session {
namespace {

constexpr Duration kWaitMax = std::chrono::milliseconds(100);  // a line is worth no longer wait for a stopped worker

}  // namespace

// Holds the mutex. What a worker that died has left is whole: a line counts from when its size is set.
class SharedEventLog::Access {
 public:
  explicit Access(SharedMutex* mutex) : mutex_(mutex) {
    const LockOutcome outcome = mutex->LockUntil(std::chrono::steady_clock::now() + kWaitMax);
    if (outcome == LockOutcome::kOwnerDied) mutex->MarkConsistent();
    locked_ = IsLocked(outcome);
  }
  ~Access() {
    if (locked_) mutex_->Unlock();
  }
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
  bool locked() const { return locked_; }

 private:
  SharedMutex* mutex_;
  bool locked_;
};

bool SharedEventLog::Init() { return change_.Init(); }

// Of one log, or of all if `log` is null.
SharedEventLog::Line* SharedEventLog::Earliest(const uint64_t* log) {
  Line* earliest = nullptr;
  for (Line& line : lines_) {
    if (line.size == 0 || (log != nullptr && line.log != *log)) continue;
    const bool earlier = earliest == nullptr || line.at_ns < earliest->at_ns ||
                         (line.at_ns == earliest->at_ns && line.number < earliest->number);
    if (earlier) earliest = &line;
  }
  return earliest;
}

void SharedEventLog::Add(uint64_t log, TimePoint at, std::string_view text) {
  if (text.empty()) return;
  const Access access(&change_);
  if (!access.locked()) return;
  Line* line = std::find_if(std::begin(lines_), std::end(lines_), [](const Line& each) { return each.size == 0; });
  if (line == std::end(lines_)) {
    line = Earliest(&log);
    if (line == nullptr) line = Earliest(nullptr);
  }
  line->size = 0;
  line->log = log;
  line->at_ns = ToNanos(at);
  line->number = ++added_;
  const size_t size = std::min(text.size(), kTextMax);
  std::memcpy(line->text, text.data(), size);
  line->size = static_cast<uint32_t>(size);
  any_.store(1);
}

std::optional<Notice> SharedEventLog::Take(uint64_t log) {
  if (any_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  const Access access(&change_);
  if (!access.locked()) return std::nullopt;
  Line* line = Earliest(&log);
  if (line == nullptr) return std::nullopt;
  Notice notice{false, std::string(line->text, std::min<size_t>(line->size, kTextMax)), FromNanos(line->at_ns)};
  line->size = 0;
  if (Earliest(nullptr) == nullptr) any_.store(0);
  return notice;
}

}  // namespace clustered_session
