// ClassicNode: a Node over libmemcached (>= 1.1.4), used as its authors meant it, with its own connection. Layer:
// cluster. It serves memcached without meta commands, proxies of the text protocol (twemproxy), and SASL.
#ifndef CLUSTERED_SESSION_CLUSTER_CLASSIC_NODE_H_
#define CLUSTERED_SESSION_CLUSTER_CLASSIC_NODE_H_

#include <memory>

#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/health.h"
#include "src/cluster/memcached_node.h"
#include "src/cluster/node.h"

namespace clustered_session {

// `counters` and `health` live in shared memory and outlive the node; `health` supplies and receives the incarnation
// and item_size_max, and may be null.
std::unique_ptr<Node> MakeClassicNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                      Counters* counters, const NodeCredentials& credentials);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_CLASSIC_NODE_H_
