// The injected clock: every decision of the core that depends on time is handed `now`, so that a simulation can own
// time. Layer: base. Monotonic time of this host decides; other servers' clocks are compared with ours only to tell how
// old a node's memory is (NodeSet::AnyOlder()).
#ifndef CLUSTERED_SESSION_BASE_CLOCK_H_
#define CLUSTERED_SESSION_BASE_CLOCK_H_

#include <chrono>
#include <cstdint>
#include <thread>

namespace clustered_session {

// CLOCK_MONOTONIC: the same origin for all processes of the host, so it may be kept in shared memory as nanoseconds.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
  // The time of day, in seconds since 1970; it may be set, and differ from other servers'.
  virtual int64_t UnixSeconds() const {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  // Returns after `duration` by this clock. For what nobody can be woken for, such as a lock on another host.
  virtual void Pause(Duration duration) const = 0;
};

// The system's clock. Thread-safe.
class SystemClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  void Pause(Duration duration) const override { std::this_thread::sleep_for(duration); }
};

inline int64_t ToNanos(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
inline TimePoint FromNanos(int64_t nanos) { return TimePoint(std::chrono::nanoseconds(nanos)); }

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_CLOCK_H_
