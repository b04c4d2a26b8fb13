// Parses and prints durations and sizes. Layer: base. Pure; thread-safe.
#include "src/base/units.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>

#include "src/base/ascii.h"
#include "src/base/quote.h"

namespace clustered_session {
namespace {

struct Unit {
  std::string_view suffix;
  uint64_t factor;  // nanoseconds or bytes
};

constexpr Unit kTimeUnits[] = {
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000}, {"ms", 1'000'000}};
constexpr Unit kSizeUnits[] = {{"", 1},           {"K", 1ULL << 10}, {"k", 1ULL << 10}, {"M", 1ULL << 20},
                               {"m", 1ULL << 20}, {"G", 1ULL << 30}, {"g", 1ULL << 30}};
constexpr char kDurationForms[] = "write a number and a unit, such as 250ms, 10s, 5m or 2h";
constexpr char kSizeForms[] = "write bytes or a number and K, M or G, such as 64M";

Error Invalid(std::string_view text, std::string_view problem, std::string_view forms) {
  std::string message = Quote(text);
  message.append(" ").append(problem).append(": ").append(forms);
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

struct Number {
  uint64_t value = 0;
  std::string_view unit;
};

// Splits "10s". Digits must come first: no sign, no fraction.
Result<Number> ParseNumber(std::string_view text, std::string_view problem, std::string_view forms) {
  Number number;
  const char* end = text.data() + text.size();
  if (text.empty() || !IsDigit(text[0])) return Invalid(text, problem, forms);
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number.value);
  if (error == std::errc::result_out_of_range) return Invalid(text, "is too large", forms);
  if (error != std::errc()) return Invalid(text, problem, forms);
  number.unit = {parsed_to, static_cast<size_t>(end - parsed_to)};
  return number;
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  text = TrimSpaces(text);
  Result<Number> number = ParseNumber(text, "is not a duration", kDurationForms);
  if (!number.ok()) return number.error();
  if (number->unit.empty()) {
    if (number->value == 0) return Duration::zero();
    return Invalid(text, "has no unit", kDurationForms);
  }
  for (const Unit& unit : kTimeUnits) {
    if (number->unit != unit.suffix) continue;
    if (number->value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / unit.factor) {
      return Invalid(text, "is too large", kDurationForms);
    }
    const auto nanos = std::chrono::nanoseconds(static_cast<int64_t>(number->value * unit.factor));
    return std::chrono::duration_cast<Duration>(nanos);
  }
  return Invalid(text, "is not a duration", kDurationForms);
}

Result<size_t> ParseSize(std::string_view text) {
  text = TrimSpaces(text);
  Result<Number> number = ParseNumber(text, "is not a size", kSizeForms);
  if (!number.ok()) return number.error();
  for (const Unit& unit : kSizeUnits) {
    if (number->unit != unit.suffix) continue;
    if (number->value > std::numeric_limits<size_t>::max() / unit.factor) {
      return Invalid(text, "is too large", kSizeForms);
    }
    return static_cast<size_t>(number->value * unit.factor);
  }
  return Invalid(text, "is not a size", kSizeForms);
}

std::string FormatDuration(Duration duration) {
  const int64_t nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  if (nanos == 0) return "0";
  std::string out = nanos < 0 ? "-" : "";
  // Unsigned, as the smallest int64_t has no positive counterpart.
  const uint64_t magnitude = nanos < 0 ? 0 - static_cast<uint64_t>(nanos) : static_cast<uint64_t>(nanos);
  for (const Unit& unit : kTimeUnits) {
    if (magnitude % unit.factor != 0) continue;
    return out.append(std::to_string(magnitude / unit.factor)).append(unit.suffix);
  }
  std::string fraction = std::to_string(1'000'000 + magnitude % 1'000'000);
  fraction[0] = '.';
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return out.append(std::to_string(magnitude / 1'000'000)).append(fraction).append("ms");
}

}  // namespace clustered_session
