// Scans answers of the memcached text protocol, see memcached_answer.h. Layer: cluster. Pure.
#include "src/cluster/memcached_answer.h"

#include <algorithm>
#include <bitset>
#include <charconv>

#include "src/cluster/memcached_line.h"

namespace clustered_session {
namespace {

constexpr std::string_view kEnd = "END\r\n";
constexpr std::string_view kValue = "VALUE ";
constexpr std::string_view kStat = "STAT ";
constexpr size_t kValueLineLengthMax = 340;       // libmemcached's line buffer has 350
constexpr size_t kStatLineLengthMax = 2048;       // some settings are paths
constexpr size_t kStatsAnswerSizeMax = 64 << 10;  // memcached 1.6 sends 3 KB

AnswerScan Incomplete(size_t size) { return {AnswerState::kIncomplete, size, {}}; }
AnswerScan Garbage() { return {}; }

AnswerScan Complete(std::string_view bytes, size_t size) {
  // More than was asked for would be taken for the answer to the next request.
  if (bytes.size() > size) return Garbage();
  return {AnswerState::kComplete, size, {}};
}

AnswerScan Refused(std::string_view line) {
  return {AnswerState::kRefused, line.size(), PrintableLine(line)};
}

// The line at the start of `bytes` without its end; `kind` is the word that a good line starts with.
// Returns false with `scan` set if there is nothing more to read.
bool TakeLine(std::string_view bytes, size_t before, std::string_view kind, std::string_view* line, AnswerScan* scan) {
  if (!MayBeError(bytes) && !MayBe(bytes, kind) && !MayBe(bytes, kEnd)) {
    *scan = Garbage();
    return false;
  }
  const size_t length_max = kind == kStat ? kStatLineLengthMax : kValueLineLengthMax;
  const size_t end = bytes.substr(0, length_max).find("\r\n");
  if (end == std::string_view::npos) {
    *scan = bytes.size() < length_max ? Incomplete(before + bytes.size() + 1) : Garbage();
    return false;
  }
  *line = bytes.substr(0, end);
  if (IsError(*line)) {
    *scan = Refused(*line);
    return false;
  }
  return true;
}

// A decimal number at the start of `text`, which is removed with the separator (0 = none) that must follow.
template <typename T>
bool TakeNumber(std::string_view* text, char separator, T* number) {
  const char* last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, *number);
  if (error != std::errc() || end == text->data()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (separator == 0) return text->empty();
  if (text->empty() || text->front() != separator) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

AnswerScan ScanGetsAnswer(std::string_view bytes, Keys keys, std::vector<AnswerItem>* items) {
  if (items != nullptr) items->clear();
  std::bitset<kAskedKeysMax> seen;
  size_t offset = 0;
  for (;;) {
    std::string_view line;
    AnswerScan scan;
    if (offset == bytes.size()) return Incomplete(offset + kEnd.size());
    if (!TakeLine(bytes.substr(offset), offset, kValue, &line, &scan)) return scan;
    offset += line.size() + 2;
    if (line == kEnd.substr(0, 3)) return Complete(bytes, offset);
    if (!line.starts_with(kValue)) return Garbage();

    std::string_view rest = line.substr(kValue.size());
    const size_t key_length = std::min(rest.find(' '), rest.size());
    const auto key = std::find(keys.begin(), keys.end(), rest.substr(0, key_length));
    if (key == keys.end() || key_length == rest.size()) return Garbage();
    const size_t index = static_cast<size_t>(key - keys.begin());
    if (index >= kAskedKeysMax) return Garbage();
    if (seen[index]) return Garbage();
    seen[index] = true;
    rest.remove_prefix(key_length + 1);

    uint32_t flags = 0;
    uint64_t size = 0;
    uint64_t cas = 0;
    if (!TakeNumber(&rest, ' ', &flags) || !TakeNumber(&rest, ' ', &size) || !TakeNumber(&rest, 0, &cas)) {
      return Garbage();
    }
    if (size > kNodeValueSizeMax) return Garbage();
    offset += size + 2;
    if (bytes.size() < offset) return Incomplete(offset + kEnd.size());
    if (bytes.substr(offset - 2, 2) != "\r\n") return Garbage();
    if (items != nullptr) items->push_back({*key, bytes.substr(offset - 2 - size, size), cas});
  }
}

bool IsAuthenticationError(std::string_view message) {
  // "unauthenticated", "bad authentication token format" and others, depending on how the bytes arrived.
  return message.starts_with("CLIENT_ERROR") && message.find("authenticat") != std::string_view::npos;
}

AnswerScan ScanStatsAnswer(std::string_view bytes, uint64_t* item_size_max) {
  constexpr std::string_view kName = "item_size_max ";
  size_t offset = 0;
  for (;;) {
    std::string_view line;
    AnswerScan scan;
    if (offset > kStatsAnswerSizeMax) return Garbage();
    if (offset == bytes.size()) return Incomplete(offset + kEnd.size());
    if (!TakeLine(bytes.substr(offset), offset, kStat, &line, &scan)) return scan;
    offset += line.size() + 2;
    if (line == kEnd.substr(0, 3)) return Complete(bytes, offset);
    if (!line.starts_with(kStat)) return Garbage();
    std::string_view rest = line.substr(kStat.size());
    if (!rest.starts_with(kName)) continue;
    rest.remove_prefix(kName.size());
    uint64_t number = 0;
    if (!TakeNumber(&rest, 0, &number)) return Garbage();
    *item_size_max = number;
  }
}

}  // namespace clustered_session
