// The injected clock: every decision of the core that depends on time is handed `now`, so that a simulation can own
// time. Layer: base. Only monotonic time of this host is ever used to decide; no other server's clock is compared with
// ours.
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
