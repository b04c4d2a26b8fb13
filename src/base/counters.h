// Counters: what clustered_session_status() reports, kept in shared memory for all workers of a server.
// Layer: base. Lock-free, relaxed: a worker killed in the middle loses at most its own increment.
#ifndef CLUSTERED_SESSION_BASE_COUNTERS_H_
#define CLUSTERED_SESSION_BASE_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "src/base/histogram.h"

namespace clustered_session {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};
static_assert(sizeof(Counter) == 8 && std::atomic<uint64_t>::is_always_lock_free);

// One line per counter: its name in the code and in the status, and what it counts, which is its help in the metrics.
#define CLUSTERED_SESSION_COUNTERS(X)                                                              \
  X(local_hits, "reads served from the local copy with no node asked")                             \
  X(node_reads, "reads that asked one or more nodes")                                              \
  X(validations, "of these, reads that only confirmed the local copy")                             \
  X(takeovers, "sessions taken over from another server or instance")                              \
  X(new_sessions, "session IDs created")                                                           \
  X(gone_ids, "session IDs of our own making that nothing is known of: expired, empty or evicted") \
  X(migrated, "sessions taken over from the handler of migrate_from")                              \
  X(migration_misses, "times it was asked for a session that it did not have")                     \
  X(migration_errors, "times it failed, as migrate_from or migrate_to")                            \
  X(mirrored, "writes and destructions mirrored to the handler of migrate_to")                     \
  X(lost_sessions, "local entries with no record left on any node, written again")                 \
  X(writes, "changed sessions written through")                                                    \
  X(deferred_writes, "of these, left to the background (write=behind)")                            \
  X(flushed, "unreplicated sessions written in the background")                                    \
  X(refreshes, "unchanged sessions written again before their record expires")                     \
  X(destroys, "sessions destroyed")                                                                \
  X(conflicts, "writes that met another writer's record")                                          \
  X(merges, "of these, merged key by key")                                                         \
  X(merge_collisions, "keys changed on both sides, where one side had to win")                     \
  X(history_overflows, "records that no longer name all that they were made from")                 \
  X(repairs, "records written to a node that had an older one or none")                            \
  X(news_told, "takeovers and ends of sessions told to other servers")                             \
  X(news_read, "of these, those of other servers that were read")                                  \
  X(news_missed, "times that some may have been missed: all local copies are asked for once")      \
  X(node_waits, "times a request waited for one or more nodes at once")                            \
  X(node_connects, "connections opened to nodes")                                                  \
  X(tls_handshakes, "of these, with a whole TLS handshake: the others went on with a session")     \
  X(node_errors, "node operations that failed")                                                    \
  X(last_tries, "times nodes known to fail were asked once more, for want of others")              \
  X(corrupt_records, "records on nodes that are not ours to read: misses")                         \
  X(forged_records, "records on nodes that no key of ours has written: misses")                    \
  X(forged_ids, "session IDs that no key of ours has made: refused")                               \
  X(unreplicated, "writes that no node acknowledged")                                              \
  X(under_replicated, "writes acknowledged by fewer nodes than `copies`")                          \
  X(too_large, "sessions refused for their size")                                                  \
  X(lock_waits, "session locks that had to wait")                                                  \
  X(lock_timeouts, "session locks given up after lock_wait")                                       \
  X(lock_refusals, "session locks refused at once: too many waited, or all in use")                \
  X(lock_takeovers, "session locks freed by the death of their holder")                            \
  X(lock_renewals, "leases of cluster locks renewed for requests that run long")                   \
  X(lock_lost, "cluster locks lost while their request still ran")                                 \
  X(abandoned, "sessions that PHP left open, given up at the next open or the request's end")      \
  X(evictions, "entries removed for space")                                                        \
  X(expirations, "entries removed for age")                                                        \
  X(store_full, "entries that found no room in local_memory")                                      \
  X(corrupt_entries, "local payloads whose checksum failed: misses")                               \
  X(store_repairs, "shards repaired after the death of a worker in the middle")

struct Counters {
#define X(name, help) Counter name;
  CLUSTERED_SESSION_COUNTERS(X)
#undef X
  TimeHistogram lock_wait;     // of session locks that had to wait, whether or not they came by it
  TimeHistogram merge;         // of branches, key by key
  SizeHistogram session_size;  // bytes of the payloads that were written
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_COUNTERS_H_
