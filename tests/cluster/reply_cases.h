// Replies and what the scanners of both protocols make of them. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_CLUSTER_REPLY_CASES_H_
#define CLUSTERED_SESSION_TESTS_CLUSTER_REPLY_CASES_H_

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/cluster/memcached_command.h"

namespace clustered_session {

struct ReplyCase {
  const MemcachedCommand& command;
  std::string bytes;
  AnswerState state;
  CommandResult result = CommandResult::kMiss;
  uint64_t cas = 0;
};

// `scan` with bytes and a command; `next`: a whole reply to another command.
template <typename Scan>
void CheckReplies(const std::vector<ReplyCase>& cases, const std::string& next, const Scan& scan) {
  for (const ReplyCase& each : cases) {
    INFO(&each - cases.data());
    const ReplyScan reply = scan(each.bytes, each.command);
    CHECK(reply.state == each.state);
    if (each.state != AnswerState::kComplete) continue;
    CHECK(reply.size == each.bytes.size());
    CHECK(reply.result == each.result);
    CHECK(reply.cas == each.cas);
    // What follows is another's; and no part of it is a whole reply.
    CHECK(scan(each.bytes + next, each.command).size == each.bytes.size());
    for (size_t size = 0; size < each.bytes.size(); ++size) {
      const ReplyScan part = scan(std::string_view(each.bytes).substr(0, size), each.command);
      CHECK(part.state == AnswerState::kIncomplete);
      CHECK(part.size > size);
      CHECK(part.size <= each.bytes.size());
    }
  }
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_CLUSTER_REPLY_CASES_H_
