// Splitting payloads as PHP writes them, and refusing all else. Mirrors src/record/payload_split.h.
// The payloads without a remark were written by PHP 8.2's session_encode().
#include "src/record/payload_split.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clustered_session {
namespace {

using namespace std::string_view_literals;
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

constexpr PayloadFormat kPhp = PayloadFormat::kPhp;
constexpr PayloadFormat kBinary = PayloadFormat::kPhpBinary;
constexpr PayloadFormat kSerialize = PayloadFormat::kPhpSerialize;

void CheckSplit(PayloadFormat format, std::string_view payload, const Fields& expected) {
  INFO(payload);
  const auto fields = SplitPayload(format, payload);
  INFO((fields.ok() ? "" : fields.error().message()));
  REQUIRE(fields.ok());
  REQUIRE(fields->size() == expected.size());
  for (size_t i = 0; i < expected.size(); i++) {
    CHECK(fields->at(i).key == expected[i].first);
    CHECK(fields->at(i).value == expected[i].second);
  }
  CHECK(JoinPayload(format, *fields) == payload);
}

void CheckRefused(PayloadFormat format, std::string_view payload, ErrorCode code) {
  INFO(payload);
  const auto fields = SplitPayload(format, payload);
  REQUIRE_FALSE(fields.ok());
  CHECK(fields.error().code() == code);
}

// `value` as the first of two fields, in all three formats.
std::vector<std::pair<PayloadFormat, std::string>> Wrapped(std::string_view value) {
  const std::string text(value);
  return {{kPhp, "k|" + text + "z|i:1;"},
          {kBinary, "\x01k" + text + "\x01zi:1;"},
          {kSerialize, "a:2:{s:1:\"k\";" + text + "s:1:\"z\";i:1;}"}};
}

TEST_CASE("serialize handlers are known by their names, all others are opaque") {
  CHECK(PayloadFormatOf("php") == kPhp);
  CHECK(PayloadFormatOf("php_binary") == kBinary);
  CHECK(PayloadFormatOf("php_serialize") == kSerialize);
  CHECK(PayloadFormatOf("igbinary") == PayloadFormat::kOpaque);
  CHECK(PayloadFormatOf("wddx") == PayloadFormat::kOpaque);
  CHECK(PayloadFormatOf("") == PayloadFormat::kOpaque);
}

TEST_CASE("each value PHP writes is one field up to its last byte, in every format") {
  const std::string_view value = GENERATE(values<std::string_view>({
      "N;",
      "b:1;",
      "b:0;",
      "i:0;",
      "i:-42;",
      "d:0.1;",
      "d:1.0E+100;",
      "d:-0;",
      "d:NAN;",
      "d:-INF;",
      "d:INF;",
      "d:9.5;",
      "s:3:\"ann\";",
      "s:0:\"\";",
      "s:19:\"a|i:1;b\";r:1;R:2;}{\";",
      "s:3:\"\000\377\012\";"sv,
      "a:0:{}",
      "a:2:{s:5:\"items\";a:2:{i:0;a:2:{s:2:\"id\";i:7;s:1:\"n\";i:2;}i:1;a:0:{}}s:3:\"sum\";d:9.5;}",
      "O:1:\"P\":3:{s:1:\"a\";i:1;s:4:\"\000*\000b\";a:1:{i:0;d:1.5;}s:4:\"\000P\000c\";s:1:\"x\";}"sv,
      "O:3:\"Mag\":1:{s:1:\"k\";a:2:{i:0;i:1;i:1;i:2;}}",
      "E:11:\"Suit:Hearts\";",
      "O:8:\"stdClass\":0:{}",
      "O:11:\"ArrayObject\":4:{i:0;i:0;i:1;a:1:{i:0;i:1;}i:2;a:0:{}i:3;N;}",
      // Not written by PHP 8, but read by it.
      "i:+7;",
      "d:5.;",
      "d:.5;",
      "d:1e5;",
      "S:3:\"a\\7Cb\";",
      "a:1:{S:1:\"\\22\";i:1;}",
  }));
  for (const auto& [format, payload] : Wrapped(value)) CheckSplit(format, payload, {{"k", value}, {"z", "i:1;"}});
}

TEST_CASE("what PHP would not read as a value is corrupt, in every format") {
  const std::string_view value = GENERATE(values<std::string_view>({
      "",
      "N",
      "n;",
      "b:2;",
      "b:;",
      "i:;",
      "i:-;",
      "i:1",
      "i:0x1;",
      "d:;",
      "d:.;",
      "d:1e;",
      "d:-NAN;",
      "d:inf;",
      "s:1:\"ab\";",
      "s:3:\"ab\";",
      "s:2:\"ab\"",
      "s:2:\"ab\":",
      "s:-1:\"\";",
      "s::\"\";",
      "s:18446744073709551618:\"ab\";",
      "s:99999999999999999999999:\"ab\";",
      "s:999:\"ab\";",
      "S:1:\"\\7\";",
      "S:1:\"\\zz\";",
      "a:1:{}",
      "a:0:{i:0;i:1;}",
      "a:1:{i:0;}",
      "a:1:{i:0;i:1;",
      "a:-1:{}",
      "a:1:{N;i:1;}",
      "a:1:{a:0:{}i:1;}",
      "a:1:{d:1;i:1;}",
      "a:9223372036854775808:{i:0;i:1;}",
      "a:18446744073709551615:{i:0;i:1;}",
      // Counts that would be 0 once doubled or wrapped around.
      "a:9223372036854775808:{}",
      "a:18446744073709551616:{}",
      "s:18446744073709551616:\"\";",
      "O:18446744073709551617:\"P\":0:{}",
      "O:0:\"\":0:{}",
      "O:1:\"P\":1:{}",
      "O:1:\"P\"0:{}",
      "O:1:\"P\":0:}",
      "E:4:\"Suit\";",
      "E:11:\"Suit:Hearts\":",
      "r:;",
      "R:x;",
      "C:0:\"\":0:{}",
      "x:1;",
      "}",
  }));
  for (const auto& [format, payload] : Wrapped(value)) CheckRefused(format, payload, ErrorCode::kCorrupt);
}

TEST_CASE("a value that refers to others by number is refused, wherever it stands and whatever the format") {
  const std::string_view value = GENERATE(values<std::string_view>({
      "r:1;",
      "R:1;",
      "a:2:{s:1:\"p\";a:1:{i:0;i:1;}s:1:\"q\";R:2;}",
      "O:8:\"stdClass\":1:{s:4:\"self\";r:1;}",
      "C:3:\"Ser\":9:{s:2:\"in\";}",
      "a:1:{i:0;C:3:\"Ser\":9:{s:2:\"in\";}}",
  }));
  for (const auto& [format, payload] : Wrapped(value)) CheckRefused(format, payload, ErrorCode::kUnsupported);
}

TEST_CASE("one object under two keys is refused") {
  CheckRefused(kPhp, "a|O:8:\"stdClass\":0:{}b|r:1;", ErrorCode::kUnsupported);
  CheckRefused(kBinary, "\001aO:8:\"stdClass\":0:{}\001br:1;", ErrorCode::kUnsupported);
  CheckRefused(kSerialize, "a:2:{s:1:\"a\";O:8:\"stdClass\":0:{}s:1:\"b\";r:2;}", ErrorCode::kUnsupported);
  CheckRefused(kPhp, "a|E:11:\"Suit:Hearts\";b|r:1;", ErrorCode::kUnsupported);
}

TEST_CASE("keys may hold what looks like a value, a length or the old mark of undefined values") {
  CheckSplit(kPhp, "|i:1;!u|i:2;a b|i:3;k\"s;|i:4;5x|i:5;-0|i:6;",
             {{"", "i:1;"}, {"!u", "i:2;"}, {"a b", "i:3;"}, {"k\"s;", "i:4;"}, {"5x", "i:5;"}, {"-0", "i:6;"}});
  CheckSplit(kBinary, "\000i:1;\002!ui:2;\003a bi:3;\004k\"s;i:4;\0025xi:5;\002-0i:6;"sv,
             {{"", "i:1;"}, {"!u", "i:2;"}, {"a b", "i:3;"}, {"k\"s;", "i:4;"}, {"5x", "i:5;"}, {"-0", "i:6;"}});
  CheckSplit(kSerialize,
             "a:6:{s:0:\"\";i:1;s:2:\"!u\";i:2;s:3:\"a b\";i:3;s:4:\"k\"s;\";i:4;s:2:\"5x\";i:5;s:2:\"-0\";i:6;}",
             {{"", "i:1;"}, {"!u", "i:2;"}, {"a b", "i:3;"}, {"k\"s;", "i:4;"}, {"5x", "i:5;"}, {"-0", "i:6;"}});
  CheckSplit(kBinary, "\003a|bi:1;\001ci:2;", {{"a|b", "i:1;"}, {"c", "i:2;"}});
  CheckSplit(kSerialize, "a:2:{s:3:\"a|b\";i:1;s:1:\"c\";i:2;}", {{"a|b", "i:1;"}, {"c", "i:2;"}});
}

TEST_CASE("integer keys of php_serialize are fields of their own") {
  CheckSplit(kSerialize,
             "a:6:{i:5;s:4:\"five\";i:-3;s:1:\"m\";s:1:\"k\";i:1;i:9223372036854775807;i:1;"
             "i:-9223372036854775808;i:2;s:19:\"9223372036854775808\";i:3;}",
             {{"5", "s:4:\"five\";"},
              {"-3", "s:1:\"m\";"},
              {"k", "i:1;"},
              {"9223372036854775807", "i:1;"},
              {"-9223372036854775808", "i:2;"},
              {"9223372036854775808", "i:3;"}});
}

TEST_CASE("keys of 127 bytes fit php_binary's length byte, and a greater one is corrupt") {
  const std::string key(127, 'k');
  CheckSplit(kBinary, "\177" + key + "i:1;", {{key, "i:1;"}});
  CheckRefused(kBinary, "\200" + key + "ki:1;", ErrorCode::kCorrupt);
  CheckRefused(kBinary, "\377" + std::string(255, 'k') + "i:1;", ErrorCode::kCorrupt);
}

TEST_CASE("an empty payload is an empty session") {
  for (const PayloadFormat format : {kPhp, kBinary, kSerialize}) {
    const auto fields = SplitPayload(format, "");
    REQUIRE(fields.ok());
    CHECK(fields->empty());
  }
  CheckSplit(kSerialize, "a:0:{}", {});
}

TEST_CASE("payloads of another format are corrupt") {
  const std::string_view payload = "user|s:3:\"ann\";x|i:1;";
  CheckRefused(kSerialize, payload, ErrorCode::kCorrupt);
  CheckRefused(kBinary, payload, ErrorCode::kCorrupt);
  CheckRefused(kPhp, "a:1:{s:1:\"k\";i:1;}", ErrorCode::kCorrupt);
  CheckRefused(kPhp, "\004users:3:\"ann\";", ErrorCode::kCorrupt);
}

TEST_CASE("bytes before, between or behind the fields are corrupt") {
  CheckRefused(kPhp, "a|i:1;rest", ErrorCode::kCorrupt);
  CheckRefused(kPhp, "a|i:1;b|", ErrorCode::kCorrupt);
  CheckRefused(kPhp, "|", ErrorCode::kCorrupt);
  CheckRefused(kBinary, "\001ai:1;\001", ErrorCode::kCorrupt);
  CheckRefused(kBinary, "\001ai:1;\001b", ErrorCode::kCorrupt);
  CheckRefused(kSerialize, "a:1:{s:1:\"k\";i:1;}x", ErrorCode::kCorrupt);
  CheckRefused(kSerialize, " a:0:{}", ErrorCode::kCorrupt);
  CheckRefused(kSerialize, "s:1:\"k\";", ErrorCode::kCorrupt);
  CheckRefused(kSerialize, "b:1;", ErrorCode::kCorrupt);
}

TEST_CASE("a key that could have a second spelling is refused") {
  for (const std::string_view key :
       {"i:05;", "i:+5;", "i:-0;", "i:;", "i:9223372036854775808;", "s:01:\"a\";", "s:00:\"\";", "S:1:\"a\";", "N;"}) {
    CheckRefused(kSerialize, "a:1:{" + std::string(key) + "i:1;}", ErrorCode::kCorrupt);
  }
  CheckRefused(kSerialize, "a:01:{i:5;i:1;}", ErrorCode::kCorrupt);
  CheckRefused(kSerialize, "a:1:{s:1:\"5\";i:1;}", ErrorCode::kUnsupported);
}

TEST_CASE("keys that are not unique are refused") {
  CheckRefused(kPhp, "a|i:1;b|i:1;a|i:2;", ErrorCode::kUnsupported);
  CheckRefused(kBinary, "\001ai:1;\001ai:1;", ErrorCode::kUnsupported);
  CheckRefused(kSerialize, "a:2:{i:5;i:1;i:5;i:2;}", ErrorCode::kUnsupported);
}

TEST_CASE("opaque payloads are never split") {
  CheckRefused(PayloadFormat::kOpaque, "", ErrorCode::kUnsupported);
  CheckRefused(PayloadFormat::kOpaque, "a|i:1;", ErrorCode::kUnsupported);
}

TEST_CASE("every proper prefix of a one-field payload is corrupt, as a torn write would be") {
  const std::string value =
      "a:2:{s:1:\"o\";O:1:\"P\":1:{s:1:\"a\";d:-1.5E-7;}i:1;a:2:{i:0;E:6:\"Suit:H\";i:1;S:1:\"\\7c\";}}";
  const std::string payload = "k|" + value;
  for (size_t length = 1; length < payload.size(); length++) {
    CheckRefused(kPhp, payload.substr(0, length), ErrorCode::kCorrupt);
  }
  CheckSplit(kPhp, payload, {{"k", value}});
}

TEST_CASE("nesting is bounded by a depth, not by the stack") {
  const auto nested = [](size_t depth) {
    std::string payload = "k|";
    for (size_t i = 0; i < depth; i++) payload += "a:1:{i:0;";
    payload += "N;" + std::string(depth, '}');
    return payload;
  };
  CHECK(SplitPayload(kPhp, nested(kValueDepthMax)).ok());
  CheckRefused(kPhp, nested(kValueDepthMax + 1), ErrorCode::kUnsupported);
  CheckRefused(kPhp, nested(300000), ErrorCode::kUnsupported);
}

TEST_CASE("an error tells where, and nothing of the payload") {
  const auto fields = SplitPayload(kPhp, "a|i:1;password|s:6:\"hunter\";b|x");
  REQUIRE_FALSE(fields.ok());
  CHECK(fields.error().message() == "payload: not in the format of its handler at byte 30 of 31");
}

}  // namespace
}  // namespace clustered_session
