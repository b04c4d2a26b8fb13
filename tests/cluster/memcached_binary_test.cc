// How commands are said in the binary protocol, and what counts as a reply. Mirrors src/cluster/memcached_binary.h.
#include "src/cluster/memcached_binary.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/cluster/reply_cases.h"
#include "tests/support/binary_client.h"

namespace clustered_session {
namespace {

using Kind = MemcachedCommand::Kind;
using namespace std::string_literals;

constexpr uint32_t kNumber = 0x01020304;
const MemcachedCommand kGetK{Kind::kGet, "k", {}, 0, 0, 0};
const MemcachedCommand kReplaceK{Kind::kStore, "k", "value", 100, 7, 42};
const MemcachedCommand kAddK{Kind::kStore, "k", "value", 100, 0, 42};
const MemcachedCommand kOfferK{Kind::kOffer, "k", "me", 30, 0, 0};

constexpr uint8_t kGet = 0x00, kAdd = 0x02, kReplace = 0x03, kDelete = 0x04, kStat = 0x10, kLogin = 0x21;

std::string Reply(uint8_t opcode, uint16_t status, const std::string& value = {}, uint64_t cas = 0,
                  const std::string& extras = {}, const std::string& key = {}, uint32_t number = kNumber) {
  return BinaryPacket{opcode, key, extras, value, status, number, cas, 0x81}.Bytes();
}

std::string Hit(const std::string& value, uint64_t cas) { return Reply(kGet, 0, value, cas, "\0\0\0\1"s); }

std::string With(std::string bytes, size_t offset, char byte) {
  bytes[offset] = byte;
  return bytes;
}

std::string TextOf(const MemcachedCommand& command) {
  std::string text;
  AppendBinary(command, kNumber, &text);
  return text;
}

TEST_CASE("commands are said as the binary protocol has them") {
  CHECK(TextOf(kGetK) == "\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00k"s);
  CHECK(TextOf(kReplaceK) == "\x80\x03\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0e\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x07"
                             "\x00\x00\x00\x2a\x00\x00\x00\x64k"s);
  CHECK(TextOf(kAddK) == "\x80\x02\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0e\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00"
                         "\x00\x00\x00\x2a\x00\x00\x00\x64k"s);
  CHECK(TextOf(kOfferK) == "\x80\x02\x00\x01\x08\x00\x00\x00\x00\x00\x00\x0b\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00"
                           "\x00\x00\x00\x00\x00\x00\x00\x1ek"s);
  // The largest of everything.
  const std::string key(250, 'k');
  const MemcachedCommand largest{Kind::kStore, key, {}, 4294967295, ~uint64_t{0}, 4294967295};
  CHECK(TextOf(largest) == BinaryPacket{kReplace, key, std::string(8, '\xff'), "", 0, kNumber, ~uint64_t{0}}.Bytes());

  std::string text = "before";
  AppendBinaryLogin("web", "s3cret", kNumber, &text);
  CHECK(text == "before" + BinaryPacket{kLogin, "PLAIN", "", "\0web\0s3cret"s, 0, kNumber}.Bytes());
  text.clear();
  AppendBinaryRemove("k", 9, kNumber, &text);
  CHECK(text == BinaryPacket{kDelete, "k", "", "", 0, kNumber, 9}.Bytes());
  text.clear();
  AppendBinarySettings(kNumber, &text);
  CHECK(text == BinaryPacket{kStat, "settings", "", "", 0, kNumber}.Bytes());
}

TEST_CASE("a binary reply is whole, incomplete, a refusal, or garbage") {
  const auto complete = AnswerState::kComplete;
  const auto incomplete = AnswerState::kIncomplete;
  const auto garbage = AnswerState::kGarbage;
  const auto refused = AnswerState::kRefused;
  const auto denied = AnswerState::kDenied;
  const uint64_t large = ~uint64_t{0};
  const std::vector<ReplyCase> cases = {
      {kGetK, Hit("v", 7), complete, CommandResult::kHit, 7},
      {kGetK, Hit("", large), complete, CommandResult::kHit, large},
      {kGetK, Hit("\x81\0\r\n"s, 7), complete, CommandResult::kHit, 7},
      {kGetK, Reply(kGet, 1, "Not found"), complete, CommandResult::kMiss},
      {kGetK, Reply(kGet, 1), complete, CommandResult::kMiss},
      {kGetK, Hit("v", 0), garbage},                                       // a node without tokens
      {kGetK, Reply(kGet, 0, "v", 7), garbage},                            // no flags
      {kGetK, Reply(kGet, 0, "v", 7, "\0\0\0\1\0"s), garbage},             // too many
      {kGetK, Reply(kGet, 0, "v", 7, "\0\0\0\1"s, "k"), garbage},          // a key
      {kGetK, Reply(kGet, 0, "v", 7, "\0\0\0\1"s, "", 9), garbage},        // another's number
      {kGetK, Reply(kReplace, 0, "v", 7, "\0\0\0\1"s), garbage},           // another's reply
      {kGetK, With(Hit("v", 7), 0, '\x80'), garbage},                      // a request
      {kGetK, With(Hit("v", 7), 5, 1), garbage},                           // a type of data
      {kGetK, With(Hit("v", 7), 4, 6), garbage},                           // extras beyond the body
      {kGetK, With(Hit("v", 7), 2, 1), garbage},                           // a key beyond the body
      {kGetK, With(Hit("v", 7), 8, 8), garbage},                           // more than 128 MiB
      {kGetK, With(Hit("v", 7), 8, 127), garbage},
      {kGetK, With(Hit("v", 7), 8, '\xff'), garbage},
      {kGetK, With(Hit("v", 7), 8, 7), incomplete},
      {kGetK, With(Reply(kGet, 1), 9, 1), garbage},                        // a text of 64 KB
      {kGetK, Reply(kGet, 0x82, "Out of memory"), refused},
      {kGetK, Reply(kGet, 0x20, "Auth failure."), denied},
      {kGetK, Reply(kGet, 0x21, "go on"), denied},
      {kGetK, "", incomplete},
      {kGetK, "\x81", incomplete},
      {kGetK, "EN\r\n", garbage},
      {kGetK, "ERROR\r\n", garbage},
      {kReplaceK, Reply(kReplace, 0, "", 8), complete, CommandResult::kStored, 8},
      {kReplaceK, Reply(kReplace, 2, "Data exists for key."), complete, CommandResult::kOther},
      {kReplaceK, Reply(kReplace, 1, "Not found"), complete, CommandResult::kGone},
      {kReplaceK, Reply(kReplace, 3, "Too large."), complete, CommandResult::kRefused, 7},
      {kReplaceK, Reply(kReplace, 5, "Not stored."), complete, CommandResult::kRefused, 7},
      {kReplaceK, Reply(kReplace, 0x82, "Out of memory"), complete, CommandResult::kRefused, 7},
      {kReplaceK, Reply(kReplace, 0), garbage},
      {kReplaceK, Reply(kReplace, 4, "Invalid arguments"), refused},
      {kReplaceK, Reply(kReplace, 0x86), refused},
      {kReplaceK, Reply(kReplace, 0x20, "Auth failure."), denied},
      {kReplaceK, Reply(kAdd, 0, "", 8), garbage},
      {kReplaceK, Reply(kReplace, 0, std::string(5000, 'x'), 8), garbage},
      {kAddK, Reply(kAdd, 0, "", 8), complete, CommandResult::kStored, 8},
      {kAddK, Reply(kAdd, 2, "Data exists for key."), complete, CommandResult::kOther},
      {kAddK, Reply(kAdd, 1, "Not found"), refused},
      {kAddK, Reply(kAdd, 3, "Too large."), complete, CommandResult::kRefused, 0},
      {kOfferK, Reply(kAdd, 0, "", 8), complete},
      {kOfferK, Reply(kAdd, 2, "Data exists for key."), complete},
      {kOfferK, Reply(kAdd, 0x82, "Out of memory"), complete},
      {kOfferK, Reply(kAdd, 4, "Invalid arguments"), refused},
      {kOfferK, Reply(kAdd, 0x20, "Auth failure."), denied},
      {kOfferK, Reply(kGet, 0, "", 8), garbage},
  };
  CheckReplies(cases, Hit("v", 9), [](std::string_view bytes, const MemcachedCommand& command) {
    return ScanBinaryReply(bytes, command, kNumber);
  });
  CHECK(ScanBinaryReply(Hit("v\0w"s, 7), kGetK, kNumber).value == "v\0w"s);
  CHECK(ScanBinaryReply(Reply(kGet, 0x82, "Out\nof" + std::string(200, '!')), kGetK, kNumber).message ==
        "Out?of" + std::string(94, '!'));
  CHECK(ScanBinaryReply(Reply(kGet, 0x86), kGetK, kNumber).message == "status 134");
}

TEST_CASE("of what is owed for a login, an offer and a removal, only a refused login matters") {
  struct Case {
    std::string bytes;
    AnswerState state;
  };
  const std::vector<Case> cases = {
      {Reply(kLogin, 0, "Authenticated"), AnswerState::kComplete},
      {Reply(kLogin, 0x81, "Unknown command"), AnswerState::kComplete},  // a node that asks for nothing
      {Reply(kLogin, 0x20, "Auth failure."), AnswerState::kDenied},
      {Reply(kLogin, 0x21), AnswerState::kDenied},
      {Reply(kLogin, 0x82, "Out of memory"), AnswerState::kRefused},
      {Reply(kAdd, 0, "", 8), AnswerState::kComplete},
      {Reply(kAdd, 2, "Data exists for key."), AnswerState::kComplete},
      {Reply(kAdd, 0x20, "Auth failure."), AnswerState::kDenied},
      {Reply(kDelete, 0), AnswerState::kComplete},
      {Reply(kDelete, 1, "Not found"), AnswerState::kComplete},
      {Reply(kDelete, 2, "Data exists for key."), AnswerState::kComplete},
      {Reply(kGet, 0, "v", 7, "\0\0\0\1"s), AnswerState::kGarbage},
      {Reply(kDelete, 0, "", 0, "", "", 9), AnswerState::kGarbage},
      {Reply(kDelete, 0, std::string(5000, 'x')), AnswerState::kGarbage},
      {Reply(kDelete, 0).substr(0, 23), AnswerState::kIncomplete},
      {"STORED\r\n", AnswerState::kGarbage},
  };
  for (const Case& each : cases) {
    INFO(&each - cases.data());
    const AnswerScan scan = ScanBinaryOwed(each.bytes, kNumber);
    CHECK(scan.state == each.state);
    if (each.state != AnswerState::kComplete) continue;
    CHECK(scan.size == each.bytes.size());
    CHECK(ScanBinaryOwed(each.bytes + Hit("v", 9), kNumber).size == each.bytes.size());
  }
}

std::string Setting(const std::string& name, const std::string& value) { return Reply(kStat, 0, value, 0, "", name); }

TEST_CASE("the settings are replies with names, and one without ends them") {
  struct Case {
    std::string bytes;
    AnswerState state;
    uint64_t item_size_max = 0;
  };
  const std::string end = Setting("", "");
  const std::vector<Case> cases = {
      {Setting("maxbytes", "67108864") + Setting("item_size_max", "1048576") + Setting("x", "y") + end,
       AnswerState::kComplete, 1048576},
      {Setting("item_size", "1") + end, AnswerState::kComplete},
      {end, AnswerState::kComplete},
      {Setting("item_size_max", "") + end, AnswerState::kGarbage},
      {Setting("item_size_max", "1k") + end, AnswerState::kGarbage},
      {Setting("item_size_max", "18446744073709551616") + end, AnswerState::kGarbage},
      {Setting("item_size_max", "-1") + end, AnswerState::kGarbage},
      {Setting("", "x"), AnswerState::kGarbage},
      {end + end, AnswerState::kGarbage},
      {Setting("x", "y") + Hit("v", 7), AnswerState::kGarbage},
      {Setting("x", "y"), AnswerState::kIncomplete},
      {"", AnswerState::kIncomplete},
      {Reply(kStat, 0x81, "Unknown command"), AnswerState::kRefused},
      {Reply(kStat, 0x20, "Auth failure."), AnswerState::kDenied},
  };
  for (const Case& each : cases) {
    INFO(&each - cases.data());
    uint64_t item_size_max = 0;
    CHECK(ScanBinarySettings(each.bytes, kNumber, &item_size_max).state == each.state);
    if (each.state == AnswerState::kComplete) CHECK(item_size_max == each.item_size_max);
  }
  std::string endless;
  while (endless.size() < (80 << 10)) endless += Setting("x", std::string(1000, 'y'));
  uint64_t item_size_max = 0;
  CHECK(ScanBinarySettings(endless, kNumber, &item_size_max).state == AnswerState::kGarbage);
}

}  // namespace
}  // namespace clustered_session
