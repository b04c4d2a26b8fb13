// Whom a failure is charged to, see node_gate.h. Layer: cluster.
#include "src/cluster/node_gate.h"

#include <algorithm>
#include <optional>

namespace clustered_session {
namespace {

// What a failure shows of the node; nothing, if it is the caller's.
std::optional<NodeSign> SignOf(NodeFailure failure, bool connected) {
  switch (failure) {
    case NodeFailure::kConnectRefused:
      return NodeSign::kRefused;
    case NodeFailure::kConnectTimeout:
    case NodeFailure::kResolve:
      return NodeSign::kNoConnection;
    case NodeFailure::kNone:  // the engine cannot tell
    case NodeFailure::kTimeout:
      // A node at its limit of connections leaves a new one in the queue: the kernel accepts, and nobody answers.
      return connected ? NodeSign::kNoAnswer : NodeSign::kNoConnection;
    case NodeFailure::kClosed:
    case NodeFailure::kErrorAnswer:  // "ERROR Too many open connections"
    case NodeFailure::kGarbage:
    case NodeFailure::kTls:
      return connected ? NodeSign::kNoAnswer : NodeSign::kRefused;
    case NodeFailure::kPermission:
    case NodeFailure::kCredentials:
    case NodeFailure::kLocal:
      break;
  }
  return std::nullopt;
}

}  // namespace

bool NodeGate::Held(TimePoint now) const {
  if (now >= held_until_) return false;
  switch (hold_) {
    case Hold::kNone:
      return false;
    case Hold::kAnswers:  // until it has answered somebody
      return (*health_)->answers.evidence.load(std::memory_order_acquire) != 0;
    case Hold::kConnects:
      return (*health_)->connects.evidence.load(std::memory_order_acquire) != 0;
    case Hold::kNotForUs:
      return true;
  }
  return false;
}

bool NodeGate::WorthAsking(TimePoint now, bool connected) const {
  const NodeHealth* health = health_->Use(now);
  if (HasLastTry(now)) return true;
  return !Held(now) && MayBeAsked(*health, connected, now, retry_interval_);
}

bool NodeGate::Enter(TimePoint now, bool connected) {
  NodeHealth* health = health_->Use(now);
  connected_ = connected;
  if (HasLastTry(now)) {
    last_try_ = false;  // probe_ is its
  } else {
    if (Held(now)) return false;
    if (DecideHealth(health, connected, now, retry_interval_, &probe_) == HealthDecision::kSkip) return false;
  }
  health->operations.fetch_add(1, std::memory_order_relaxed);
  return true;
}

GateEvent NodeGate::Leave(TimePoint now, const NodeReply& reply) {
  if (reply.status == NodeStatus::kSkipped || !health_->holds()) return GateEvent::kNone;
  if (reply.status != NodeStatus::kError) return NoteAnswer(now);
  health_->get()->failed_by[static_cast<size_t>(reply.failure)].fetch_add(1, std::memory_order_relaxed);
  if (const std::optional<NodeSign> sign = SignOf(reply.failure, connected_)) return NoteFailure(now, *sign);
  // Nothing was learnt of the node: the next worker is to probe it.
  GiveBack(health_->get(), probe_);
  return reply.failure == NodeFailure::kLocal ? GateEvent::kNone : NoteOwnFault(now);
}

GateEvent NodeGate::NoteAnswer(TimePoint now) {
  bool changed = ReportAnswer(health_->get(), connected_, now);
  changed |= hold_ == Hold::kNotForUs;
  hold_ = Hold::kNone;
  connected_ = true;
  return changed ? GateEvent::kAnswersAgain : GateEvent::kNone;
}

GateEvent NodeGate::NoteFailure(TimePoint now, NodeSign sign) {
  const bool changed = ReportFailure(health_->get(), sign, now);
  hold_ = sign == NodeSign::kNoAnswer ? Hold::kAnswers : Hold::kConnects;
  held_until_ = now + retry_interval_;
  if (!changed) return GateEvent::kNone;
  return sign == NodeSign::kNoAnswer ? GateEvent::kFails : GateEvent::kNoConnection;
}

GateEvent NodeGate::NoteOwnFault(TimePoint now) {
  const bool known = hold_ == Hold::kNotForUs;
  hold_ = Hold::kNotForUs;
  held_until_ = now + retry_interval_;
  return known ? GateEvent::kNone : GateEvent::kNotForUs;
}

// Of those that fail for all, one worker has it; a doubt of this worker's alone is its own to overcome.
bool NodeGate::GrantLastTry(TimePoint now, bool connected) {
  if (WorthAsking(now, connected)) return true;
  if (hold_ == Hold::kNotForUs || now < last_try_at_ + kLastTryInterval) return false;
  const Duration interval = std::min(kLastTryInterval, retry_interval_);
  if (DecideHealth(health_->get(), connected, now, interval, &probe_) == HealthDecision::kSkip) return false;
  last_try_ = true;
  last_try_at_ = now;
  return true;
}

bool NodeGate::GivenUp(bool connected) const { return hold_ == Hold::kNotForUs || Fails(*health_->get(), connected); }

}  // namespace clustered_session
