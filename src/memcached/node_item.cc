// Keys and expirations of items, see node_item.h. Layer: memcached. Pure.
#include "src/memcached/node_item.h"

#include <algorithm>
#include <ctime>
#include <limits>

namespace clustered_session {

bool IsAuthenticationError(std::string_view line) {
  // "unauthenticated", "bad authentication token format" and others, depending on how the bytes arrived.
  return line.starts_with("CLIENT_ERROR") && line.find("authenticat") != std::string_view::npos;
}

std::string_view CredentialsRefusedText(bool were_sent) {
  return were_sent ? "refused the user name or password (clustered_session.username)"
                   : "asks for a user name and a password (clustered_session.username is not set)";
}

bool IsNodeItemKey(std::string_view key) {
  return !key.empty() && key.size() <= kNodeItemKeyLengthMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return static_cast<unsigned char>(c) > 32 && c != 127; });
}

// memcached takes more than 30 days for a time of day. Its clock may differ from ours: then such an item lives that
// much longer or shorter, in a month.
int64_t NodeItemExpiration(std::chrono::seconds ttl) {
  constexpr int64_t kRelativeMax = 30 * 24 * 3600;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  const int64_t seconds = std::clamp<int64_t>(ttl.count(), 1, kMax);  // 0 would be for ever
  return seconds <= kRelativeMax ? seconds : std::min<int64_t>(std::time(nullptr) + seconds, kMax);
}

}  // namespace clustered_session
