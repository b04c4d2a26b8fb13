// What the log hears of nodes, see node_watch.h. Layer: cluster.
#include "src/cluster/node_watch.h"

#include <algorithm>
#include <string_view>

namespace clustered_session {
namespace {

constexpr std::string_view kAlone =
    "no node of session.save_path can be asked: changes exist only on this server until a node answers again, and "
    "sessions without a local copy do not start [CS-ALONE]";
constexpr std::string_view kNotAlone =
    "a node of session.save_path answers again: changes that exist only on this server are written to the nodes now "
    "[CS-NOT-ALONE]";

}  // namespace

NodeWatch::NodeWatch(Duration retry_interval, const Clock* clock, HealthHandle all)
    : retry_interval_(retry_interval), clock_(clock), all_(std::move(all)) {}

void NodeWatch::Add(const Node* node, HealthHandle* health) {
  nodes_.push_back({node, NodeGate(health, retry_interval_)});
}

bool NodeWatch::WorthAsking(uint32_t index) const {
  const Watched& watched = nodes_[index];
  return watched.gate.WorthAsking(clock_->Now(), watched.node->Connected());
}

bool NodeWatch::Enter(uint32_t index) {
  Watched& watched = nodes_[index];
  return watched.gate.Enter(clock_->Now(), watched.node->Connected());
}

void NodeWatch::Leave(uint32_t index, const NodeReply& reply) {
  const GateEvent event = nodes_[index].gate.Leave(clock_->Now(), reply);
  answered_ |= reply.status != NodeStatus::kSkipped && reply.status != NodeStatus::kError;
  if (event == GateEvent::kNone) return;
  const bool unresolved = reply.failure == NodeFailure::kResolve;
  changes_.push_back({index, event, unresolved ? reply.error + resolve_hint_ : reply.error});
}

bool NodeWatch::AllGivenUp() const {
  return !nodes_.empty() && std::all_of(nodes_.begin(), nodes_.end(), [](const Watched& watched) {
    return watched.gate.GivenUp(watched.node->Connected());
  });
}

// Only now, as the nodes of a flight may all have failed.
void NodeWatch::EndFlight() {
  const TimePoint now = clock_->Now();
  const bool answered = std::exchange(answered_, false);
  const bool all_given_up = !answered && AllGivenUp();
  NodeHealth* all = all_.Use(now);
  for (const Change& change : std::exchange(changes_, {})) Tell(Line(change, all_given_up), now);
  if (all_given_up && ReportFailure(all, NodeSign::kGone, now)) {
    Tell(std::string(kAlone), now);
  } else if (answered && Fails(all->answers) && ReportAnswer(all, /*connected=*/true, now)) {
    Tell(std::string(kNotAlone), now);
  }
}

void NodeWatch::Tell(std::string text, TimePoint at) const {
  if (sink_) sink_({std::move(text), at});
}

std::string NodeWatch::Line(const Change& change, bool alone) const {
  const Node& node = *nodes_[change.node].node;
  switch (change.event) {
    case GateEvent::kNone:
      break;
    case GateEvent::kAnswersAgain:
      return "node " + node.name() + " (" + node.address() + "): answers again [CS-NODE-UP]";
    case GateEvent::kFails:
      return change.error + (alone ? "" : "; other nodes stand in until it answers again") + " [CS-NODE-DOWN]";
    case GateEvent::kNoConnection:
      return change.error +
             (alone ? "" : "; other nodes stand in for workers without a connection until it takes new ones") +
             " [CS-NODE-CONNECT]";
    case GateEvent::kNotForUs:
      return change.error + (alone ? "" : "; other nodes stand in for this worker until the node lets it in") +
             " [CS-NODE-REFUSES]";
  }
  return {};
}

bool NodeWatch::GrantLastTry(uint32_t index) {
  Watched& watched = nodes_[index];
  return watched.gate.GrantLastTry(clock_->Now(), watched.node->Connected());
}

bool NodeWatch::Alone(TimePoint* since) const {
  if (!Fails(all_->answers)) return false;
  *since = FromNanos(all_->changed_at_ns.load(std::memory_order_relaxed));
  return true;
}

}  // namespace clustered_session
