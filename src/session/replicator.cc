#include "src/session/replicator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/conflict.h"

namespace clustered_session {
namespace {

// Each attempt after the first means that somebody else wrote in between; two servers that fight settle in two.
constexpr int kAttemptsMax = 6;

}  // namespace

WriteOutcome Replicator::Write(const Record& record, const WriteBase& base, uint32_t copies, std::chrono::seconds ttl,
                               TimePoint deadline) {
  record_ = record;
  base_ = base;
  own_payload_ = record.payload;
  record_.vector = base.vector;
  if (base.actor != 0) record_.vector.Advance(base.actor, record.version);
  outcome_ = {};
  states_.assign(context_.nodes->size(), NodeState::kOpen);

  bool extended = false;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    std::vector<NodeSet::WriteTarget> targets = ChooseTargets(copies);
    if (targets.empty() && AskFailingNodes(deadline)) targets = ChooseTargets(copies);
    if (targets.empty()) break;
    const std::string bytes = EncodeRecord(&record_, items_->key);
    contests_.clear();
    std::vector<NodeReply> replies = context_.nodes->WriteAll(targets, items_->key, bytes, ttl, deadline);
    for (size_t i = 0; i < targets.size(); ++i) HandleReply(targets[i].node, std::move(replies[i]));
    if (!contests_.empty() && record_.tombstone()) {  // what it destroys is destroyed, and this was started since
      outcome_.superseded = true;
      break;
    }
    if (!contests_.empty() && !ResolveContests()) {
      Retract(ttl, deadline);
      break;
    }
    if (!TimeToAsk(context_, deadline)) {
      // A node that hung has used up the time of those that answered at once.
      if (extended || !WorthMoreTime(targets)) break;
      extended = true;
      deadline = context_.clock->Now() + context_.settings.operation_timeout;
    }
  }
  outcome_.acks = static_cast<uint32_t>(std::count(states_.begin(), states_.end(), NodeState::kHolds));
  outcome_.version = record_.version;
  outcome_.epoch = record_.epoch;
  outcome_.vector = record_.vector;
  outcome_.life = record_.life;
  outcome_.fingerprint = contests_.empty() ? record_.fingerprint : 0;
  return std::move(outcome_);
}

// The nodes among the first `copies` that work which do not hold the bytes yet.
std::vector<NodeSet::WriteTarget> Replicator::ChooseTargets(uint32_t copies) const {
  std::vector<NodeSet::WriteTarget> targets;
  uint32_t chosen = 0;
  for (const uint32_t node : items_->placement) {
    if (chosen == copies) break;
    if (states_[node] == NodeState::kFailed || !context_.nodes->WorthAsking(node)) continue;
    ++chosen;
    if (states_[node] == NodeState::kOpen) targets.push_back({node, items_->tokens[node]});
  }
  return targets;
}

// Before the write stays on this server alone: whether a node that is known to fail may be asked once more.
bool Replicator::AskFailingNodes(TimePoint deadline) const {
  if (std::count(states_.begin(), states_.end(), NodeState::kHolds) != 0 || !TimeToAsk(context_, deadline))
    return false;
  std::vector<uint32_t> nodes;
  for (const uint32_t node : items_->placement) {
    if (states_[node] == NodeState::kOpen) nodes.push_back(node);
  }
  return context_.nodes->GrantLastTries(nodes);
}

// Whether this write is on no node yet, and some node answered. Left to this server alone, it would become a branch of
// what others write meanwhile, with no base that is known: a merge could not tell then who changed what.
bool Replicator::WorthMoreTime(const std::vector<NodeSet::WriteTarget>& targets) const {
  if (std::count(states_.begin(), states_.end(), NodeState::kHolds) != 0) return false;
  return std::any_of(targets.begin(), targets.end(),
                     [this](const auto& target) { return states_[target.node] == NodeState::kOpen; });
}

void Replicator::HandleReply(uint32_t node, NodeReply reply) {
  items_->tokens[node] = reply.token;
  switch (reply.status) {
    case NodeStatus::kStored:
      states_[node] = NodeState::kHolds;
      return;
    case NodeStatus::kConflict:
      HandleConflict(node, std::move(reply));
      return;
    case NodeStatus::kTooLarge:
      outcome_.too_large = true;
      outcome_.size_max = reply.size_max;
      outcome_.size_max_node = context_.nodes->member(node).node->name();
      states_[node] = NodeState::kFailed;
      return;
    case NodeStatus::kRefused:
      notices_->push_back({false, context_.nodes->Label(node) + ": refused to store a session of " +
                                      std::to_string(record_.payload.size()) +
                                      " bytes (out of memory?); it goes to other nodes"});
      states_[node] = NodeState::kFailed;
      return;
    case NodeStatus::kContested:  // there was no time left to see what it holds
      return;
    case NodeStatus::kHit:
    case NodeStatus::kMiss:
    case NodeStatus::kError:
    case NodeStatus::kSkipped:
      states_[node] = HasFault(ProtocolFault::kUnansweredCounts) ? NodeState::kHolds : NodeState::kFailed;
      return;
  }
}

// The node holds something else. Its token is known now, so the next attempt can replace it; the question is what it
// is.
void Replicator::HandleConflict(uint32_t node, NodeReply reply) {
  if (!reply.token.known()) return;  // the item is gone: the next attempt adds it
  Result<Record> theirs = DecodeRecord(reply.value, items_->key);
  if (!theirs.ok()) {  // somebody else's bytes under our key: worth nothing, replaced
    context_.store->counters().corrupt_records.Add();
    notices_->push_back({false, context_.nodes->Label(node) + ": an item under our key is unreadable (" +
                                    theirs.error().message() +
                                    ") and was replaced; check that no other program uses this prefix"});
    return;
  }
  // What this write was made from is a laggard. Anything else was written by somebody who had not seen this write.
  const Lineage lineage = LineageOf(*theirs, AncestryOf(record_));
  const bool overwrite = HasFault(ProtocolFault::kSilentOverwrite) && lineage == Lineage::kBranch;
  if (lineage == Lineage::kSame || lineage == Lineage::kAncestor || overwrite) {
    context_.store->counters().repairs.Add();
    return;
  }
  const bool met = std::any_of(contests_.begin(), contests_.end(), [&](const Contest& contest) {
    return contest.record.fingerprint == theirs->fingerprint;
  });
  if (met) return;  // on another node as well
  contests_.push_back({*theirs, std::move(reply.value)});
  contests_.back().record.payload = std::string_view(contests_.back().bytes).substr(kRecordHeaderSize);
}

// Makes record_ the successor of all that were met. False: the session was destroyed, nothing may be written.
bool Replicator::ResolveContests() {
  // In the order of their epochs and versions, so that a branch never counts as newer than what came after it.
  std::sort(contests_.begin(), contests_.end(),
            [](const Contest& a, const Contest& b) { return a.record.order() < b.record.order(); });
  for (Contest& contest : contests_) {
    Record& theirs = contest.record;
    theirs.payload = std::string_view(contest.bytes).substr(kRecordHeaderSize);
    context_.store->counters().conflicts.Add();
    if (theirs.life < record_.life) {
      // Met together with the end of its life.
    } else if (base_.started_anew && (theirs.tombstone() || theirs.life > record_.life)) {
      // Others have started it anew as well, and perhaps destroyed that: this one joins the latest life.
      record_.life = theirs.life + (theirs.tombstone() ? 1 : 0);
      record_.vector = VersionVector();
      record_.payload = own_payload_;  // nothing of a life that is over
      outcome_.payload_changed = false;
      if (!theirs.tombstone()) MergeWith(theirs);
    } else if (theirs.tombstone() || theirs.life > record_.life) {
      outcome_.destroyed = true;
      const Contest last = std::move(contest);
      contests_ = {last};
      return false;
    } else {
      MergeWith(theirs);
    }
    record_.vector.Absorb(theirs.vector);
    record_.version = std::max(record_.version, theirs.version);
    if (theirs.epoch > record_.epoch) {  // taken over since: the session is the other server's now
      record_.epoch = theirs.epoch;
      record_.instance = theirs.instance;
      outcome_.ownership_lost = true;
    }
  }
  ++record_.version;
  record_.vector.Advance(base_.actor, record_.version);
  for (NodeState& state : states_) {
    if (state == NodeState::kHolds) state = NodeState::kOpen;
  }
  return true;
}

// Three-way where theirs was made from what this request had read; else both are branches with no base that is known,
// and every key of either stays.
void Replicator::MergeWith(const Record& theirs) {
  const bool from_base = theirs.vector.Covers(base_.vector, base_.only_here);
  std::optional<std::string> resolved =
      ResolveConflict(context_, from_base ? base_.payload : std::string_view(), record_.payload, theirs.payload);
  if (resolved) {
    outcome_.payload = std::move(*resolved);
    outcome_.payload_changed = true;
    record_.payload = outcome_.payload;
  }
  if (from_base) {  // the next to be met has either seen theirs, or is a branch
    base_payload_.assign(theirs.payload);
    base_.only_here = false;
    base_.payload = base_payload_;
    base_.vector = theirs.vector;
  }
}

// A node took this write before another showed that the session is destroyed: the tombstone belongs there as well.
void Replicator::Retract(std::chrono::seconds ttl, TimePoint deadline) {
  std::vector<NodeSet::WriteTarget> targets;
  for (uint32_t node = 0; node < states_.size(); ++node) {
    if (states_[node] == NodeState::kHolds) targets.push_back({node, items_->tokens[node]});
    states_[node] = NodeState::kFailed;
  }
  if (targets.empty() || !contests_.front().record.tombstone()) return;
  const std::string& bytes = contests_.front().bytes;
  std::vector<NodeReply> replies = context_.nodes->WriteAll(targets, items_->key, bytes, ttl, deadline);
  for (size_t i = 0; i < targets.size(); ++i) items_->tokens[targets[i].node] = replies[i].token;
}

}  // namespace clustered_session
