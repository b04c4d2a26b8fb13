#include "src/cluster/memcached_meta.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>

#include "src/cluster/memcached_line.h"

namespace clustered_session {
namespace {

constexpr size_t kLineLengthMax = 256;  // of a reply; error lines are the longest
constexpr std::string_view kStored = "STORED\r\n";

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
  std::optional<uint32_t> number;
};

bool ParseFlags(std::string_view line, Flags* flags) {
  while (!line.empty()) {
    const std::string_view word = TakeWord(&line);
    const std::string_view value = word.substr(word.empty() ? 0 : 1);
    const bool good = word.starts_with('c')   ? ParseNumber(value, &flags->cas)
                      : word.starts_with('f') ? ParseNumber(value, &flags->mark)
                      : word.starts_with('O') ? ParseNumber(value, &flags->number.emplace())
                                              : false;
    if (!good) return false;
  }
  return true;
}

ReplyScan Incomplete(size_t size) {
  ReplyScan reply;
  reply.state = AnswerState::kIncomplete;
  reply.size = size;
  return reply;
}

ReplyScan Complete(CommandResult result, size_t size) {
  ReplyScan reply;
  reply.state = AnswerState::kComplete;
  reply.result = result;
  reply.size = size;
  return reply;
}

ReplyScan Refused(std::string_view line) {
  ReplyScan reply;
  reply.state = AnswerState::kRefused;
  reply.message = PrintableLine(line);
  return reply;
}

// The line at the start of `bytes`, without its end. False, with `reply` set: there is none of these words, or not yet.
bool TakeLine(std::string_view bytes, std::initializer_list<std::string_view> words, std::string_view* line,
              ReplyScan* reply) {
  const bool known =
      MayBeError(bytes) || std::any_of(words.begin(), words.end(), [&](auto word) { return MayBe(bytes, word); });
  const size_t end = bytes.substr(0, kLineLengthMax).find("\r\n");
  if (known && end != std::string_view::npos) {
    *line = bytes.substr(0, end);
    return true;
  }
  *reply = known && bytes.size() < kLineLengthMax ? Incomplete(bytes.size() + 1) : ReplyScan();
  return false;
}

// "VA <size> c<cas> O<number>", a value; "HD c<cas> f<mark> O<number>" where none was asked for; or "EN", which an older
// node does not number.
ReplyScan ScanGet(std::string_view bytes, bool with_value, uint32_t number, Flags* flags) {
  const std::string_view hit = with_value ? "VA " : "HD ";
  ReplyScan reply;
  std::string_view line;
  if (!TakeLine(bytes, {hit, "EN"}, &line, &reply)) return reply;
  if (IsError(line)) return Refused(line);
  size_t size = line.size() + 2;
  const std::string_view word = TakeWord(&line);
  const bool found = word == hit.substr(0, 2);
  if (!found && word != "EN") return {};
  uint64_t value_size = 0;
  if (found && with_value && (!ParseNumber(TakeWord(&line), &value_size) || value_size > kNodeValueSizeMax)) return {};
  if (!ParseFlags(line, flags) || flags->number.value_or(number) != number) return {};
  if (found && (flags->cas == 0 || !flags->number)) return {};
  if (!found) return Complete(CommandResult::kMiss, size);
  std::string_view value;
  if (with_value) {
    if (bytes.size() < size + value_size + 2) return Incomplete(size + value_size + 2);
    value = bytes.substr(size, value_size);
    size += value_size + 2;
    if (bytes.substr(size - 2, 2) != "\r\n") return {};
  }
  reply = Complete(CommandResult::kHit, size);
  reply.value = value;
  reply.cas = flags->cas;
  return reply;
}

// A line that says what became of the store, then what "mg" shows.
ReplyScan ScanStore(std::string_view bytes, const MemcachedCommand& command, uint32_t number) {
  ReplyScan reply;
  std::string_view line;
  if (!TakeLine(bytes, {kStored, "NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n"}, &line, &reply)) return reply;
  if (IsError(line) && !line.starts_with("SERVER_ERROR")) return Refused(line);
  Flags flags;
  const size_t first = line.size() + 2;
  const ReplyScan shown = ScanGet(bytes.substr(first), false, number, &flags);
  if (shown.state == AnswerState::kIncomplete) return Incomplete(first + shown.size);
  if (shown.state != AnswerState::kComplete) return shown;

  const bool there = shown.result == CommandResult::kHit;
  reply = Complete(there ? CommandResult::kOther : CommandResult::kGone, first + shown.size);
  if (line.starts_with("SERVER_ERROR")) {
    reply.result = CommandResult::kRefused;
    reply.message = PrintableLine(line);
    reply.cas = flags.cas;
  } else if (line == "STORED" && there && flags.mark == command.mark) {
    reply.result = CommandResult::kStored;
    reply.cas = flags.cas;
  }
  return reply;
}

}  // namespace

void AppendLine(const MemcachedCommand& command, uint32_t number, std::string* text) {
  if (!HasValue(command)) {
    text->append("mg ").append(command.key).append(" v c O");
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

void AppendRest(const MemcachedCommand& command, uint32_t number, std::string* text) {
  if (!HasValue(command)) return;
  text->append("\r\n");
  if (!HasReply(command)) return;
  text->append("mg ").append(command.key).append(" c f O");
  AppendNumber(number, text);
  text->append("\r\n");
}

ReplyScan ScanMetaReply(std::string_view bytes, const MemcachedCommand& command, uint32_t number) {
  if (command.kind == MemcachedCommand::Kind::kStore) return ScanStore(bytes, command, number);
  Flags flags;
  return ScanGet(bytes, true, number, &flags);
}

std::string MetaQuestion(std::string_view key) { return "mg " + std::string(key) + " c f O0\r\n"; }

AnswerScan ScanGreeting(std::string_view bytes, bool authenticates, bool asked, Greeting* greeting) {
  *greeting = {};
  const AnswerScan incomplete{AnswerState::kIncomplete, bytes.size() + 1, {}};
  if (authenticates) {
    if (bytes.size() < kStored.size() && MayBe(bytes, kStored)) return incomplete;
    if (bytes.starts_with(kStored)) greeting->size = kStored.size();
  }
  const std::string_view rest = bytes.substr(greeting->size);
  // Nodes that do not know it say "ERROR", or if they know an "mg" of early days, something else that is no answer to
  // "gets" either.
  constexpr std::array<std::string_view, 5> kReplies = {"HD ", "EN", "ERROR\r\n", "CLIENT_ERROR bad ", "OK "};
  const bool expected = std::any_of(kReplies.begin(), kReplies.end(), [&](auto word) { return MayBe(rest, word); });
  if (asked && expected) {
    const size_t end = rest.substr(0, kLineLengthMax).find("\r\n");
    if (end == std::string_view::npos) return rest.size() < kLineLengthMax ? incomplete : AnswerScan();
    const std::string_view line = rest.substr(0, end);
    // "EN" may become "END", which is no greeting.
    if (line != "END" && !IsAuthenticationError(line)) {
      Flags flags;
      greeting->meta = ScanGet(rest.substr(0, end + 2), false, 0, &flags).result == CommandResult::kHit &&
                       line.starts_with("HD ");
      greeting->size += end + 2;
    }
  }
  return {AnswerState::kComplete, greeting->size, {}};
}

}  // namespace clustered_session
