// Fuzz target: what a node answers, in all the ways in which it is asked. See tests/fuzz/targets.h.
#include <algorithm>
#include <array>
#include <vector>

#include "src/cluster/memcached_answer.h"
#include "src/cluster/memcached_binary.h"
#include "src/cluster/memcached_meta.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

constexpr std::array<std::string_view, 2> kKeys = {"k", "cs:node-incarnation"};

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

FuzzFinding CheckScan(AnswerState state, size_t size, const std::string& message, std::string_view input) {
  FUZZ_CHECK(state != AnswerState::kIncomplete || size > input.size());
  FUZZ_CHECK(state != AnswerState::kComplete || size <= input.size());
  FUZZ_CHECK(message.size() <= 100);
  FUZZ_CHECK(std::all_of(message.begin(), message.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  return {};
}

using Scanner = ReplyScan (*)(std::string_view bytes, const MemcachedCommand& command, uint32_t number);

FuzzFinding CheckReply(Scanner scan, MemcachedCommand::Kind kind, std::string_view input) {
  const MemcachedCommand command{kind, "k", "value", 100, 7, 42};
  const ReplyScan reply = scan(input, command, 9);
  if (FuzzFinding finding = CheckScan(reply.state, reply.size, reply.message, input); !finding.empty()) return finding;
  if (reply.state != AnswerState::kComplete) return {};
  FUZZ_CHECK(Within(reply.value, input));
  FUZZ_CHECK(reply.result != CommandResult::kHit || (reply.cas != 0 && kind == MemcachedCommand::Kind::kGet));
  FUZZ_CHECK(reply.result != CommandResult::kStored || (reply.cas != 0 && kind == MemcachedCommand::Kind::kStore));
  // The same without what follows it; and no part of it is one.
  const std::string_view alone = input.substr(0, reply.size);
  FUZZ_CHECK(scan(alone, command, 9).size == reply.size);
  FUZZ_CHECK(scan(alone.substr(0, alone.size() - 1), command, 9).state == AnswerState::kIncomplete);
  return {};
}

}  // namespace

FuzzFinding FuzzReply(std::string_view input) {
  using Kind = MemcachedCommand::Kind;
  for (const Kind kind : {Kind::kGet, Kind::kStore}) {
    if (FuzzFinding finding = CheckReply(ScanMetaReply, kind, input); !finding.empty()) return finding;
  }
  for (const Kind kind : {Kind::kGet, Kind::kStore, Kind::kOffer}) {
    if (FuzzFinding finding = CheckReply(ScanBinaryReply, kind, input); !finding.empty()) return finding;
  }
  Greeting greeting;
  AnswerScan scan = ScanGreeting(input, true, true, &greeting);
  if (FuzzFinding finding = CheckScan(scan.state, scan.size, scan.message, input); !finding.empty()) return finding;

  std::vector<AnswerItem> items;
  scan = ScanGetsAnswer(input, kKeys, &items);
  if (FuzzFinding finding = CheckScan(scan.state, scan.size, scan.message, input); !finding.empty()) return finding;
  for (const AnswerItem& item : items) {
    FUZZ_CHECK(Within(item.value, input));
    FUZZ_CHECK(std::find(kKeys.begin(), kKeys.end(), item.key) != kKeys.end());
  }
  scan = ScanBinaryOwed(input, 9);
  if (FuzzFinding finding = CheckScan(scan.state, scan.size, scan.message, input); !finding.empty()) return finding;
  uint64_t item_size_max = 0;
  scan = ScanBinarySettings(input, 9, &item_size_max);
  if (FuzzFinding finding = CheckScan(scan.state, scan.size, scan.message, input); !finding.empty()) return finding;
  scan = ScanStatsAnswer(input, &item_size_max);
  return CheckScan(scan.state, scan.size, scan.message, input);
}

}  // namespace clustered_session
