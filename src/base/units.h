// Settings with units: durations and sizes as they are written in php.ini. Layer: base. Pure; thread-safe.
#ifndef CLUSTERED_SESSION_BASE_UNITS_H_
#define CLUSTERED_SESSION_BASE_UNITS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "src/base/clock.h"
#include "src/base/result.h"

namespace clustered_session {

// "250ms", "10s", "5m", "2h" or "0"; spaces around it are ignored. A number without a unit is an error, as seconds and
// milliseconds would both be a fair guess. Errors: kInvalidArgument; the caller says which setting it was.
Result<Duration> ParseDuration(std::string_view text);

// Bytes, or PHP's shorthand "512K", "64M", "1G" (either case); spaces around it are ignored. Errors: kInvalidArgument.
Result<size_t> ParseSize(std::string_view text);

// For people; what ParseDuration() takes if it is a whole number of milliseconds and not negative.
std::string FormatDuration(Duration duration);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_UNITS_H_
