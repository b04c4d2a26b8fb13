// What stays under the ID of a session that has got another one: when that was, and what its new ID was made from.
// Layer: session. Pure; any thread.
//
// The old handler's ID is good for another minute, for requests that were under way. Neither it, with all that is in
// the session, nor a node's memory gives the new ID away: that is made from both.
#ifndef CLUSTERED_SESSION_SESSION_MOVED_SESSION_H_
#define CLUSTERED_SESSION_SESSION_MOVED_SESSION_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clustered_session {

// What session IDs are to look like, by PHP's settings.
struct IdForm {
  size_t length = 32;  // characters
  uint32_t bits = 4;   // of each character: 4, 5 or 6
};

struct MovedSession {
  static constexpr std::chrono::seconds kGood{60};  // how long the old ID leads to the session

  std::array<uint8_t, 16> salt{};
  int64_t moved_at_s = 0;  // since 1970; rounded, so that servers that move a session at once write the same

  friend bool operator==(const MovedSession&, const MovedSession&) = default;

  bool Good(int64_t now_s) const { return now_s - moved_at_s < kGood.count(); }
};

// A move of the session with `payload` at `now_s`. Each server that moves it comes to the same salt, which nobody can
// guess who does not know `secret`.
MovedSession MoveOf(std::string_view id, std::string_view payload, std::string_view secret, int64_t now_s);

// As a session's payload, which no serialize handler makes, and back.
std::string FormatMoved(const MovedSession& moved);
std::optional<MovedSession> ParseMoved(std::string_view payload);

// What takes the place of a new ID's random part.
std::string RandomPartOf(std::string_view id, const MovedSession& moved, IdForm form);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_MOVED_SESSION_H_
