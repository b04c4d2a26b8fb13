// SharedState: what all workers of a server share beside the local store. Layer: session.
// It is LocalStore::Extra(): made once with the segment, before the workers are forked.
#ifndef CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
#define CLUSTERED_SESSION_SESSION_SHARED_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/cluster/health_table.h"
#include "src/session/event_log.h"
#include "src/session/pool_table.h"

namespace clustered_session {

struct SharedState {
  HealthTable nodes;
  SharedPoolTable pools;
  SharedEventLog events;
  std::atomic<int64_t> longest_lag_ns;  // between an entry's last use and its write by a flusher's thread

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  // Says that there are unreplicated entries of this pool, and wakes the thread that writes them, if there is one.
  void NotePending(uint8_t pool);

  // Whether there may be some of any pool.
  bool Pending() const;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
