// What counts as a node's answer. Mirrors src/cluster/memcached_answer.h.
#include "src/cluster/memcached_answer.h"

#include <catch2/catch.hpp>

namespace clustered_session {
namespace {

const std::string kNul("\0", 1);
constexpr std::string_view kJustK[] = {"k"};

TEST_CASE("an answer is whole, incomplete, an error line, or garbage") {
  const std::vector<std::string_view> keys = {"s", "k"};
  struct Case {
    std::string bytes;
    AnswerState state;
  };
  const std::string long_key(300, 'k');
  const std::vector<Case> cases = {
      {"END\r\n", AnswerState::kComplete},
      {"VALUE k 0 1 7\r\nv\r\nEND\r\n", AnswerState::kComplete},
      {"VALUE k 4294967295 0 18446744073709551615\r\n\r\nEND\r\n", AnswerState::kComplete},
      {"VALUE s 0 1 7\r\nv\r\nVALUE k 0 2 8\r\nvw\r\nEND\r\n", AnswerState::kComplete},
      {"VALUE k 0 2 8\r\nvw\r\nVALUE s 0 1 7\r\nv\r\nEND\r\n", AnswerState::kComplete},
      {"VALUE k 0 9 7\r\n\r\nEND\r\n" + kNul + "v\r\nEND\r\n", AnswerState::kComplete},  // END within the value
      {"", AnswerState::kIncomplete},
      {"V", AnswerState::kIncomplete},
      {"E", AnswerState::kIncomplete},
      {"S", AnswerState::kIncomplete},
      {"END\r", AnswerState::kIncomplete},
      {"VALUE k 0 1 7\r\nv\r", AnswerState::kIncomplete},
      {"VALUE k 0 1 7\r\nv\r\n", AnswerState::kIncomplete},
      {"ERROR\r\n", AnswerState::kRefused},
      {"ERROR Too many open connections\r\n", AnswerState::kRefused},
      {"SERVER_ERROR out of memory\r\n", AnswerState::kRefused},
      {"CLIENT_ERROR bad\r\n", AnswerState::kRefused},
      {"ERR", AnswerState::kIncomplete},
      {"END\r\nEND\r\n", AnswerState::kGarbage},                   // more than was asked for
      {"STORED\r\nEND\r\n", AnswerState::kGarbage},                // a late answer
      {"VALUE x 0 1 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},    // another key
      {"VALUE kk 0 1 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 0 1 7\r\nv\r\nVALUE k 0 1 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},  // twice
      {"VALUE k 0 1\r\nv\r\nEND\r\n", AnswerState::kGarbage},      // no token
      {"VALUE k 0 1 7 9\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 0 -1 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 0 1x 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 4294967296 1 7\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 0 1 18446744073709551616\r\nv\r\nEND\r\n", AnswerState::kGarbage},
      {"VALUE k 0 99999999999 7\r\nv", AnswerState::kGarbage},     // a size nobody can mean
      {"VALUE k 0 1 7\r\nvwEND\r\n", AnswerState::kGarbage},       // longer than announced
      {"VALUE k\r\n", AnswerState::kGarbage},
      {"VALUE " + long_key + " 0 1 7\r\n", AnswerState::kGarbage},
      {"VALUE " + long_key + long_key, AnswerState::kGarbage},     // no end of the line
      {"HTTP/1.1 400 Bad Request\r\n\r\n", AnswerState::kGarbage},
      {"\x81" + kNul + kNul, AnswerState::kGarbage},
      {"ENDE\r\n", AnswerState::kGarbage},
  };
  for (const Case& each : cases) {
    INFO(each.bytes);
    const AnswerScan scan = ScanGetsAnswer(each.bytes, keys);
    CHECK(scan.state == each.state);
    if (scan.state == AnswerState::kComplete) CHECK(scan.size == each.bytes.size());
    if (scan.state == AnswerState::kIncomplete) CHECK(scan.size > each.bytes.size());
  }
}

TEST_CASE("every beginning of a whole answer is incomplete and asks for no more than the whole") {
  const std::vector<std::string_view> keys = {"s", "k"};
  const std::string answer = "VALUE s 0 3 7\r\nabc\r\nVALUE k 12 20 8\r\n01234567890123456789\r\nEND\r\n";
  for (size_t size = 0; size < answer.size(); ++size) {
    INFO(size);
    const AnswerScan scan = ScanGetsAnswer(std::string_view(answer).substr(0, size), keys);
    CHECK(scan.state == AnswerState::kIncomplete);
    CHECK(scan.size > size);
    CHECK(scan.size <= answer.size());
  }
}

TEST_CASE("a value's size tells how much is needed before it has arrived") {
  const std::string header = "VALUE k 0 100000 7\r\n";
  CHECK(ScanGetsAnswer(header, kJustK).size == header.size() + 100000 + 2 + 5);
}

TEST_CASE("an error line is told in a bounded, printable form") {
  const AnswerScan scan = ScanGetsAnswer("SERVER_ERROR \x1b[31m" + std::string(200, 'x') + "\r\n", kJustK);
  CHECK(scan.state == AnswerState::kRefused);
  CHECK(scan.message == "SERVER_ERROR ?[31m" + std::string(82, 'x'));
}

TEST_CASE("item_size_max is found in the settings") {
  struct Case {
    std::string bytes;
    AnswerState state;
    uint64_t size_max;
  };
  const std::vector<Case> cases = {
      {"STAT maxbytes 67108864\r\nSTAT item_size_max 1048576\r\nSTAT x y\r\nEND\r\n", AnswerState::kComplete, 1048576},
      {"STAT maxbytes 67108864\r\nEND\r\n", AnswerState::kComplete, 0},
      {"STAT inter /a path/ with spaces\r\nEND\r\n", AnswerState::kComplete, 0},
      {"END\r\n", AnswerState::kComplete, 0},
      {"STAT item_size_max 1048576\r\nEN", AnswerState::kIncomplete, 1048576},
      {"STAT item_size_max many\r\nEND\r\n", AnswerState::kGarbage, 0},
      {"STAT item_size_max 99999999999999999999\r\nEND\r\n", AnswerState::kGarbage, 0},
      {"ERROR\r\n", AnswerState::kRefused, 0},
      {"VALUE k 0 1 7\r\n", AnswerState::kGarbage, 0},
      {"STAT" + std::string(3000, 'x'), AnswerState::kGarbage, 0},
  };
  for (const Case& each : cases) {
    INFO(each.bytes);
    uint64_t size_max = 0;
    CHECK(ScanStatsAnswer(each.bytes, &size_max).state == each.state);
    CHECK(size_max == each.size_max);
  }
  std::string endless;
  while (endless.size() < 100'000) endless += "STAT a b\r\n";
  uint64_t size_max = 0;
  CHECK(ScanStatsAnswer(endless, &size_max).state == AnswerState::kGarbage);
}

}  // namespace
}  // namespace clustered_session
