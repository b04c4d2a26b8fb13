// The text of a note, see refill_note.h. Layer: session. Pure.
#include "src/session/refill_note.h"

#include <algorithm>
#include <charconv>

namespace clustered_session {
namespace {

constexpr std::string_view kBegin = "refill1";
constexpr std::string_view kNone = "-";

void AppendHex(uint64_t number, std::string* text) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, 16);
  if (error == std::errc()) text->append(digits, end);
}

template <typename T>
bool ParseHex(std::string_view text, T* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, 16);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view TakeWord(std::string_view* text, char separator) {
  const size_t size = std::min(text->find(separator), text->size());
  const std::string_view word = text->substr(0, size);
  text->remove_prefix(std::min(size + 1, text->size()));
  return word;
}

void AppendNodes(const std::vector<uint32_t>& nodes, std::string* text) {
  if (nodes.empty()) text->append(kNone);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i > 0) text->push_back(',');
    AppendHex(nodes[i], text);
  }
}

bool ParseNodes(std::string_view text, std::vector<uint32_t>* nodes) {
  if (text == kNone) return true;
  while (!text.empty()) {
    if (nodes->size() == kNodesMax || !ParseHex(TakeWord(&text, ','), &nodes->emplace_back())) return false;
  }
  return true;
}

}  // namespace

std::string RefillNoteKey(const SessionContext& context) {
  std::vector<std::string> names;
  for (uint32_t node = 0; node < context.nodes->size(); ++node)
    names.push_back(context.nodes->member(node).node->name());
  std::sort(names.begin(), names.end());
  std::string what = std::to_string(context.settings.copies);
  for (const std::string& name : names) what += ' ' + name;
  if (context.codec.keys != nullptr) what += '\n' + std::to_string(context.codec.keys->RecordKeyId(0));
  std::string key = context.settings.prefix + "refill-";
  AppendHex(Hash128({}, "refill", what).Hash64(), &key);
  return key;
}

std::string FormatRefillNote(const RefillNote& note) {
  std::string text(kBegin);
  text.push_back(' ');
  AppendHex(note.owner, &text);
  text.push_back(' ');
  AppendNodes(note.listed, &text);
  text.push_back(' ');
  AppendNodes(note.unlisted, &text);
  text.push_back(' ');
  AppendHex(note.source, &text);
  text.push_back(' ');
  if (!note.after) return text.append(kNone);
  return text.append(StorageKey(note.after->large ? "l" : "s", note.after->key));
}

std::optional<RefillNote> ParseRefillNote(std::string_view text) {
  RefillNote note;
  if (TakeWord(&text, ' ') != kBegin || !ParseHex(TakeWord(&text, ' '), &note.owner) ||
      !ParseNodes(TakeWord(&text, ' '), &note.listed) || !ParseNodes(TakeWord(&text, ' '), &note.unlisted) ||
      !ParseHex(TakeWord(&text, ' '), &note.source)) {
    return std::nullopt;
  }
  if (text == kNone) return note;
  for (const bool large : {false, true}) {
    const std::optional<SessionKey> key = SessionKeyIn(text, large ? "l" : "s");
    if (key) note.after = RefillKey{large, *key};
  }
  return note.after ? std::optional(note) : std::nullopt;
}

}  // namespace clustered_session
