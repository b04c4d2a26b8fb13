// Placement: which nodes hold a session, in order. Layer: cluster. Pure; thread-safe.
// The node named in the session ID first, then the others by weighted rendezvous hashing of the storage key, so that
// all servers agree, whatever the order of nodes in their save_path, and a changed node list moves as little as can
// be.
#ifndef CLUSTERED_SESSION_CLUSTER_PLACEMENT_H_
#define CLUSTERED_SESSION_CLUSTER_PLACEMENT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "src/base/save_path.h"
#include "src/base/session_key.h"

namespace clustered_session {

// Indexes into `nodes`, best first: the first `count` of them, or all. `named` is a node name or empty; unknown names
// are ignored. Takes a time of n + count * log(count) for n nodes.
std::vector<uint32_t> PlaceSession(const std::vector<NodeAddress>& nodes, const SessionKey& key, std::string_view named,
                                   size_t count = SIZE_MAX);

// Which node a new session with these random bytes should name: by weight.
uint32_t ChooseNode(const std::vector<NodeAddress>& nodes, uint64_t random);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_PLACEMENT_H_
