// How commands are said to a node that knows meta commands, and what counts as a reply. Mirrors
// src/cluster/memcached_meta.h.
#include "src/cluster/memcached_meta.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/cluster/node_fixture.h"
#include "tests/cluster/reply_cases.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

using Kind = MemcachedCommand::Kind;

const MemcachedCommand kGetK{Kind::kGet, "k", {}, 0, 0, 0};
const MemcachedCommand kStoreK{Kind::kStore, "k", "value", 100, 7, 42};

std::string TextOf(const MemcachedCommand& command) {
  std::string text;
  AppendLine(command, 9, &text);
  text += '|';
  AppendRest(command, 9, &text);
  return text;
}

TEST_CASE("commands are said as memcached's protocol has them, a store with what shows its token") {
  CHECK(TextOf(kGetK) == "mg k v c O9\r\n|");
  CHECK(TextOf(kStoreK) == "cas k 42 100 5 7\r\n|\r\nmg k c f O9\r\n");
  CHECK(TextOf({Kind::kStore, "k", "", 2592001, 0, 4294967295}) == "add k 4294967295 2592001 0\r\n|\r\nmg k c f O9\r\n");
  CHECK(TextOf({Kind::kOffer, "k", "me", 30, 0, 0}) == "add k 0 30 2 noreply\r\n|\r\n");
}

TEST_CASE("a reply is whole, incomplete, an error line, or garbage") {
  const auto complete = AnswerState::kComplete;
  const auto incomplete = AnswerState::kIncomplete;
  const auto garbage = AnswerState::kGarbage;
  const auto refused = AnswerState::kRefused;
  const std::vector<ReplyCase> cases = {
      {kGetK, "VA 1 c7 O9\r\nv\r\n", complete, CommandResult::kHit, 7},
      {kGetK, "VA 0 O9 c18446744073709551615\r\n\r\n", complete, CommandResult::kHit, 18446744073709551615u},
      {kGetK, "VA 6 c7 O9\r\n\r\nEN\r\n\r\n", complete, CommandResult::kHit, 7},
      {kGetK, "EN\r\n", complete, CommandResult::kMiss},
      {kGetK, "EN O9\r\n", complete, CommandResult::kMiss},
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
      {kStoreK, "STORED\r\nHD c8 f42 O9\r\n", complete, CommandResult::kStored, 8},
      {kStoreK, "STORED\r\nHD c8 f43 O9\r\n", complete, CommandResult::kOther},  // replaced since
      {kStoreK, "STORED\r\nEN\r\n", complete, CommandResult::kGone},             // removed since
      {kStoreK, "EXISTS\r\nHD c8 f42 O9\r\n", complete, CommandResult::kOther},
      {kStoreK, "NOT_STORED\r\nHD c8 f1 O9\r\n", complete, CommandResult::kOther},
      {kStoreK, "NOT_FOUND\r\nEN O9\r\n", complete, CommandResult::kGone},
      {kStoreK, "SERVER_ERROR out of memory storing object\r\nHD c7 f1 O9\r\n", complete, CommandResult::kRefused, 7},
      {kStoreK, "SERVER_ERROR object too large for cache\r\nEN\r\n", complete, CommandResult::kRefused, 0},
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
  CheckReplies(cases, "VA 1 c9 O9\r\n", [](std::string_view bytes, const MemcachedCommand& command) {
    return ScanMetaReply(bytes, command, 9);
  });
}

TEST_CASE("a greeting is what was asked for before the first answer, and nothing else") {
  struct Case {
    std::string bytes;
    bool authenticates;
    bool asked;
    size_t size;
    bool meta;
  };
  const std::vector<Case> cases = {
      {"HD c1 f0 O0\r\nEND\r\n", false, true, 13, true},
      {"STORED\r\nHD c1 f0 O0\r\nEND\r\n", true, true, 21, true},
      {"HD c1 f0 O0\r\nEND\r\n", true, true, 13, true},  // it asks for no password
      {"STORED\r\nEND\r\n", true, false, 8, false},
      {"STORED\r\nEND\r\n", false, true, 0, false},
      {"ERROR\r\nEND\r\n", false, true, 7, false},             // knows no "mg"
      {"EN\r\nEND\r\n", false, true, 4, false},                // the item is gone: not known
      {"OK c1 f0 O0\r\nEND\r\n", false, true, 13, false},      // an "mg" of early days
      {"HD c1 f0 O1\r\nEND\r\n", false, true, 13, false},
      {"HD c1 f0\r\nEND\r\n", false, true, 10, false},
      {"CLIENT_ERROR bad command line format\r\nEND\r\n", false, true, 38, false},
      {"END\r\n", false, true, 0, false},                      // a silent one
      {"VALUE k 0 1 7\r\nv\r\nEND\r\n", false, true, 0, false},
      {"HD c1 f0 O0\r\nEND\r\n", false, false, 0, false},      // was not asked
      {"SERVER_ERROR out of memory\r\n", false, true, 0, false},
      {"CLIENT_ERROR unauthenticated\r\n", true, true, 0, false},
  };
  for (const Case& each : cases) {
    INFO(each.bytes);
    Greeting greeting;
    const AnswerScan scan = ScanGreeting(each.bytes, each.authenticates, each.asked, &greeting);
    CHECK(scan.state == AnswerState::kComplete);
    CHECK(greeting.size == each.size);
    CHECK(greeting.meta == each.meta);
  }
  Greeting greeting;
  for (const std::string bytes : {"", "H", "HD c1 f0 O0\r", "E", "ERR"}) {
    INFO(bytes);
    CHECK(ScanGreeting(bytes, false, true, &greeting).state == AnswerState::kIncomplete);
  }
  CHECK(ScanGreeting("HD " + std::string(300, '1'), false, true, &greeting).state == AnswerState::kGarbage);
}

// Both ways of asking must come to the same.
TEST_CASE("a lock is claimed in the flight of a read, seen by others, and released by its holder alone") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  if (GENERATE(true, false)) proxy.HideMeta();
  TestNode one(TcpAddress(proxy.port()));
  TestNode other(TcpAddress(proxy.port()));
  for (int round = 0; round < 3; ++round) {  // the first on fresh connections
    const size_t trips = proxy.round_trips();
    const NodeReply mine = one.Claim("one");
    CHECK(proxy.round_trips() == trips + 1);
    REQUIRE(mine.status == NodeStatus::kHit);
    CHECK(mine.value == "v");
    CHECK(mine.lock_owner == "one");
    REQUIRE(mine.lock_token.known());
    const NodeReply theirs = other.Claim("other");
    CHECK(theirs.value == "v");
    CHECK(theirs.lock_owner == "one");
    CHECK(one.Claim("one").lock_owner == "one");  // asked again: still whose it was
    // With a token that is not the lock's, nothing is released.
    other.node->Release("k:lock", {mine.lock_token.cas + 1000, mine.lock_token.incarnation}, Now() + seconds(5));
    CHECK(other.Read("k").status == NodeStatus::kHit);
    CHECK(server.Get("k:lock") == "one");
    one.node->Release("k:lock", mine.lock_token, Now() + seconds(5));
    CHECK(one.Read("k").status == NodeStatus::kHit);  // behind the release on the same connection
    CHECK(server.Get("k:lock").empty());
  }
  CHECK(one.counters.node_connects.Get() == 1);
}

TEST_CASE("a node is asked for meta commands on each connection, and one that closes at that is not asked again") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults faults;
  faults.close_on_text = "mg ";
  proxy.Set(faults);
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply stored = client.Write("k", "v");
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored);
  proxy.CloseConnections();
  CHECK(client.Read("k").value == "w");
  CHECK(proxy.connections() == 3);
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("what a write did not replace is shown by one more question, and a write costs one when nobody else writes") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  const std::string large(50'000, 'l');
  size_t trips = proxy.round_trips();
  const NodeReply first = client.Write("k", large);
  REQUIRE(first.status == NodeStatus::kStored);
  const NodeReply second = client.Write("k", large, first.token);
  REQUIRE(second.status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == trips + 2);
  client.node->StartWrite("k", "mine", seconds(100), first.token, Now() + seconds(10));
  CHECK(client.node->FinishWrite().status == NodeStatus::kContested);
  client.node->StartWrite("k", "mine", seconds(100), {}, Now() + seconds(10));
  CHECK(client.node->FinishWrite().status == NodeStatus::kContested);
  CHECK(client.Read("k").token == second.token);
}

}  // namespace
}  // namespace clustered_session
