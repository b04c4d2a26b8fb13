// NodeGate: whether a worker asks a node now, and who is charged with a failure. Layer: cluster; for node_set.cc. One
// for each node of a NodeSet; belongs to its thread. Pure but for the shared memory behind it: it is handed `now`.
//
// What is the node's own failure goes to the health that all workers share. What is this caller's own (a wrong
// password, a socket that this user may not open) is kept here: then this worker leaves the node alone for its retry
// interval, and nobody else does. A worker also leaves a node alone that has just failed it, until its interval is over
// or the node has answered somebody: its own next operation would be the second one in a row to wait.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_GATE_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_GATE_H_

#include <cstdint>

#include "src/cluster/health.h"
#include "src/cluster/health_table.h"
#include "src/cluster/node.h"

namespace clustered_session {

// How often a node that is given up may be asked once more by one worker of the server, where no other node is left.
inline constexpr Duration kLastTryInterval = std::chrono::milliseconds(100);

// What an operation's end has changed, for the log.
enum class GateEvent : uint8_t {
  kNone,
  kFails,         // the node does not answer: skipped by all workers
  kNoConnection,  // it takes no new connections: skipped by all workers that have none
  kNotForUs,      // it does not let this caller in: skipped by this worker only
  kAnswersAgain,  // after any of these
};

class NodeGate {
 public:
  NodeGate(HealthHandle* health, Duration retry_interval) : health_(health), retry_interval_(retry_interval) {}

  // Whether asking makes sense: the node does not fail, or is due for a probe. `connected`: a connection is open.
  bool WorthAsking(TimePoint now, bool connected) const;

  // The caller is about to ask, if this returns true. Leave() follows.
  bool Enter(TimePoint now, bool connected);

  // What the operation came to. May be called again for the next operation on the same connection.
  GateEvent Leave(TimePoint now, const NodeReply& reply);

  // No other node is left: whether this worker may ask once more, although it is not worth it. Then Enter() lets it in.
  bool GrantLastTry(TimePoint now, bool connected);

  // Whether the node did not let this caller in, the last time it was asked.
  bool NotForUs() const { return hold_ == Hold::kNotForUs; }

  // Whether the caller gets nothing from the node until a probe succeeds: it fails for all, or does not let this one
  // in.
  bool GivenUp(bool connected) const;

 private:
  enum class Hold : uint8_t { kNone, kAnswers, kConnects, kNotForUs };

  bool Held(TimePoint now) const;
  bool HasLastTry(TimePoint now) const { return last_try_ && now < last_try_at_ + kLastTryInterval; }
  GateEvent NoteAnswer(TimePoint now);
  GateEvent NoteFailure(TimePoint now, NodeSign sign);
  GateEvent NoteOwnFault(TimePoint now);

  HealthHandle* const health_;  // outlives the gate
  const Duration retry_interval_;
  bool connected_ = false;  // when the operation that is under way began
  Probe probe_;             // of that operation
  bool last_try_ = false;   // granted, and not used yet
  TimePoint last_try_at_{};
  Hold hold_ = Hold::kNone;  // why this worker leaves the node alone
  TimePoint held_until_{};
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_GATE_H_
