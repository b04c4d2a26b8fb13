// What each node's memory is and since when: nodes are asked for their sentinels. A node that has another one than
// before has lost what it held, whether it was restarted or flushed.
// Layer: session. For the thread that repairs, for the status, and for a session that gets a new ID.
#ifndef CLUSTERED_SESSION_SESSION_NODE_MEMORY_H_
#define CLUSTERED_SESSION_SESSION_NODE_MEMORY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/session/context.h"

namespace clustered_session {

// As it was at the last look.
struct NodeView {
  bool answers = false;
  uint32_t incarnation = 0;
  int64_t since_ns = 0;       // this server has known this memory since then
  int64_t emptied_at_ns = 0;  // see NodeMemory
};

// Asks all nodes of the pool at once, puts a sentinel where there is none, and keeps what is found; at most two waits.
// A node that answers again, or has another memory than before, makes a walk due. The views are by node. REQUIRES:
// context.shared
std::vector<NodeView> LookAtNodes(const SessionContext& context);

// The name of a node's memory, by the value of its sentinel; never 0.
uint64_t MemoryName(std::string_view sentinel);

// Whether all nodes answer, with the memories that the last look has found. One wait; changes nothing.
// REQUIRES: context.shared
bool NodesAreAsSeen(const SessionContext& context);

// What all servers share, and nobody knows who does not reach the nodes: the sentinel of the first of `nodes` that has
// one. Empty: none of them says. One wait.
std::string SharedSecret(const SessionContext& context, const std::vector<uint32_t>& nodes);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_NODE_MEMORY_H_
