// How commands are said to a node that knows meta commands, and what counts as a reply. Mirrors
// src/memcached/meta_protocol.h.
#include "src/memcached/meta_protocol.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace clustered_session {
namespace {

using Kind = MetaCommand::Kind;

struct ReplyCase {
  const MetaCommand& command;
  std::string bytes;
  ScanState state;
  MetaResult result = MetaResult::kMiss;
  uint64_t cas = 0;
};

// `scan` with bytes and a command; `next`: a whole reply to another command.
template <typename Scan>
void CheckReplies(const std::vector<ReplyCase>& cases, const std::string& next, const Scan& scan) {
  for (const ReplyCase& each : cases) {
    INFO(&each - cases.data());
    const MetaReplyScan reply = scan(each.bytes, each.command);
    CHECK(reply.state == each.state);
    if (each.state != ScanState::kComplete) continue;
    CHECK(reply.size == each.bytes.size());
    CHECK(reply.result == each.result);
    CHECK(reply.cas == each.cas);
    // What follows is another's; and no part of it is a whole reply.
    CHECK(scan(each.bytes + next, each.command).size == each.bytes.size());
    for (size_t size = 0; size < each.bytes.size(); ++size) {
      const MetaReplyScan part = scan(std::string_view(each.bytes).substr(0, size), each.command);
      CHECK(part.state == ScanState::kIncomplete);
      CHECK(part.size > size);
      CHECK(part.size <= each.bytes.size());
    }
  }
}

const MetaCommand kGetK{Kind::kGet, "k", {}, 0, 0, 0};
const MetaCommand kStoreK{Kind::kStore, "k", "value", 100, 7, 42};

std::string TextOf(const MetaCommand& command) {
  std::string text;
  AppendLine(command, 9, &text);
  text += '|';
  AppendRest(command, 9, &text);
  return text;
}

TEST_CASE("commands are said as memcached's protocol has them, a store with what shows its token") {
  CHECK(TextOf(kGetK) == "mg k v c O9\r\n|");
  CHECK(TextOf(kStoreK) == "cas k 42 100 5 7\r\n|\r\nmg k c f O9\r\n");
  CHECK(TextOf({Kind::kStore, "k", "", 2592001, 0, 4294967295}) ==
        "add k 4294967295 2592001 0\r\n|\r\nmg k c f O9\r\n");
  CHECK(TextOf({Kind::kOffer, "k", "me", 30, 0, 0}) == "add k 0 30 2 noreply\r\n|\r\n");
}

TEST_CASE("a reply is whole, incomplete, an error line, or garbage") {
  const auto complete = ScanState::kComplete;
  const auto incomplete = ScanState::kIncomplete;
  const auto garbage = ScanState::kGarbage;
  const auto refused = ScanState::kRefused;
  const std::vector<ReplyCase> cases = {
      {kGetK, "VA 1 c7 O9\r\nv\r\n", complete, MetaResult::kHit, 7},
      {kGetK, "VA 0 O9 c18446744073709551615\r\n\r\n", complete, MetaResult::kHit, 18446744073709551615u},
      {kGetK, "VA 6 c7 O9\r\n\r\nEN\r\n\r\n", complete, MetaResult::kHit, 7},
      {kGetK, "EN\r\n", complete, MetaResult::kMiss},
      {kGetK, "EN O9\r\n", complete, MetaResult::kMiss},
      {kGetK, "EN O8\r\n", garbage},
      {kGetK, "END\r\n", garbage},
      {kGetK, "HD c7 O9\r\n", garbage},
      {kGetK, "VA 1 c7\r\nv\r\n", garbage},
      {kGetK, "VA 1 c7 O8\r\nv\r\n", garbage},
      {kGetK, "VA 1 O9\r\nv\r\n", garbage},
      {kGetK, "VA 1 c7 O9 W\r\nv\r\n", garbage},
      {kGetK, "VA 1 c7 O9\r\nvw\r\n", garbage},
      {kGetK, "VA 134217729 c7 O9\r\n", garbage},
      {kGetK, "VA 1 c18446744073709551616 O9\r\nv\r\n", garbage},
      {kGetK, "VA", incomplete},
      {kGetK, "", incomplete},
      {kGetK, "VALUE k 0 1 7\r\nv\r\nEND\r\n", garbage},
      {kGetK, "SERVER_ERROR out of memory\r\n", refused},
      {kGetK, "ERROR\r\n", refused},
      {kGetK, "VA " + std::string(300, '1'), garbage},
      {kStoreK, "STORED\r\nHD c8 f42 O9\r\n", complete, MetaResult::kStored, 8},
      {kStoreK, "STORED\r\nHD c8 f43 O9\r\n", complete, MetaResult::kOther},  // replaced since
      {kStoreK, "STORED\r\nEN\r\n", complete, MetaResult::kGone},             // removed since
      {kStoreK, "EXISTS\r\nHD c8 f42 O9\r\n", complete, MetaResult::kOther},
      {kStoreK, "NOT_STORED\r\nHD c8 f1 O9\r\n", complete, MetaResult::kOther},
      {kStoreK, "NOT_FOUND\r\nEN O9\r\n", complete, MetaResult::kGone},
      {kStoreK, "SERVER_ERROR out of memory storing object\r\nHD c7 f1 O9\r\n", complete, MetaResult::kRefused, 7},
      {kStoreK, "SERVER_ERROR object too large for cache\r\nEN\r\n", complete, MetaResult::kRefused, 0},
      {kStoreK, "STORED\r\n", incomplete},
      {kStoreK, "STORED\r\nHD c8 f42 O9\r", incomplete},
      {kStoreK, "STO", incomplete},
      {kStoreK, "STORED\r\nHD c8 f42 O8\r\n", garbage},
      {kStoreK, "STORED\r\nHD c0 f42 O9\r\n", garbage},
      {kStoreK, "STORED\r\nVA 1 c8 O9\r\nv\r\n", garbage},
      {kStoreK, "STORED\r\nSTORED\r\n", garbage},
      {kStoreK, "HD c8 f42 O9\r\n", garbage},
      {kStoreK, "DELETED\r\n", garbage},
      {kStoreK, "CLIENT_ERROR bad data chunk\r\n", refused},
      {kStoreK, "EXISTS\r\nERROR\r\n", refused},
  };
  CheckReplies(cases, "VA 1 c9 O9\r\n",
               [](std::string_view bytes, const MetaCommand& command) { return ScanReply(bytes, command, 9); });
}

TEST_CASE("a node's figures are lines, and one that refuses has none", "[room]") {
  const MetaCommand kStats{Kind::kStats, {}, {}, 0, 0, 0};
  const std::string lines = "STAT pid 7\r\nSTAT evictions 3\r\n";
  const std::string whole = lines + "END\r\n";
  MetaReplyScan reply = ScanReply(whole, kStats, 9);
  CHECK(reply.state == ScanState::kComplete);
  CHECK(reply.result == MetaResult::kHit);
  CHECK(reply.value == lines);
  CHECK(reply.size == lines.size() + 5);
  for (const std::string refusal : {"ERROR\r\n", "CLIENT_ERROR stats is not allowed\r\n", "SERVER_ERROR no\r\n"}) {
    for (const std::string& before : {std::string(), lines}) {
      reply = ScanReply(before + refusal, kStats, 9);
      CHECK(reply.state == ScanState::kComplete);
      CHECK(reply.result == MetaResult::kMiss);
      CHECK(reply.size == before.size() + refusal.size());
    }
  }
  CHECK(ScanReply(lines, kStats, 9).state == ScanState::kIncomplete);
  CHECK(ScanReply("VALUE k 0 1 7\r\n", kStats, 9).state == ScanState::kGarbage);
  std::string text;
  AppendLine(kStats, 9, &text);
  AppendRest(kStats, 9, &text);
  CHECK(text == "stats\r\n");
}

TEST_CASE("item_size_max is found in the settings") {
  const MetaCommand kSettings{Kind::kSettings, {}, {}, 0, 0, 0};
  struct Case {
    std::string bytes;
    ScanState state;
    uint64_t size_max;
  };
  const std::vector<Case> cases = {
      {"STAT maxbytes 67108864\r\nSTAT item_size_max 1048576\r\nSTAT x y\r\nEND\r\n", ScanState::kComplete, 1048576},
      {"STAT maxbytes 67108864\r\nEND\r\n", ScanState::kComplete, 0},
      {"STAT inter /a path/ with spaces\r\nEND\r\n", ScanState::kComplete, 0},
      {"END\r\n", ScanState::kComplete, 0},
      {"STAT item_size_max 1048576\r\nEN", ScanState::kIncomplete, 0},
      {"STAT item_size_max many\r\nEND\r\n", ScanState::kGarbage, 0},
      {"STAT item_size_max 99999999999999999999\r\nEND\r\n", ScanState::kGarbage, 0},
      {"ERROR\r\n", ScanState::kRefused, 0},
      {"VALUE k 0 1 7\r\n", ScanState::kGarbage, 0},
      {"STAT" + std::string(3000, 'x'), ScanState::kGarbage, 0},
      {"STAT " + std::string(3000, 'x'), ScanState::kGarbage, 0},
  };
  for (const Case& each : cases) {
    INFO(each.bytes);
    const MetaReplyScan reply = ScanReply(each.bytes, kSettings, 9);
    CHECK(reply.state == each.state);
    CHECK(reply.cas == each.size_max);
    if (each.state == ScanState::kIncomplete) CHECK(reply.size > each.bytes.size());
  }
  std::string endless;
  while (endless.size() < 100'000) endless += "STAT a b\r\n";
  CHECK(ScanReply(endless, kSettings, 9).state == ScanState::kGarbage);
}

TEST_CASE("an error line is told in a bounded, printable form") {
  const MetaReplyScan reply = ScanReply("SERVER_ERROR \x1b[31m" + std::string(200, 'x') + "\r\n", kGetK, 9);
  CHECK(reply.state == ScanState::kRefused);
  CHECK(reply.message == "SERVER_ERROR ?[31m" + std::string(82, 'x'));
}

TEST_CASE("a value's size tells how much is needed before it has arrived") {
  const std::string header = "VA 100000 c7 O9\r\n";
  CHECK(ScanReply(header, kGetK, 9).size == header.size() + 100000 + 2);
}

TEST_CASE("a greeting says whether the node knows meta commands, and where the replies begin") {
  using Says = Greeting::Says;
  struct Case {
    std::string bytes;
    bool authenticates;
    size_t size;
    Says says;
  };
  const std::vector<Case> cases = {
      {"HD c1 f0 O0\r\nEN\r\n", false, 13, Says::kMeta},
      {"STORED\r\nHD c1 f0 O0\r\nEN\r\n", true, 21, Says::kMeta},
      {"HD c1 f0 O0\r\nEN\r\n", true, 13, Says::kMeta},  // it asks for no password
      {"EN\r\nEN\r\n", false, 4, Says::kPerhaps},        // the item is gone
      {"EN O0\r\nEN\r\n", false, 7, Says::kPerhaps},
      {"ERROR\r\nERROR\r\n", false, 7, Says::kNot},
      {"ERROR unknown command\r\nERROR\r\n", false, 23, Says::kNot},
      {"OK c1 f0 O0\r\nEN\r\n", false, 13, Says::kNot},  // an "mg" of early days
      {"HD c1 f0 O1\r\nEN\r\n", false, 13, Says::kNot},
      {"HD c1 f0\r\nEN\r\n", false, 10, Says::kNot},
      {"CLIENT_ERROR bad command line format\r\n", false, 38, Says::kNot},
      {"STORED\r\nEN\r\n", false, 0, Says::kOther},
      {"END\r\n", false, 0, Says::kOther},
      {"VALUE k 0 1 7\r\nv\r\nEND\r\n", false, 0, Says::kOther},
      {"SERVER_ERROR out of memory\r\n", false, 0, Says::kOther},
      {"CLIENT_ERROR unauthenticated\r\n", true, 0, Says::kOther},
      {"HD " + std::string(300, '1'), false, 0, Says::kOther},
  };
  for (const Case& each : cases) {
    INFO(each.bytes);
    const Greeting greeting = ScanGreeting(each.bytes, each.authenticates);
    CHECK(greeting.state == ScanState::kComplete);
    CHECK(greeting.size == each.size);
    CHECK(greeting.says == each.says);
  }
  for (const std::string bytes : {"", "H", "HD c1 f0 O0\r", "E", "ERR", "CLIENT_ERROR bad", "O"}) {
    INFO(bytes);
    const Greeting greeting = ScanGreeting(bytes, false);
    CHECK(greeting.state == ScanState::kIncomplete);
    CHECK(greeting.size > bytes.size());
  }
  CHECK(ScanGreeting("STO", true).state == ScanState::kIncomplete);
}

}  // namespace
}  // namespace clustered_session
