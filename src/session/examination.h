// Examination: how the nodes hold what this server has copies of, for an operator. Layer: session. It takes no lock,
// writes nothing, and does not count as a use. It names no session: only the keys under which nodes keep them.
#ifndef CLUSTERED_SESSION_SESSION_EXAMINATION_H_
#define CLUSTERED_SESSION_SESSION_EXAMINATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "src/session/context.h"

namespace clustered_session {

struct Examination {
  static constexpr size_t kLargest = 20;

  // Of what a node should hold.
  struct OnNode {
    uint64_t right = 0;       // the very record
    uint64_t missing = 0;     // nothing: repair brings it there
    uint64_t past = 0;        // an older record: repair replaces it
    uint64_t later = 0;       // a later one, or a branch: the session's next request takes it, or merges
    uint64_t unreadable = 0;  // what is no record of ours
    uint64_t unknown = 0;     // the node has not answered
  };
  struct Large {
    std::string key;  // on the nodes, without the prefix
    size_t bytes = 0;
    uint64_t version = 0;  // writes
    uint64_t epoch = 0;    // takeovers
    size_t writers = 0;    // intervals of its causal context: how many servers have written it in turns
  };

  uint64_t sessions = 0;    // that nodes should hold
  uint64_t ends = 0;        // tombstones
  uint64_t incomplete = 0;  // of both: not all of their nodes hold the very record
  uint64_t lost = 0;        // sessions of which no node that has answered holds any record
  std::vector<OnNode> nodes;
  std::vector<Large> sessions_shown;  // the largest, and those most often taken over; kLargest of each at most
  uint64_t next = 0;                  // where to go on; 0: that was the last
};

// Some of this server's entries of the pool, from `cursor` on: 0, or a `next`; any other number ends it or begins
// somewhere. About `limit` of them. `asks`: whether nodes are asked, in waits of at most connect_timeout +
// operation_timeout each, two for 60 entries.
Examination ExamineEntries(const SessionContext& context, uint64_t cursor, size_t limit, bool asks);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_EXAMINATION_H_
