// The memcached client: a Node over libmemcached (>= 1.1.4), or without it for nodes that ask for SASL. Layer: cluster.
// Only memcached_connection.cc knows libmemcached. Belongs to one process and thread. The connection is opened at the
// first use and kept over requests; after fork() the child opens its own. An operation takes at most connect +
// operation, or until its deadline if that is earlier, resolving the node's name included (see resolver.h). Signals are
// held back while it connects, closes and sends much (see SignalBlock), and are delivered after that.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_NODE_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_NODE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/health.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"

namespace clustered_session {

// `counters` and `health` live in shared memory and outlive the node; `health` supplies and receives the incarnation
// and item_size_max, and may be null (the decision to ask at all is the caller's, see cluster/node_set.h).
std::unique_ptr<Node> MakeMemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                        Counters* counters, const NodeCredentials& credentials = {});

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_NODE_H_
