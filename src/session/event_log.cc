// The lines of a server's logs, see event_log.h. Layer: session.
#include "src/session/event_log.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace clustered_session {
namespace {

// What fits, with the code at its end.
std::string Cut(std::string_view text) {
  constexpr size_t kMax = SharedEventLog::kTextMax;
  if (text.size() <= kMax) return std::string(text);
  const size_t code = text.rfind(" [CS-");
  const std::string_view tail = code == std::string_view::npos || text.size() - code > 40 ? "" : text.substr(code);
  return std::string(text.substr(0, kMax - tail.size())).append(tail);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether they differ in numbers alone. One behind a letter is part of a name.
bool Alike(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    const bool number = IsDigit(a[i]) && IsDigit(b[j]) && (i == 0 || (!IsLetter(a[i - 1]) && !IsDigit(a[i - 1])));
    if (number) {
      while (i < a.size() && IsDigit(a[i])) ++i;
      while (j < b.size() && IsDigit(b[j])) ++j;
    } else if (a[i++] != b[j++]) {
      return false;
    }
  }
  return i == a.size() && j == b.size();
}

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

// Takes the place of one like it; else a free one, that of the oldest of this log, or that of the oldest of all.
void SharedEventLog::Keep(uint64_t log, TimePoint at, std::string_view text) {
  Kept* like = nullptr;
  Kept* free = nullptr;
  Kept* own = nullptr;
  Kept* oldest = &kept_[0];
  for (Kept& kept : kept_) {
    if (kept.line.size == 0) {
      free = &kept;
      continue;
    }
    if (kept.line.at_ns < oldest->line.at_ns) oldest = &kept;
    if (kept.line.log != log) continue;
    if (own == nullptr || kept.line.at_ns < own->line.at_ns) own = &kept;
    if (Alike({kept.line.text, std::min<size_t>(kept.line.size, kTextMax)}, text)) like = &kept;
  }
  Kept* place = like != nullptr ? like : free != nullptr ? free : own != nullptr ? own : oldest;
  place->times = like != nullptr ? place->times + 1 : 1;
  place->line.size = 0;
  place->line.log = log;
  place->line.at_ns = ToNanos(at);
  std::memcpy(place->line.text, text.data(), text.size());
  place->line.size = static_cast<uint32_t>(text.size());
}

void SharedEventLog::NoteWarning(uint64_t log, TimePoint at, std::string_view text) {
  if (text.empty()) return;
  const std::string cut = Cut(text);
  const Access access(&change_);
  if (access.locked()) Keep(log, at, cut);
}

std::vector<SharedEventLog::Recent> SharedEventLog::RecentLines(uint64_t log, TimePoint since) {
  std::vector<Recent> recent;
  recent.reserve(kKept);
  {
    const Access access(&change_);
    for (const Kept& kept : kept_) {
      const bool due = access.locked() && kept.line.size != 0 && kept.line.log == log;
      if (!due || FromNanos(kept.line.at_ns) < since) continue;
      recent.push_back({FromNanos(kept.line.at_ns), kept.times,
                        std::string(kept.line.text, std::min<size_t>(kept.line.size, kTextMax))});
    }
  }
  std::sort(recent.begin(), recent.end(), [](const Recent& a, const Recent& b) { return a.at > b.at; });
  return recent;
}

void SharedEventLog::Add(uint64_t log, TimePoint at, std::string_view whole) {
  if (whole.empty()) return;
  const std::string text = Cut(whole);
  const Access access(&change_);
  if (!access.locked()) return;
  Keep(log, at, text);
  Line* line = std::find_if(std::begin(lines_), std::end(lines_), [](const Line& each) { return each.size == 0; });
  if (line == std::end(lines_)) {
    line = Earliest(&log);
    if (line == nullptr) line = Earliest(nullptr);
  }
  line->size = 0;
  line->log = log;
  line->at_ns = ToNanos(at);
  line->number = ++added_;
  std::memcpy(line->text, text.data(), text.size());
  line->size = static_cast<uint32_t>(text.size());
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
