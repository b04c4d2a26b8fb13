// Characters of settings and session IDs. Layer: base. Unlike isalnum(), these do not depend on the locale, which
// scripts may change.
#ifndef CLUSTERED_SESSION_BASE_ASCII_H_
#define CLUSTERED_SESSION_BASE_ASCII_H_

#include <string_view>

namespace clustered_session {

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

inline bool IsAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c); }

inline std::string_view TrimSpaces(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_ASCII_H_
