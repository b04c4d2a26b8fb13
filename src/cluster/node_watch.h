// NodeWatch: the gates of a NodeSet's nodes, whether any node is left, and what the log is to hear of it. Layer:
// cluster; for node_set.cc. Belongs to one thread.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_WATCH_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_WATCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/health_table.h"
#include "src/cluster/node.h"
#include "src/cluster/node_gate.h"

namespace clustered_session {

// One line for the log, and when it happened.
struct NodeEvent {
  std::string text;
  TimePoint at;
};
// Told at once, by the thread that has noticed it.
using NodeEventSink = std::function<void(const NodeEvent&)>;

class NodeWatch {
 public:
  // `all`: of the nodes together, for those who ask them in the same way. Its `answers` fails while no node answers.
  NodeWatch(Duration retry_interval, const Clock* clock, HealthHandle all);

  // The next node. Both outlive the watch.
  void Add(const Node* node, HealthHandle* health);

  // See node_gate.h.
  bool WorthAsking(uint32_t index) const;
  bool Enter(uint32_t index);
  void Leave(uint32_t index, const NodeReply& reply);
  bool GrantLastTry(uint32_t index);
  bool NotForUs(uint32_t index) const { return nodes_[index].gate.NotForUs(); }

  void TellTo(NodeEventSink sink) { sink_ = std::move(sink); }

  // What to say behind a node's name that does not resolve.
  void SetResolveHint(std::string hint) { resolve_hint_ = std::move(hint); }

  // After the last Leave() of a flight: tells what has changed, one line each.
  void EndFlight();

  // Whether no node answers; `since` receives when that began.
  bool Alone(TimePoint* since) const;

 private:
  struct Watched {
    const Node* node;
    NodeGate gate;
  };
  struct Change {
    uint32_t node;
    GateEvent event;
    std::string error;
  };

  bool AllGivenUp() const;
  std::string Line(const Change& change, bool alone) const;
  void Tell(std::string text, TimePoint at) const;

  const Duration retry_interval_;
  const Clock* const clock_;
  HealthHandle all_;
  std::vector<Watched> nodes_;
  bool answered_ = false;        // a node has, in this flight
  std::vector<Change> changes_;  // in this flight
  NodeEventSink sink_;
  std::string resolve_hint_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_WATCH_H_
