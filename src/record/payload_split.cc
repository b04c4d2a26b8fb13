// The scanner of PHP's serialize() format and of the three session formats around it. Layer: record. Pure; thread-safe.
// Payloads are input. Where PHP reads more than it writes (leading zeros in top-level keys, S: keys, bytes behind the
// end), the scanner refuses: what it accepts, it can put together again byte for byte.
#include "src/record/payload_split.h"

#include <algorithm>
#include <charconv>

#include "src/base/ascii.h"

namespace clustered_session {
namespace {

constexpr size_t kBinaryKeyLengthMax = 127;  // the length byte's top bit marked undefined values before PHP 7.1

enum class Scan : uint8_t { kOk, kCorrupt, kUnsupported };

// What PHP makes an integer key: then "5" and 5 are the same key.
bool IsIntegerKey(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || parsed_to != end) return false;
  if (text == "0") return true;
  return text[0] != '0' && !text.starts_with("-0");
}

// Walks over serialized values.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  size_t position() const { return at_; }
  size_t left() const { return text_.size() - at_; }
  bool at_end() const { return at_ == text_.size(); }
  std::string_view From(size_t start) const { return text_.substr(start, at_ - start); }

  bool Take(char c) {
    if (at_end() || text_[at_] != c) return false;
    at_++;
    return true;
  }

  bool Take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  // Exactly `length` bytes, whatever they are.
  bool TakeBytes(size_t length, std::string_view* bytes) {
    if (length > left()) return false;
    *bytes = text_.substr(at_, length);
    at_ += length;
    return true;
  }

  bool TakeUntil(char c, std::string_view* bytes) {
    const size_t found = text_.find(c, at_);
    return found != std::string_view::npos && TakeBytes(found - at_, bytes) && Take(c);
  }

  // Digits. A number that overflows is refused: PHP would read it wrapped around.
  bool TakeCount(size_t* count) {
    const char* start = text_.data() + at_;
    if (at_end() || !IsDigit(*start)) return false;
    const auto [parsed_to, error] = std::from_chars(start, text_.data() + text_.size(), *count);
    at_ += static_cast<size_t>(parsed_to - start);
    return error == std::errc();
  }

  // "<length>:\"<bytes>\"", behind the type's "s:".
  bool TakeQuoted(std::string_view* bytes) {
    size_t length = 0;
    return TakeCount(&length) && Take(":\"") && TakeBytes(length, bytes) && Take('"');
  }

  // "<count>:{", behind "a:" or an object's class. Each element takes bytes, so a count beyond what is left is a lie.
  bool TakeOpening(size_t* count) { return TakeCount(count) && Take(":{") && *count <= left(); }

  // One whole value.
  Scan TakeValue() {
    // Per open array or object: how many keys and values it still lacks. Even: a key is next.
    std::vector<size_t> open;
    do {
      if (!open.empty() && open.back() == 0) {
        if (!Take('}')) return Scan::kCorrupt;
        open.pop_back();
        continue;
      }
      const bool is_key = !open.empty() && open.back()-- % 2 == 0;
      size_t elements = 0;
      bool opened = false;
      const Scan scan = is_key ? TakeKey() : TakeToken(&elements, &opened);
      if (scan != Scan::kOk) return scan;
      if (!opened) continue;
      if (open.size() == kValueDepthMax) return Scan::kUnsupported;
      open.push_back(2 * elements);
    } while (!open.empty());
    return Scan::kOk;
  }

 private:
  static Scan OkIf(bool ok) { return ok ? Scan::kOk : Scan::kCorrupt; }

  void SkipDigits(size_t* count) {
    for (; !at_end() && IsDigit(text_[at_]); at_++) (*count)++;
  }

  bool TakeSignedDigits() {
    size_t digits = 0;
    if (!Take('-')) Take('+');
    SkipDigits(&digits);
    return digits > 0;
  }

  bool TakeDouble() {
    if (Take("NAN;") || Take("INF;") || Take("-INF;")) return true;
    size_t digits = 0;
    if (!Take('-')) Take('+');
    SkipDigits(&digits);
    if (Take('.')) SkipDigits(&digits);
    if (digits == 0) return false;
    if ((Take('E') || Take('e')) && !TakeSignedDigits()) return false;
    return Take(';');
  }

  // S:<length of what is meant>:"<bytes, some of them as \ and two hex digits>";
  bool TakeEscapedString() {
    size_t length = 0;
    if (!TakeCount(&length) || !Take(":\"") || length > left()) return false;
    const auto is_hex = [this](size_t at) {
      const char c = at < text_.size() ? text_[at] : '\0';
      return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    for (size_t i = 0; i < length; i++) {
      if (at_end()) return false;
      const bool escaped = text_[at_] == '\\';
      if (escaped && !(is_hex(at_ + 1) && is_hex(at_ + 2))) return false;
      at_ += escaped ? 3 : 1;
    }
    return Take("\";");
  }

  // The key of an array's element or the name of an object's property.
  Scan TakeKey() {
    std::string_view bytes;
    if (Take("s:")) return OkIf(TakeQuoted(&bytes) && Take(';'));
    if (Take("i:")) return OkIf(TakeSignedDigits() && Take(';'));
    if (Take("S:")) return OkIf(TakeEscapedString());
    return Scan::kCorrupt;
  }

  // A value, or the opening of one that holds `elements` others.
  Scan TakeToken(size_t* elements, bool* opened) {
    std::string_view bytes;
    size_t number = 0;
    if (Take("s:")) return OkIf(TakeQuoted(&bytes) && Take(';'));
    if (Take("i:")) return OkIf(TakeSignedDigits() && Take(';'));
    if (Take("N;") || Take("b:0;") || Take("b:1;")) return Scan::kOk;
    if (Take("d:")) return OkIf(TakeDouble());
    if (Take("a:")) return OkIf(*opened = TakeOpening(elements));
    if (Take("O:")) return OkIf(*opened = TakeQuoted(&bytes) && !bytes.empty() && Take(':') && TakeOpening(elements));
    if (Take("E:")) return OkIf(TakeQuoted(&bytes) && bytes.find(':') != std::string_view::npos && Take(';'));
    if (Take("S:")) return OkIf(TakeEscapedString());
    // The numbers of r: and R: count the values of the whole payload. C: holds bytes of the class's own making, in
    // which serialize() goes on with the same count.
    if (Take("r:") || Take("R:")) return TakeCount(&number) && Take(';') ? Scan::kUnsupported : Scan::kCorrupt;
    if (Take("C:")) return TakeQuoted(&bytes) && !bytes.empty() ? Scan::kUnsupported : Scan::kCorrupt;
    return Scan::kCorrupt;
  }

  std::string_view text_;
  size_t at_ = 0;
};

// The value that follows, as the field `key`.
Scan TakeField(Scanner* scanner, std::string_view key, std::vector<PayloadField>* fields) {
  const size_t start = scanner->position();
  const Scan scan = scanner->TakeValue();
  if (scan == Scan::kOk) fields->push_back({key, scanner->From(start)});
  return scan;
}

Scan SplitPhp(Scanner* scanner, std::vector<PayloadField>* fields) {
  Scan scan = Scan::kOk;
  while (scan == Scan::kOk && !scanner->at_end()) {
    std::string_view key;
    if (!scanner->TakeUntil('|', &key)) return Scan::kCorrupt;
    scan = TakeField(scanner, key, fields);
  }
  return scan;
}

Scan SplitPhpBinary(Scanner* scanner, std::vector<PayloadField>* fields) {
  Scan scan = Scan::kOk;
  while (scan == Scan::kOk && !scanner->at_end()) {
    std::string_view length;
    std::string_view key;
    if (!scanner->TakeBytes(1, &length)) return Scan::kCorrupt;
    const auto key_length = static_cast<unsigned char>(length[0]);
    if (key_length > kBinaryKeyLengthMax || !scanner->TakeBytes(key_length, &key)) return Scan::kCorrupt;
    scan = TakeField(scanner, key, fields);
  }
  return scan;
}

// Canonical only: each key has one spelling, so that unequal bytes are unequal keys.
Scan TakeTopLevelKey(Scanner* scanner, std::string_view* key) {
  if (scanner->Take("i:")) {
    return scanner->TakeUntil(';', key) && IsIntegerKey(*key) ? Scan::kOk : Scan::kCorrupt;
  }
  const size_t start = scanner->position();
  if (!scanner->Take("s:") || !scanner->TakeQuoted(key) || !scanner->Take(';')) return Scan::kCorrupt;
  if (!scanner->From(start).starts_with("s:" + std::to_string(key->size()) + ":")) return Scan::kCorrupt;
  return IsIntegerKey(*key) ? Scan::kUnsupported : Scan::kOk;
}

Scan SplitPhpSerialize(Scanner* scanner, std::vector<PayloadField>* fields) {
  if (scanner->at_end()) return Scan::kOk;
  size_t count = 0;
  if (!scanner->Take("a:") || !scanner->TakeOpening(&count)) return Scan::kCorrupt;
  if (scanner->From(0) != "a:" + std::to_string(count) + ":{") return Scan::kCorrupt;
  for (size_t i = 0; i < count; i++) {
    std::string_view key;
    Scan scan = TakeTopLevelKey(scanner, &key);
    if (scan == Scan::kOk) scan = TakeField(scanner, key, fields);
    if (scan != Scan::kOk) return scan;
  }
  return scanner->Take('}') && scanner->at_end() ? Scan::kOk : Scan::kCorrupt;
}

bool KeysAreUnique(const std::vector<PayloadField>& fields) {
  std::vector<std::string_view> keys;
  keys.reserve(fields.size());
  for (const PayloadField& field : fields) keys.push_back(field.key);
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
}

}  // namespace

PayloadFormat PayloadFormatOf(std::string_view serialize_handler) {
  if (serialize_handler == "php") return PayloadFormat::kPhp;
  if (serialize_handler == "php_binary") return PayloadFormat::kPhpBinary;
  if (serialize_handler == "php_serialize") return PayloadFormat::kPhpSerialize;
  return PayloadFormat::kOpaque;
}

Result<std::vector<PayloadField>> SplitPayload(PayloadFormat format, std::string_view payload) {
  std::vector<PayloadField> fields;
  Scanner scanner(payload);
  Scan scan = Scan::kUnsupported;
  switch (format) {
    case PayloadFormat::kPhp:
      scan = SplitPhp(&scanner, &fields);
      break;
    case PayloadFormat::kPhpBinary:
      scan = SplitPhpBinary(&scanner, &fields);
      break;
    case PayloadFormat::kPhpSerialize:
      scan = SplitPhpSerialize(&scanner, &fields);
      break;
    case PayloadFormat::kOpaque:
      return Error(ErrorCode::kUnsupported, "payload: this session.serialize_handler's format cannot be split");
  }
  const std::string where = " at byte " + std::to_string(scanner.position()) + " of " + std::to_string(payload.size());
  if (scan == Scan::kCorrupt) return Error(ErrorCode::kCorrupt, "payload: not in the format of its handler" + where);
  if (scan == Scan::kUnsupported) {
    return Error(ErrorCode::kUnsupported, "payload: a value that cannot be moved (it refers to others)" + where);
  }
  if (!KeysAreUnique(fields)) return Error(ErrorCode::kUnsupported, "payload: its keys are not unique");
  return fields;
}

std::string JoinPayload(PayloadFormat format, const std::vector<PayloadField>& fields) {
  std::string out;
  if (format == PayloadFormat::kPhpSerialize) out = "a:" + std::to_string(fields.size()) + ":{";
  for (const PayloadField& field : fields) {
    switch (format) {
      case PayloadFormat::kPhp:
        out.append(field.key).append("|");
        break;
      case PayloadFormat::kPhpBinary:
        out.append(1, static_cast<char>(field.key.size())).append(field.key);
        break;
      case PayloadFormat::kPhpSerialize:
        if (IsIntegerKey(field.key)) {
          out.append("i:").append(field.key).append(";");
        } else {
          out.append("s:").append(std::to_string(field.key.size())).append(":\"").append(field.key).append("\";");
        }
        break;
      case PayloadFormat::kOpaque:
        break;
    }
    out.append(field.value);
  }
  if (format == PayloadFormat::kPhpSerialize) out.append("}");
  return out;
}

}  // namespace clustered_session
