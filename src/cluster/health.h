// Node health: what the workers of a server know together of a node. Layer: cluster. Pure logic that is handed `now`;
// lock-free in shared memory; any thread of any worker. See health_table.h for where it is kept, node_gate.h for who
// reports what.
//
// Two things are told apart: whether the node answers on connections that are open, and whether it takes new ones. A
// node at its limit of connections (memcached -c) refuses new ones and serves the open ones well.
//
// One failure is no failed node. Each of the two fails with the second failure in a row, or with the first one that
// leaves no doubt. Then it is skipped; after a retry interval exactly one worker probes it; a success ends it. Only the
// time of the last try is kept: each caller applies its own interval. A prober that dies delays the next one by one
// interval.
#ifndef CLUSTERED_SESSION_CLUSTER_HEALTH_H_
#define CLUSTERED_SESSION_CLUSTER_HEALTH_H_

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"
#include "src/base/histogram.h"
#include "src/cluster/node.h"

namespace clustered_session {

inline constexpr uint32_t kEvidenceMax = 2;  // failures in a row, from which on a node is skipped by all
// A failure so long after the one before is the first in a row again.
inline constexpr Duration kEvidenceAge = std::chrono::minutes(1);

// A node that fails for so long is not expected back by a request that needs it.
inline constexpr Duration kExpectedBackFor = std::chrono::minutes(1);

// Zeroed = nothing is suspected.
struct Suspicion {
  std::atomic<int64_t> tried_at_ns;  // of the last failure or probe
  std::atomic<uint32_t> evidence;    // failures in a row; kEvidenceMax = it fails
  std::atomic<uint32_t> refused;     // 1: the last failure was a refusal, which a process that still runs rarely gives
};

// Lives in shared memory, zeroed = healthy and never asked.
struct alignas(64) NodeHealth {
  std::atomic<uint64_t> key;            // whose it is, see health_table.h
  std::atomic<int64_t> used_at_ns;      // about when somebody asked the node last
  Suspicion answers;                    // on connections that are open
  Suspicion connects;                   // to new connections
  std::atomic<int64_t> changed_at_ns;   // when one of these began or ceased to fail
  std::atomic<int64_t> answered_at_ns;  // to within a second; by then it worked for somebody
  std::atomic<uint64_t> failures;       // operations that failed
  std::atomic<uint64_t> operations;     // operations asked
  std::atomic<uint64_t> item_size_max;  // bytes, of `incarnation`; 0 = not asked yet
  std::atomic<uint64_t> address[2];     // of its host name, see resolver.h
  std::atomic<uint64_t> address_sum;
  std::atomic<uint32_t> incarnation;     // the node process seen last
  std::atomic<uint32_t> classic;         // the one that was found to know no meta commands; 0 = none
  std::atomic<int64_t> forgotten_at_ns;  // when a connection was found to be forgotten on the way, see meta_node.h
  NodeTimeHistogram time;                // of operations that requests wait for, with an answer or without
  std::atomic<uint32_t> failed_by[kNodeFailures];  // operations without an answer, by NodeFailure
};
static_assert(sizeof(NodeHealth) == 320);

inline bool Fails(const Suspicion& suspicion) {
  return suspicion.evidence.load(std::memory_order_acquire) >= kEvidenceMax;
}

// Whether a caller with an open connection, or without one, has to leave the node alone.
inline bool Fails(const NodeHealth& health, bool connected) {
  return Fails(health.answers) || (!connected && Fails(health.connects));
}

// Whether a request that needs what the node holds should wait for its return. Not if its process is gone, and its
// memory with it, or if it has failed for long.
inline bool ExpectedBack(const NodeHealth& health, TimePoint now) {
  if (!Fails(health, /*connected=*/false)) return true;
  if (health.connects.refused.load(std::memory_order_relaxed) != 0 && Fails(health.connects)) return false;
  return now - FromNanos(health.changed_at_ns.load(std::memory_order_relaxed)) < kExpectedBackFor;
}

// Whether it takes no new connections, and has answered on an open one since.
inline bool IsFull(const NodeHealth& health) {
  return !Fails(health.answers) && Fails(health.connects) &&
         health.answered_at_ns.load(std::memory_order_relaxed) > health.changed_at_ns.load(std::memory_order_relaxed);
}

enum class HealthDecision : uint8_t {
  kAsk,    // healthy
  kProbe,  // failing, and this worker is the one to try it now
  kSkip,   // failing
};

// What a prober has taken from the others, so that it can be given back.
inline constexpr int64_t kNotTaken = -1;
struct Probe {
  int64_t at_ns = kNotTaken;
  int64_t answers_before_ns = kNotTaken;
  int64_t connects_before_ns = kNotTaken;
};

// Whether the caller should ask the node now; `connected`: on a connection that is open. kProbe is given to one caller
// per `interval`, and written to *probe.
HealthDecision DecideHealth(NodeHealth* health, bool connected, TimePoint now, Duration interval, Probe* probe);

// Whether DecideHealth() would say kAsk or kProbe. Changes nothing.
bool MayBeAsked(const NodeHealth& health, bool connected, TimePoint now, Duration interval);

// The prober has learnt nothing of the node: the next worker may try at once.
void GiveBack(NodeHealth* health, const Probe& probe);

// What an operation has shown.
enum class NodeSign : uint8_t {
  kNoAnswer,      // on an open connection: late, closed, or not the protocol
  kNoConnection,  // a new connection did not come about in time, or brought no answer in time
  kRefused,       // a new connection was refused or closed, or brought no memcached: leaves no doubt
  kGone,          // as kNoAnswer, and leaves no doubt
};

// Each returns true if this changed the state, for one caller only: log it then.
// `connected`: the operation was begun on a connection that was open. Its success tells nothing of new connections.
bool ReportAnswer(NodeHealth* health, bool connected, TimePoint now);
bool ReportFailure(NodeHealth* health, NodeSign sign, TimePoint now);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_HEALTH_H_
