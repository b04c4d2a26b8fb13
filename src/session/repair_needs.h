// Which nodes may lack what an entry is, by the entry alone: nobody is asked. Layer: session. Pure.
//
// An entry has the tokens that nodes have given for it. A token of the process that a node is now shows that the node
// has it, unless the entry's flags say that not all nodes have taken it. So nothing else has to be kept of what is
// repaired: who goes on after another one's death, or after the node has failed once more, sees what is left.
#ifndef CLUSTERED_SESSION_SESSION_REPAIR_NEEDS_H_
#define CLUSTERED_SESSION_SESSION_REPAIR_NEEDS_H_

#include <cstdint>
#include <vector>

#include "src/session/context.h"
#include "src/session/node_memory.h"
#include "src/session/session_address.h"

namespace clustered_session {

// Whether nodes should hold it, and a thread may bring it there: not what is empty and new, what no node has taken yet
// (that is flushed), what has expired, nor what is a takeover that its request has not written yet.
bool IsForRepair(const Entry& entry, TimePoint now);

// How many nodes of the placement should hold it: all, of a tombstone.
size_t TargetsOf(const Entry& entry, const NodeItems& items);

// Those of these that may lack it, by node. `nodes`: by node.
std::vector<uint32_t> MayLack(const SessionContext& context, const Entry& entry, const NodeItems& items,
                              const std::vector<NodeView>& nodes);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REPAIR_NEEDS_H_
