// The session locks' shared memory: a queue of nodes per locked session. Layer: local, only used by local.
//
// Each holder or waiter of a session owns a node and holds the node's robust mutex from its arrival to its end. It
// waits by locking the mutex of the node before it, so the kernel wakes exactly the next in order, whether the one
// before released the lock, gave up or died. Who locks the mutex of a node that is not its own has the proof that the
// node's owner is gone, and reads from the node's state what that means: it held the session, which is now the next
// one's, or it waited, so the next one goes on waiting for the one before it.
//
// Which nodes are in use, for which key and in which order of arrival (state, key, ticket) is the truth; the links
// between them are rebuilt from it when somebody died in the middle of changing them.
#ifndef CLUSTERED_SESSION_LOCAL_LOCK_TABLE_H_
#define CLUSTERED_SESSION_LOCAL_LOCK_TABLE_H_

#include <atomic>
#include <cstdint>

#include "src/base/session_key.h"
#include "src/local/shared_mutex.h"

namespace clustered_session {

inline constexpr uint32_t kLockPartitions = 16;
inline constexpr uint32_t kLockBuckets = 64;     // per partition
inline constexpr uint32_t kLockNodesMax = 4096;  // holders and waiters at once

enum class LockState : uint32_t {
  kFree,      // in no queue; whoever gets its mutex may take it
  kWaiting,   // its owner waits, or is gone if its mutex can be locked
  kHolding,   // its owner has the session, or died with it if its mutex can be locked
  kReleased,  // its owner had the session and left the node to the next one
};

// Free nodes are in no list: they are found by their state, and owned by locking their mutex, so nothing can leak.
struct alignas(64) LockNode {
  SharedMutex mutex;
  std::atomic<uint32_t> state;  // LockState | partition << 8; a node in use changes only under its partition's mutex
  uint32_t before;              // number of the node that arrived before, 0 = none. Numbers are index + 1
  uint32_t chain_next;          // last nodes of queues: the next one in the bucket
  uint32_t reserved;
  std::atomic<uint64_t> ticket;  // order of arrival, unique
  SessionKey key;
};
static_assert(sizeof(LockNode) == 128);

// Holds the queues of the sessions whose key falls into it.
struct alignas(64) LockPartition {
  SharedMutex mutex;
  uint32_t buckets[kLockBuckets];  // numbers of the last nodes of queues
};

struct LockTableHeader {
  std::atomic<uint64_t> tickets;
  std::atomic<int64_t> longest_wait_ns;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_LOCK_TABLE_H_
