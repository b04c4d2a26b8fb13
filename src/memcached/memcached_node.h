// The node of a save_path: a Node that finds out by which engine its memcached is served. Layer: memcached. Belongs to
// one process and thread.
//
// MetaNode asks first (see meta_node.h). A memcached or a proxy that knows no meta commands shows that in its first
// answer; then ClassicNode takes over (see classic_node.h), in the same operation. So it is with SASL from the
// beginning. A node at tls:// is MetaNode's alone. What was found holds until the node is another process, or fails:
// then MetaNode asks again.
#ifndef CLUSTERED_SESSION_MEMCACHED_MEMCACHED_NODE_H_
#define CLUSTERED_SESSION_MEMCACHED_MEMCACHED_NODE_H_

#include <memory>

#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/health.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"

namespace clustered_session {

// `counters` and `health` live in shared memory and outlive the node; `health` supplies and receives the incarnation,
// item_size_max and which engine serves the node, and may be null (the decision to ask at all is the caller's, see
// cluster/node_set.h).
std::unique_ptr<Node> MakeMemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                        Counters* counters, const NodeCredentials& credentials = {},
                                        const NodeTls& tls = {});

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_MEMCACHED_NODE_H_
