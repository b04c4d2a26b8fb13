// A clock that a test moves. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_

#include "src/base/clock.h"

namespace clustered_session {

class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return now_; }
  void Advance(Duration duration) { now_ += duration; }

 private:
  // Behind the real clock from the first minute of a machine's life, so that waiting for a lock ends at once.
  TimePoint now_ = TimePoint(std::chrono::seconds(20));
};

// A machine's own clock, which is ahead of another one by what a test says.
class AheadClock final : public Clock {
 public:
  // `clock` must outlive this.
  explicit AheadClock(const Clock* clock) : clock_(clock) {}
  TimePoint Now() const override { return clock_->Now() + ahead_; }
  void set_ahead(Duration ahead) { ahead_ = ahead; }
  Duration ahead() const { return ahead_; }

 private:
  const Clock* clock_;
  Duration ahead_{0};
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_
