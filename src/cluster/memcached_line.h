// Lines of memcached's text protocol, as the scanners of its answers look at them. Layer: cluster. Pure; for
// memcached_answer.cc and memcached_meta.cc only.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_LINE_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_LINE_H_

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace clustered_session {

// Whether `text` starts with `word`, or may yet when more of it has come.
inline bool MayBe(std::string_view text, std::string_view word) {
  const size_t size = std::min(text.size(), word.size());
  return text.substr(0, size) == word.substr(0, size);
}

inline constexpr std::array<std::string_view, 3> kErrorWords = {"ERROR", "SERVER_ERROR", "CLIENT_ERROR"};

inline bool MayBeError(std::string_view text) {
  return std::any_of(kErrorWords.begin(), kErrorWords.end(), [&](auto word) { return MayBe(text, word); });
}

// REQUIRES: a whole line
inline bool IsError(std::string_view line) {
  return std::any_of(kErrorWords.begin(), kErrorWords.end(), [&](auto word) { return line.starts_with(word); });
}

// What may be shown of a line.
inline std::string PrintableLine(std::string_view line) {
  std::string text(line.substr(0, 100));
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_LINE_H_
