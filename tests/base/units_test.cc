// Durations and sizes as settings write them. Mirrors src/base/units.h.
#include "src/base/units.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

namespace clustered_session {
namespace {

using Catch::Matchers::Contains;
using namespace std::chrono_literals;

TEST_CASE("a duration is a whole number and its unit") {
  struct Row {
    const char* text;
    Duration duration;
  };
  const Row row = GENERATE(values<Row>({
      {"250ms", 250ms},
      {"10s", 10s},
      {"5m", 5min},
      {"2h", 2h},
      {"0", 0s},
      {"0ms", 0s},
      {"0s", 0s},
      {"  10s ", 10s},
      {"007s", 7s},
      {"2562047h", 2562047h},
  }));
  auto duration = ParseDuration(row.text);
  INFO(row.text);
  REQUIRE(duration.ok());
  CHECK(*duration == row.duration);
}

TEST_CASE("what is not a duration is refused with a message that says how to write one") {
  struct Row {
    std::string text;
    const char* message;
  };
  const Row row = GENERATE(values<Row>({
      {"10", "\"10\" has no unit: write a number and a unit, such as 250ms"},
      {"1", "has no unit"},
      {"", "\"\" is not a duration"},
      {" ", "is not a duration"},
      {"-1s", "is not a duration"},
      {"-0", "is not a duration"},
      {"+1s", "is not a duration"},
      {"1.5s", "is not a duration"},
      {"10 s", "is not a duration"},
      {"s", "is not a duration"},
      {"10S", "is not a duration"},
      {"10sec", "is not a duration"},
      {"10s10s", "is not a duration"},
      {"10us", "is not a duration"},
      {"0x10s", "is not a duration"},
      {"10s\n", "\"10s\\x0a\" is not a duration"},
      {std::string("1\0s", 3), "is not a duration"},
      {"2562048h", "is too large"},
      {"9223372036855ms", "is too large"},
      {"99999999999999999999s", "is too large"},
      {std::string(5000, '9'), "...\" is too large"},
  }));
  auto duration = ParseDuration(row.text);
  INFO(row.text);
  REQUIRE_FALSE(duration.ok());
  CHECK(duration.error().code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(duration.error().message(), Contains(row.message));
  CHECK(duration.error().message().size() < 200);
}

TEST_CASE("a size is bytes or PHP's shorthand") {
  struct Row {
    const char* text;
    size_t size;
  };
  const Row row = GENERATE(values<Row>({
      {"0", 0},
      {"1", 1},
      {"1048576", 1048576},
      {"512K", 524288},
      {"512k", 524288},
      {"64M", 67108864},
      {"64m", 67108864},
      {"1G", 1073741824},
      {"1g", 1073741824},
      {" 64M ", 67108864},
      {"18446744073709551615", 18446744073709551615ULL},
      {"17179869183G", 18446744072635809792ULL},
  }));
  auto size = ParseSize(row.text);
  INFO(row.text);
  REQUIRE(size.ok());
  CHECK(*size == row.size);
}

TEST_CASE("what is not a size is refused with a message that says how to write one") {
  struct Row {
    std::string text;
    const char* message;
  };
  const Row row = GENERATE(values<Row>({
      {"", "\"\" is not a size: write bytes or a number and K, M or G, such as 64M"},
      {"M", "is not a size"},
      {"-1", "is not a size"},
      {"+1", "is not a size"},
      {"64MB", "is not a size"},
      {"64 M", "is not a size"},
      {"1.5G", "is not a size"},
      {"0x10", "is not a size"},
      {"1T", "is not a size"},
      {"64M\n", "is not a size"},
      {std::string("1\0", 2), "is not a size"},
      {"18446744073709551616", "is too large"},
      {"17179869184G", "is too large"},
      {"18014398509481984K", "is too large"},
  }));
  auto size = ParseSize(row.text);
  INFO(row.text);
  REQUIRE_FALSE(size.ok());
  CHECK(size.error().code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(size.error().message(), Contains(row.message));
}

TEST_CASE("a duration is printed in its largest whole unit") {
  CHECK(FormatDuration(0s) == "0");
  CHECK(FormatDuration(250ms) == "250ms");
  CHECK(FormatDuration(1000ms) == "1s");
  CHECK(FormatDuration(1500ms) == "1500ms");
  CHECK(FormatDuration(90s) == "90s");
  CHECK(FormatDuration(120s) == "2m");
  CHECK(FormatDuration(2h) == "2h");
  CHECK(FormatDuration(1500us) == "1.5ms");
  CHECK(FormatDuration(20us) == "0.02ms");
  CHECK(FormatDuration(1ns) == "0.000001ms");
  CHECK(FormatDuration(-10s) == "-10s");
  CHECK(FormatDuration(Duration::min()) == "-9223372036854.775808ms");
}

TEST_CASE("a printed duration of whole milliseconds is read as the same duration") {
  for (const Duration duration : {Duration(0ms), Duration(1ms), Duration(999ms), Duration(61s), Duration(3600s),
                                  Duration(7261s), Duration(9223372036854ms)}) {
    auto parsed = ParseDuration(FormatDuration(duration));
    INFO(FormatDuration(duration));
    REQUIRE(parsed.ok());
    CHECK(*parsed == duration);
  }
}

}  // namespace
}  // namespace clustered_session
