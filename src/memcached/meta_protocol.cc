// memcached's meta commands and their replies, see meta_protocol.h. Layer: memcached. Pure.
#include "src/memcached/meta_protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>

#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

constexpr size_t kLineLengthMax = 256;       // of a reply; error lines are the longest
constexpr size_t kStatLineLengthMax = 2048;  // some settings are paths
constexpr size_t kStatsSizeMax = 64 << 10;   // of all settings; memcached 1.6 sends 3 KB
constexpr std::string_view kStored = "STORED\r\n";
constexpr std::string_view kStat = "STAT ";
constexpr std::string_view kEnd = "END\r\n";
constexpr std::array<std::string_view, 3> kErrorWords = {"ERROR", "SERVER_ERROR", "CLIENT_ERROR"};

// Whether `text` starts with `word`, or may yet when more of it has come.
bool MayBe(std::string_view text, std::string_view word) {
  const size_t size = std::min(text.size(), word.size());
  return text.substr(0, size) == word.substr(0, size);
}

bool MayBeError(std::string_view text) {
  return std::any_of(kErrorWords.begin(), kErrorWords.end(), [&](auto word) { return MayBe(text, word); });
}

// REQUIRES: a whole line
bool IsError(std::string_view line) {
  return std::any_of(kErrorWords.begin(), kErrorWords.end(), [&](auto word) { return line.starts_with(word); });
}

// What may be shown of a line.
std::string PrintableLine(std::string_view line) {
  std::string text(line.substr(0, 100));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

template <typename T>
void AppendNumber(T number, std::string* text) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  if (error == std::errc()) text->append(digits, static_cast<size_t>(end - digits));
}

// All of `text`, as a decimal number.
template <typename T>
bool ParseNumber(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// The next word of a line with single spaces between its words.
std::string_view TakeWord(std::string_view* line) {
  const size_t size = std::min(line->find(' '), line->size());
  const std::string_view word = line->substr(0, size);
  line->remove_prefix(std::min(size + 1, line->size()));
  return word;
}

// What follows the code of a reply to "mg".
struct Flags {
  uint64_t cas = 0;
  uint32_t mark = 0;
  int64_t ttl = 0;
  std::optional<uint32_t> number;
};

bool ParseFlags(std::string_view line, Flags* flags) {
  while (!line.empty()) {
    const std::string_view word = TakeWord(&line);
    const std::string_view value = word.substr(word.empty() ? 0 : 1);
    const bool good = word.starts_with('c')   ? ParseNumber(value, &flags->cas)
                      : word.starts_with('f') ? ParseNumber(value, &flags->mark)
                      : word.starts_with('t') ? ParseNumber(value, &flags->ttl)
                      : word.starts_with('O') ? ParseNumber(value, &flags->number.emplace())
                                              : false;
    if (!good) return false;
  }
  return true;
}

MetaReplyScan Incomplete(size_t size) { return {.state = ScanState::kIncomplete, .size = size}; }

MetaReplyScan Complete(MetaResult result, size_t size) {
  return {.state = ScanState::kComplete, .size = size, .result = result};
}

MetaReplyScan Refused(std::string_view line) { return {.state = ScanState::kRefused, .message = PrintableLine(line)}; }

// The line at the start of `bytes`, without its end. False, with `reply` set: it begins with none of these words, or is
// not whole yet.
bool TakeLine(std::string_view bytes, std::initializer_list<std::string_view> words, size_t length_max,
              std::string_view* line, MetaReplyScan* reply) {
  const bool known =
      MayBeError(bytes) || std::any_of(words.begin(), words.end(), [&](auto word) { return MayBe(bytes, word); });
  const size_t end = bytes.substr(0, length_max).find("\r\n");
  if (known && end != std::string_view::npos) {
    *line = bytes.substr(0, end);
    return true;
  }
  *reply = known && bytes.size() < length_max ? Incomplete(bytes.size() + 1) : MetaReplyScan();
  return false;
}

// "VA <size> c<cas> O<number>", a value; "HD c<cas> f<mark> O<number>" where none was asked for; or "EN", which an
// older node does not number.
MetaReplyScan ScanGet(std::string_view bytes, bool with_value, uint32_t number, Flags* flags) {
  const std::string_view hit = with_value ? "VA " : "HD ";
  MetaReplyScan reply;
  std::string_view line;
  if (!TakeLine(bytes, {hit, "EN"}, kLineLengthMax, &line, &reply)) return reply;
  if (IsError(line)) return Refused(line);
  size_t size = line.size() + 2;
  const std::string_view word = TakeWord(&line);
  const bool found = word == hit.substr(0, 2);
  if (!found && word != "EN") return {};
  uint64_t value_size = 0;
  if (found && with_value && (!ParseNumber(TakeWord(&line), &value_size) || value_size > kNodeItemValueSizeMax))
    return {};
  if (!ParseFlags(line, flags) || flags->number.value_or(number) != number) return {};
  if (found && (flags->cas == 0 || !flags->number)) return {};
  if (!found) return Complete(MetaResult::kMiss, size);
  std::string_view value;
  if (with_value) {
    if (bytes.size() < size + value_size + 2) return Incomplete(size + value_size + 2);
    value = bytes.substr(size, value_size);
    size += value_size + 2;
    if (bytes.substr(size - 2, 2) != "\r\n") return {};
  }
  reply = Complete(MetaResult::kHit, size);
  reply.value = value;
  reply.cas = flags->cas;
  reply.mark = flags->mark;
  reply.ttl = flags->ttl;
  return reply;
}

// A line that says what became of the store, then what "mg" shows.
MetaReplyScan ScanStore(std::string_view bytes, const MetaCommand& command, uint32_t number) {
  MetaReplyScan reply;
  std::string_view line;
  if (!TakeLine(bytes, {kStored, "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n"}, kLineLengthMax, &line, &reply)) {
    return reply;
  }
  if (IsError(line) && !line.starts_with("SERVER_ERROR")) return Refused(line);
  Flags flags;
  const size_t first = line.size() + 2;
  MetaReplyScan shown = ScanGet(bytes.substr(first), false, number, &flags);
  if (shown.state == ScanState::kIncomplete) return Incomplete(first + shown.size);
  if (shown.state != ScanState::kComplete) return shown;

  const bool there = shown.result == MetaResult::kHit;
  reply = Complete(there ? MetaResult::kOther : MetaResult::kGone, first + shown.size);
  if (line.starts_with("SERVER_ERROR")) {
    reply.result = MetaResult::kRefused;
    reply.message = PrintableLine(line);
    reply.cas = flags.cas;
  } else if (line == "STORED" && there && flags.mark == command.mark) {
    reply.result = MetaResult::kStored;
    reply.cas = flags.cas;
  }
  return reply;
}

// STAT lines, END. `take` is given each line without its first word; false: it is none of a node's.
template <typename Take>
MetaReplyScan ScanStats(std::string_view bytes, const Take& take) {
  size_t offset = 0;
  for (;;) {
    if (offset > kStatsSizeMax) return {};
    if (offset == bytes.size()) return Incomplete(offset + kEnd.size());
    MetaReplyScan reply;
    std::string_view line;
    if (!TakeLine(bytes.substr(offset), {kStat, kEnd}, kStatLineLengthMax, &line, &reply)) {
      if (reply.state == ScanState::kIncomplete) reply.size += offset;
      return reply;
    }
    offset += line.size() + 2;
    if (IsError(line)) {
      reply = Refused(line);
      reply.size = offset;
      return reply;
    }
    if (line == "END") {
      reply = Complete(MetaResult::kHit, offset);
      reply.value = bytes.substr(0, offset - kEnd.size());
      return reply;
    }
    if (!line.starts_with(kStat)) return {};
    line.remove_prefix(kStat.size());
    if (!take(line)) return {};
  }
}

MetaReplyScan ScanSettings(std::string_view bytes) {
  uint64_t item_size_max = 0;
  MetaReplyScan reply = ScanStats(bytes, [&](std::string_view line) {
    return TakeWord(&line) != "item_size_max" || ParseNumber(line, &item_size_max);
  });
  reply.value = {};
  if (reply.state == ScanState::kComplete) reply.cas = item_size_max;
  return reply;
}

// A node that refuses is one that tells nothing: that is no failure.
MetaReplyScan ScanFigures(std::string_view bytes) {
  MetaReplyScan reply = ScanStats(bytes, [](std::string_view) { return true; });
  if (reply.state != ScanState::kRefused) return reply;
  return Complete(MetaResult::kMiss, reply.size);
}

std::string_view FlagsOf(MetaCommand::Kind kind) {
  return kind == MetaCommand::Kind::kLook ? " c f" : kind == MetaCommand::Kind::kGetAge ? " v c t" : " v c";
}

// Keys are listed as in URIs: what is not a letter, a digit or one of "-._~" is "%" and two hexadecimal digits. False:
// they are not.
bool DecodeListedKey(std::string_view text, std::string* key) {
  for (size_t i = 0; i < text.size(); ++i) {
    uint8_t code = 0;
    if (text[i] != '%') {
      key->push_back(text[i]);
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc() || end != digits.data() + 2) return false;
    key->push_back(static_cast<char>(code));
    i += 2;
  }
  return !key->empty();
}

}  // namespace

void AppendLine(const MetaCommand& command, uint32_t number, std::string* text) {
  if (command.kind == MetaCommand::Kind::kSettings) {
    text->append("stats settings\r\n");
    return;
  }
  if (command.kind == MetaCommand::Kind::kStats) {
    text->append("stats\r\n");
    return;
  }
  if (command.kind == MetaCommand::Kind::kList) {
    text->append("lru_crawler").append(" metadump ").append(command.key).append("\r\n");
    return;
  }
  if (!HasValue(command)) {
    text->append("mg ").append(command.key).append(FlagsOf(command.kind)).append(" O");
    AppendNumber(number, text);
    text->append("\r\n");
    return;
  }
  text->append(command.cas != 0 ? "cas " : "add ").append(command.key);
  text->push_back(' ');
  AppendNumber(command.mark, text);
  text->push_back(' ');
  AppendNumber(command.expiration, text);
  text->push_back(' ');
  AppendNumber(command.value.size(), text);
  if (command.cas != 0) {
    text->push_back(' ');
    AppendNumber(command.cas, text);
  }
  text->append(HasReply(command) ? "\r\n" : " noreply\r\n");
}

void AppendRest(const MetaCommand& command, uint32_t number, std::string* text) {
  if (!HasValue(command)) return;
  text->append("\r\n");
  if (!HasReply(command)) return;
  text->append("mg ").append(command.key).append(" c f O");
  AppendNumber(number, text);
  text->append("\r\n");
}

void AppendRemove(std::string_view key, uint64_t cas, std::string* text) {
  text->append("cas ").append(key).append(" 0 ");
  AppendNumber(kNodeItemGoneAtOnce, text);
  text->append(" 0 ");
  AppendNumber(cas, text);
  text->append(" noreply\r\n\r\n");
}

void AppendExtend(std::string_view key, std::string_view bytes, std::string* text) {
  text->append("append ").append(key).append(" 0 0 ");
  AppendNumber(bytes.size(), text);
  text->append(" noreply\r\n").append(bytes).append("\r\n");
}

MetaReplyScan ScanReply(std::string_view bytes, const MetaCommand& command, uint32_t number) {
  if (command.kind == MetaCommand::Kind::kSettings) return ScanSettings(bytes);
  if (command.kind == MetaCommand::Kind::kStats) return ScanFigures(bytes);
  if (command.kind == MetaCommand::Kind::kStore) return ScanStore(bytes, command, number);
  Flags flags;
  return ScanGet(bytes, command.kind != MetaCommand::Kind::kLook, number, &flags);
}

// "key=<key> exp=<time> la=<time> cas=<number> fetch=<yes or no> cls=<class> size=<bytes>"
ListedKey ScanListed(std::string_view line) {
  ListedKey listed;
  if (line == "OK") {
    listed.line = ListedKey::Line::kBegin;
  } else if (line.starts_with(kListedKey)) {
    std::string_view rest = line.substr(kListedKey.size());
    bool good = DecodeListedKey(TakeWord(&rest), &listed.key);
    while (good && !rest.empty()) {
      const std::string_view word = TakeWord(&rest);
      if (word.starts_with("size=")) good = ParseNumber(word.substr(std::string_view("size=").size()), &listed.size);
    }
    listed.line = good ? ListedKey::Line::kKey : ListedKey::Line::kGarbage;
  } else if (line == "END" || line.starts_with("NOTSTARTED")) {
    listed.line = ListedKey::Line::kEnd;
  } else if (line.starts_with("BUSY")) {
    listed.line = ListedKey::Line::kBusy;
  } else if (line.starts_with("BADCLASS")) {
    listed.line = ListedKey::Line::kNotThis;
  } else if (IsError(line)) {
    listed.line = ListedKey::Line::kNone;
  }
  return listed;
}

std::string MetaQuestion(std::string_view key) { return "mg " + std::string(key) + " c f O0\r\n"; }

Greeting ScanGreeting(std::string_view bytes, bool authenticates) {
  Greeting greeting;
  greeting.state = ScanState::kIncomplete;
  if (authenticates) {
    if (bytes.size() < kStored.size() && MayBe(bytes, kStored)) {
      greeting.size = bytes.size() + 1;
      return greeting;
    }
    if (bytes.starts_with(kStored)) greeting.size = kStored.size();
  }
  const std::string_view rest = bytes.substr(greeting.size);
  // Nodes that do not know "mg" say an error, or if they know one of early days, something of that.
  constexpr std::array<std::string_view, 5> kReplies = {"HD ", "EN", "ERROR", "CLIENT_ERROR", "OK "};
  const bool expected = std::any_of(kReplies.begin(), kReplies.end(), [&](auto word) { return MayBe(rest, word); });
  const size_t end = rest.substr(0, kLineLengthMax).find("\r\n");
  if (expected && end == std::string_view::npos && rest.size() < kLineLengthMax) {
    greeting.size = bytes.size() + 1;
    return greeting;
  }
  greeting.state = ScanState::kComplete;
  if (!expected || end == std::string_view::npos) return greeting;
  const std::string_view line = rest.substr(0, end);
  if (line == "END" || IsAuthenticationError(line)) return greeting;
  Flags flags;
  const MetaReplyScan reply = ScanGet(rest.substr(0, end + 2), false, 0, &flags);
  greeting.size += end + 2;
  greeting.says = Greeting::Says::kNot;
  if (reply.state == ScanState::kComplete) {
    greeting.says = reply.result == MetaResult::kHit ? Greeting::Says::kMeta : Greeting::Says::kPerhaps;
  }
  return greeting;
}

}  // namespace clustered_session
