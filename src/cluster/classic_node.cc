// The node over libmemcached, see classic_node.h. Layer: cluster.
#include "src/cluster/classic_node.h"

namespace clustered_session {

// For the time being the node that stands; the one of its own replaces it in the next commits.
std::unique_ptr<Node> MakeClassicNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                      Counters* counters, const NodeCredentials& credentials) {
  return MakeMemcachedNode(address, timeouts, health, counters, credentials);
}

}  // namespace clustered_session
