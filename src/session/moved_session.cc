// What stays under the ID of a session that has got another one, see moved_session.h. Layer: session. Pure.
#include "src/session/moved_session.h"

#include <cstring>

#include "src/base/bytes.h"
#include "src/base/session_key.h"

namespace clustered_session {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "\0clustered-session-moved\0"sv;
constexpr int64_t kRoundedTo = 16;  // seconds

std::string_view TextOf(const std::array<uint8_t, 16>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

MovedSession MoveOf(std::string_view id, std::string_view payload, std::string_view secret, int64_t now_s) {
  const SessionKey key = Hash128({}, "move", secret);
  return {Hash128(TextOf(key.bytes), id, payload).bytes, now_s - now_s % kRoundedTo};
}

std::string FormatMoved(const MovedSession& moved) {
  std::string text(kMagic);
  text += TextOf(moved.salt);
  char time[sizeof moved.moved_at_s];
  StoreLittleEndian<uint64_t>(time, static_cast<uint64_t>(moved.moved_at_s));
  return text.append(time, sizeof time);
}

std::optional<MovedSession> ParseMoved(std::string_view payload) {
  MovedSession moved;
  if (payload.size() != kMagic.size() + moved.salt.size() + sizeof moved.moved_at_s) return std::nullopt;
  if (!payload.starts_with(kMagic)) return std::nullopt;
  std::memcpy(moved.salt.data(), payload.data() + kMagic.size(), moved.salt.size());
  const char* time = payload.data() + kMagic.size() + moved.salt.size();
  moved.moved_at_s = static_cast<int64_t>(LoadLittleEndian<uint64_t>(time));
  return moved;
}

std::string RandomPartOf(std::string_view id, const MovedSession& moved, IdForm form) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,";
  const size_t mask = (size_t{1} << form.bits) - 1;
  std::string part;
  for (int block = 0; part.size() < form.length; ++block) {
    const SessionKey hash = Hash128(TextOf(moved.salt), std::to_string(block), id);
    for (size_t i = 0; i < hash.bytes.size() && part.size() < form.length; ++i) part += kAlphabet[hash.bytes[i] & mask];
  }
  return part;
}

}  // namespace clustered_session
