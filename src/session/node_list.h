// Whether all servers have the same nodes in session.save_path. Layer: session. For the background: it waits for nodes.
//
// Each server leaves the names of its nodes in an item under its prefix on each of them, where the next one finds them.
// A list that differs is replaced by the server's own: so every server that compares sees what differs from it.
#ifndef CLUSTERED_SESSION_SESSION_NODE_LIST_H_
#define CLUSTERED_SESSION_SESSION_NODE_LIST_H_

#include <optional>
#include <string>

#include "src/session/context.h"

namespace clustered_session {

// How another server's list differs.
struct OtherNodeList {
  std::string server_id;
  std::string names;  // sorted, with commas
};

// One read of all nodes, and one write to those that have no list or another one. Returns another server's list, if
// there was one. `own` receives this server's names.
std::optional<OtherNodeList> CompareNodeLists(const SessionContext& context, std::string* own);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_NODE_LIST_H_
