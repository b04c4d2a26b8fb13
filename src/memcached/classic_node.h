// ClassicNode: a Node over libmemcached (>= 1.1.4), used as its authors meant it, with its own connection. Layer:
// memcached. It serves memcached without meta commands, proxies of the text protocol (twemproxy), and SASL, for which
// it speaks libmemcached's binary protocol.
//
// libmemcached has no deadline, only a timeout for each poll: a node that sends a byte now and then would hold its
// caller for ever. So each operation runs on a thread of its own, which lives as long as the operation, handles no
// signals, and that nobody waits for beyond the deadline. Starting an operation waits for nothing, not even for a
// connection. Finishing it takes until the deadline, which is at most connect_timeout + operation_timeout after the
// start, and kClassicAllowance: for an answer that is being read when the deadline passes. A thread that is not done by
// then is left to itself with its connection, and ends with the poll that it is in: no later than another such time
// after that.
//
// The node belongs to one thread and process, as each does. After fork() the child opens a connection of its own.
#ifndef CLUSTERED_SESSION_MEMCACHED_CLASSIC_NODE_H_
#define CLUSTERED_SESSION_MEMCACHED_CLASSIC_NODE_H_

#include <chrono>
#include <memory>

#include "src/base/clock.h"
#include "src/base/counters.h"
#include "src/cluster/health.h"
#include "src/memcached/node_engine.h"

namespace clustered_session {

inline constexpr Duration kClassicAllowance = std::chrono::milliseconds(50);

// `counters` and `health` live in shared memory and outlive the node; `health` supplies and receives the incarnation
// and item_size_max, and may be null.
std::unique_ptr<NodeEngine> MakeClassicNode(const NodeTarget& target, NodeHealth* health, Counters* counters);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_CLASSIC_NODE_H_
