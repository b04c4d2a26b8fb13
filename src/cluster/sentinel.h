// The sentinel: an item that the first to connect to a node process adds, for all servers. It tells which process
// answers under a node's name, and since when its memory holds anything. Layer: cluster. Pure.
#ifndef CLUSTERED_SESSION_CLUSTER_SENTINEL_H_
#define CLUSTERED_SESSION_CLUSTER_SENTINEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clustered_session {

// Shorter than any storage key. If the node evicts it, the next one adds another: tokens of before are then not used,
// which costs a round trip and is never wrong.
inline constexpr std::string_view kSentinelKey = "cs:node-incarnation";

// Its value: `random`, which tells processes apart, and the time, in seconds since 1970, by the clock of who adds it.
std::string SentinelValue(std::string_view random, int64_t unix_s);

// That time; none in a value of version 0.1, which has only the random part.
std::optional<int64_t> SentinelTime(std::string_view value);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_SENTINEL_H_
