// What clients send: session IDs and the affinity cookie, and their strict grammars. Layer: base. Pure; thread-safe.
// Nothing read from them is to be trusted: the node name and the server name are hints about where to look first.
#ifndef CLUSTERED_SESSION_BASE_SESSION_ID_H_
#define CLUSTERED_SESSION_BASE_SESSION_ID_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clustered_session {

inline constexpr size_t kSessionIdLengthMax = 256;  // bytes, PHP's own limit
inline constexpr size_t kServerIdLengthMax = 64;    // bytes

// 1..kSessionIdLengthMax of A-Z a-z 0-9 ',' '-': what PHP itself takes as a session ID.
bool ValidSessionId(std::string_view session_id);

// The node name in an ID as earlier releases made them, "<random>-<node name>": what follows the last '-' if it is a
// node name by grammar and something precedes it, else empty. Into `session_id`. See cluster/node_code.h for today's
// IDs.
std::string_view NodeNameOf(std::string_view session_id);

// For messages: at most 4 characters and at most a quarter of the ID, escaped, and "...".
std::string RedactSessionId(std::string_view session_id);

// The affinity cookie's value "<server_id>.<epoch>": which server serves the session, and since which takeover.
struct AffinityCookie {
  std::string server_id;  // 1..kServerIdLengthMax of A-Z a-z 0-9 '_' '-'
  uint64_t epoch = 0;

  friend bool operator==(const AffinityCookie&, const AffinityCookie&) = default;
};

bool ValidServerId(std::string_view server_id);

// None if it is not exactly what FormatAffinity() makes.
std::optional<AffinityCookie> ParseAffinity(std::string_view value);

// REQUIRES: ValidServerId(cookie.server_id)
std::string FormatAffinity(const AffinityCookie& cookie);

// A valid server_id from any host name: its first label, or all of an IPv4 address; "server" if nothing is left.
std::string SanitizeServerId(std::string_view host_name);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_SESSION_ID_H_
