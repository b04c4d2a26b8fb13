// Quoting of outside bytes for one-line messages: cut and escaped, so that no input can break a log line.
// Layer: base. Pure; thread-safe. Not for session IDs: use RedactSessionId() of base/session_id.h.
#ifndef CLUSTERED_SESSION_BASE_QUOTE_H_
#define CLUSTERED_SESSION_BASE_QUOTE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace clustered_session {

inline constexpr size_t kQuotedLengthMax = 64;  // bytes of the input that a message shows

// Appends `text` with quotes, backslashes and everything that is not printable ASCII escaped.
inline void AppendEscaped(std::string* out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (byte < 0x20 || byte >= 0x7f) {
      out->append("\\x");
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
    } else {
      out->push_back(c);
    }
  }
}

// `text` in double quotes; longer than kQuotedLengthMax it is cut and ends in "...".
inline std::string Quote(std::string_view text) {
  std::string out = "\"";
  AppendEscaped(&out, text.substr(0, kQuotedLengthMax));
  out.append(text.size() > kQuotedLengthMax ? "...\"" : "\"");
  return out;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_QUOTE_H_
