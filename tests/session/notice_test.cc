// When an event says its own time. Mirrors src/session/notice.h.
#include "src/session/notice.h"

#include <catch2/catch.hpp>

namespace clustered_session {
namespace {

TEST_CASE("an event that is told later than a second after it happened says its own time") {
  const TimePoint now = FromNanos(1'000'000'000'000);
  const std::time_t wall_now = 1'700'000'000;  // 2023-11-14T22:13:20Z
  struct Case {
    TimePoint at;
    std::string text;
  };
  const Case cases[] = {
      {TimePoint(), "node m1: no answer"},
      {now, "node m1: no answer"},
      {now - std::chrono::milliseconds(999), "node m1: no answer"},
      {now - std::chrono::seconds(1), "2023-11-14T22:13:19Z: node m1: no answer"},
      {now - std::chrono::milliseconds(61'400), "2023-11-14T22:12:19Z: node m1: no answer"},
      {now + std::chrono::seconds(5), "node m1: no answer"},  // of another clock
  };
  for (const Case& each : cases) {
    CHECK(TextOf({false, "node m1: no answer", each.at}, now, wall_now) == each.text);
  }
}

}  // namespace
}  // namespace clustered_session
