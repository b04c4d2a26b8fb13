// Fuzz target: what a node answers, in all the ways in which it is asked. See tests/fuzz/targets.h.
#include <algorithm>
#include <string>

#include "src/memcached/meta_protocol.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

FuzzFinding CheckScan(ScanState state, size_t size, const std::string& message, std::string_view input) {
  FUZZ_CHECK(state != ScanState::kIncomplete || size > input.size());
  FUZZ_CHECK(state != ScanState::kComplete || size <= input.size());
  FUZZ_CHECK(message.size() <= 100);
  FUZZ_CHECK(std::all_of(message.begin(), message.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  return {};
}

FuzzFinding CheckReply(MetaCommand::Kind kind, std::string_view input) {
  const MetaCommand command{kind, "k", "value", 100, 7, 42};
  const MetaReplyScan reply = ScanReply(input, command, 9);
  if (FuzzFinding finding = CheckScan(reply.state, reply.size, reply.message, input); !finding.empty()) return finding;
  if (reply.state != ScanState::kComplete) return {};
  FUZZ_CHECK(Within(reply.value, input));
  FUZZ_CHECK(reply.result != MetaResult::kHit || kind == MetaCommand::Kind::kSettings ||
             kind == MetaCommand::Kind::kStats || (reply.cas != 0 && kind == MetaCommand::Kind::kGet));
  FUZZ_CHECK(reply.result != MetaResult::kStored || (reply.cas != 0 && kind == MetaCommand::Kind::kStore));
  // The same without what follows it; and no part of it is one.
  const std::string_view alone = input.substr(0, reply.size);
  FUZZ_CHECK(ScanReply(alone, command, 9).size == reply.size);
  FUZZ_CHECK(ScanReply(alone.substr(0, alone.size() - 1), command, 9).state == ScanState::kIncomplete);
  return {};
}

}  // namespace

FuzzFinding FuzzReply(std::string_view input) {
  using Kind = MetaCommand::Kind;
  for (const Kind kind : {Kind::kGet, Kind::kStore, Kind::kSettings, Kind::kStats}) {
    if (FuzzFinding finding = CheckReply(kind, input); !finding.empty()) return finding;
  }
  const Greeting greeting = ScanGreeting(input, true);
  return CheckScan(greeting.state, greeting.size, {}, input);
}

}  // namespace clustered_session
