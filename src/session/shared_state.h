// SharedState: what all workers of a server share beside the local store. Layer: session.
// It is LocalStore::Extra(): made once with the segment, before the workers are forked.
#ifndef CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
#define CLUSTERED_SESSION_SESSION_SHARED_STATE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/base/save_path.h"
#include "src/cluster/health_table.h"
#include "src/session/event_log.h"
#include "src/session/old_handler.h"
#include "src/session/pool_table.h"
#include "src/session/setup_watch.h"
#include "src/session/shared_news.h"
#include "src/session/shared_repair.h"

namespace clustered_session {

struct SharedState {
  HealthTable nodes;
  SharedPoolTable pools;
  SharedEventLog events;
  SharedRepair repair;
  SharedNews news;
  SharedMigration migration;
  SetupWatch watches[SharedPoolTable::kSlots];    // by the slots of pools
  std::atomic<uint32_t> told_no_lifetime;         // that session.gc_maxlifetime is 0
  std::atomic<uint32_t> told_forgery[kNodesMax];  // of these nodes that they held a forged record; 0 = free
  std::atomic<int64_t> longest_lag_ns;            // between an entry's last use and its write by a flusher's thread

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  // The watch of a pool with this number and this hash of its settings; null for number 0.
  SetupWatch* WatchOf(uint8_t pool, uint64_t pool_hash);

  // Says that there are unreplicated entries of this pool, and wakes the thread that writes them, if there is one.
  void NotePending(uint8_t pool);

  // An entry that nodes should hold was stored; `lacking`: not all of them have taken it.
  void NoteStored(uint8_t pool, uint64_t pool_hash, bool lacking);

  // Whether the log is to hear of a forged record of this node: once in a server's time.
  bool TellForgeryOf(uint32_t node_hash);

  // Whether there may be some of any pool.
  bool Pending() const;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SHARED_STATE_H_
