// The value of a node's sentinel, see sentinel.h. Layer: cluster.
#include "src/cluster/sentinel.h"

#include <charconv>

namespace clustered_session {

std::string SentinelValue(std::string_view random, int64_t unix_s) {
  return std::string(random) + "@" + std::to_string(unix_s);
}

std::optional<int64_t> SentinelTime(std::string_view value) {
  const size_t at = value.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const char* end = value.data() + value.size();
  int64_t unix_s = 0;
  const auto [rest, error] = std::from_chars(value.data() + at + 1, end, unix_s);
  if (error != std::errc() || rest != end || unix_s < 0) return std::nullopt;
  return unix_s;
}

}  // namespace clustered_session
