// Node health, shared by all workers of a server: pure logic that is handed `now`. Layer: cluster.
// closed (asked normally) -> open after a failure: skipped by all workers -> after the retry interval exactly one
// worker probes -> closed on success, open again on failure. Lock-free; a prober that dies only delays the next probe
// by one interval.
#ifndef CLUSTERED_SESSION_CLUSTER_HEALTH_H_
#define CLUSTERED_SESSION_CLUSTER_HEALTH_H_

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

// Lives in shared memory, zeroed = healthy and never asked. One per node, found by node hash.
struct alignas(64) NodeHealth {
  std::atomic<uint32_t> node_hash;     // 0 = free slot
  std::atomic<uint32_t> open;          // 1 = failing
  std::atomic<int64_t> retry_at_ns;    // while open: when the next probe is due
  std::atomic<int64_t> changed_at_ns;  // of the last state change
  std::atomic<uint64_t> failures;      // operations that failed
  std::atomic<uint64_t> operations;    // operations asked; counted by who asks (NodeSet)
  std::atomic<uint32_t> incarnation;   // the node process seen last
  std::atomic<uint32_t> classic;       // the incarnation that was found to know no meta commands; 0 = none
  std::atomic<uint64_t> item_size_max; // bytes, of `incarnation`; 0 = not asked yet
  std::atomic<uint64_t> address[2];    // of its host name, see resolver.h
  std::atomic<uint64_t> address_sum;
  std::atomic<int64_t> forgotten_at_ns;  // when a connection was found that something on the way had forgotten; 0 = never
};
static_assert(sizeof(NodeHealth) == 128);

enum class HealthDecision : uint8_t {
  kAsk,   // healthy
  kProbe, // failing, and this worker is the one to try it now
  kSkip,  // failing
};

// Whether the caller should ask the node now. kProbe is given to one caller per retry interval.
HealthDecision DecideHealth(NodeHealth* health, TimePoint now, Duration retry_interval);

// Report the outcome. True if this changed the state, for one caller only: log it then.
bool ReportSuccess(NodeHealth* health, TimePoint now);
bool ReportFailure(NodeHealth* health, TimePoint now, Duration retry_interval);

// The slot of `node_hash` in `slots`, claiming a free one the first time; null if all are taken by others.
NodeHealth* FindHealthSlot(NodeHealth* slots, uint32_t slot_count, uint32_t node_hash);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_HEALTH_H_
