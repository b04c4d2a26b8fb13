// A clock that a test moves, and clocks of other hosts beside it. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <functional>
#include <utility>

#include "src/base/clock.h"

namespace clustered_session {

class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return now_; }
  int64_t UnixSeconds() const override { return 1'700'000'000 + ToNanos(Now()) / 1'000'000'000; }
  // Whoever waits lets time pass; what others do meanwhile, the test says.
  void Pause(Duration duration) const override {
    now_ += duration;
    ++pauses_;
    if (on_pause_) on_pause_();
  }
  void OnPause(std::function<void()> what) { on_pause_ = std::move(what); }
  int pauses() const { return pauses_; }
  void Advance(Duration duration) { now_ += duration; }

 private:
  // Behind the real clock from the first minute of a machine's life, so that waiting for a lock ends at once.
  mutable TimePoint now_ = TimePoint(std::chrono::seconds(20));
  mutable int pauses_ = 0;
  std::function<void()> on_pause_;
};

// Another host's clock: it goes as fast and shows another time.
class OffsetClock final : public Clock {
 public:
  // `clock` must outlive this.
  explicit OffsetClock(const Clock* clock, Duration offset = Duration::zero()) : clock_(clock), offset_(offset) {}
  TimePoint Now() const override { return clock_->Now() + offset_; }
  int64_t UnixSeconds() const override { return clock_->UnixSeconds() + offset_ / std::chrono::seconds(1); }
  void Pause(Duration duration) const override { clock_->Pause(duration); }
  void set_offset(Duration offset) { offset_ = offset; }
  Duration offset() const { return offset_; }

 private:
  const Clock* clock_;
  Duration offset_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_CLOCK_H_
