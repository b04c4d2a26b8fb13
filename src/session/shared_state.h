// SharedState: what all workers of a server share beside the local store. Layer: session.
// It is LocalStore::Extra(): made once with the segment, before the workers are forked.
#ifndef CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
#define CLUSTERED_SESSION_SESSION_SHARED_STATE_H_

#include <semaphore.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/cluster/health_table.h"
#include "src/local/shared_mutex.h"
#include "src/session/pool_table.h"

namespace clustered_session {

// Where those who leave unreplicated entries behind meet the one who writes them.
struct FlushSeat {
  // Of `pending`. Not 0 while they are being written: if the writer dies over it, the next request sees that some are left.
  enum : uint32_t { kNothing = 0, kPending = 1, kUnderWay = 2 };

  SharedMutex taken;                     // held by the one thread of the server that writes them
  sem_t wake;                            // posted for that thread
  std::atomic<uint32_t> pending;         // whether there may be unreplicated entries that nobody has tried since
  std::atomic<int64_t> longest_lag_ns;   // between an entry's last use and its write by that thread
};

struct SharedState {
  HealthTable nodes;
  SharedPoolTable pools;
  alignas(64) FlushSeat flush;

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  // Says that there are unreplicated entries, and wakes the thread that writes them, if there is one.
  void NotePending();
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
