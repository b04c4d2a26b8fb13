#include "src/session/replicator.h"

#include <algorithm>
#include <utility>

namespace clustered_session {
namespace {

// Each attempt after the first means that somebody else wrote in between; two servers that fight settle in two.
constexpr int kAttemptsMax = 6;

}  // namespace

Replicator::Replicator(const SessionContext& context, std::string_view storage_key,
                       const std::vector<uint32_t>& placement, std::vector<NodeToken>* tokens,
                       std::vector<Notice>* notices)
    : context_(context), storage_key_(storage_key), placement_(placement), tokens_(tokens), notices_(notices) {}

WriteOutcome Replicator::Write(const Record& record, const WriteBase& base, uint32_t copies, std::chrono::seconds ttl,
                               TimePoint deadline) {
  record_ = record;
  base_ = base;
  outcome_ = {};
  states_.assign(context_.nodes->size(), NodeState::kOpen);

  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::vector<NodeSet::WriteTarget> targets = ChooseTargets(copies);
    if (targets.empty()) break;
    const std::string bytes = EncodeRecord(record_, storage_key_);
    contested_ = false;
    std::vector<NodeReply> replies = context_.nodes->WriteAll(targets, storage_key_, bytes, ttl, deadline);
    for (size_t i = 0; i < targets.size(); ++i) HandleReply(targets[i].node, std::move(replies[i]));
    if (contested_ && !ResolveContest()) {
      Retract(ttl, deadline);
      break;
    }
    if (context_.clock->Now() >= deadline) break;
  }
  outcome_.acks = static_cast<uint32_t>(std::count(states_.begin(), states_.end(), NodeState::kHolds));
  outcome_.version = record_.version;
  outcome_.epoch = record_.epoch;
  return std::move(outcome_);
}

// The nodes among the first `copies` that work which do not hold the bytes yet.
std::vector<NodeSet::WriteTarget> Replicator::ChooseTargets(uint32_t copies) const {
  std::vector<NodeSet::WriteTarget> targets;
  uint32_t chosen = 0;
  for (const uint32_t node : placement_) {
    if (chosen == copies) break;
    if (states_[node] == NodeState::kFailed || !context_.nodes->WorthAsking(node)) continue;
    ++chosen;
    if (states_[node] == NodeState::kOpen) targets.push_back({node, (*tokens_)[node]});
  }
  return targets;
}

void Replicator::HandleReply(uint32_t node, NodeReply reply) {
  (*tokens_)[node] = reply.token;
  switch (reply.status) {
    case NodeStatus::kStored:
      states_[node] = NodeState::kHolds;
      return;
    case NodeStatus::kConflict:
      HandleConflict(node, reply);
      return;
    case NodeStatus::kTooLarge:
      outcome_.too_large = true;
      outcome_.size_max = reply.size_max;
      outcome_.size_max_node = context_.nodes->member(node).node->name();
      states_[node] = NodeState::kFailed;
      return;
    case NodeStatus::kRefused:
      notices_->push_back({false, "node " + context_.nodes->member(node).node->name() + " (" +
                                      context_.nodes->member(node).node->address() + "): refused to store a session of " +
                                      std::to_string(record_.payload.size()) + " bytes (out of memory?); it goes to other nodes"});
      states_[node] = NodeState::kFailed;
      return;
    case NodeStatus::kHit:
    case NodeStatus::kMiss:
    case NodeStatus::kError:
    case NodeStatus::kSkipped:
      states_[node] = NodeState::kFailed;
      return;
  }
}

// The node holds something else. Its token is known now, so the next attempt can replace it; the question is what it is.
void Replicator::HandleConflict(uint32_t node, const NodeReply& reply) {
  Result<Record> theirs = DecodeRecord(reply.value, storage_key_);
  if (!theirs.ok()) {  // somebody else's bytes under our key: worth nothing, replaced
    context_.store->counters().corrupt_records.Add();
    notices_->push_back({false, "node " + context_.nodes->member(node).node->name() + " (" +
                                    context_.nodes->member(node).node->address() +
                                    "): an item under our key is unreadable (" + theirs.error().message() +
                                    ") and was replaced; check that no other program uses this prefix"});
    return;
  }
  // A predecessor of what was read is a laggard. Anything later was written since by somebody who had not seen this write.
  if (theirs->version <= base_.version && theirs->epoch <= record_.epoch) {
    context_.store->counters().repairs.Add();
    return;
  }
  if (contested_ && theirs->order() <= contest_.order()) return;
  contested_ = true;
  contest_bytes_ = reply.value;
  contest_ = *theirs;
  contest_.payload = std::string_view(contest_bytes_).substr(kRecordHeaderSize);
}

// Makes record_ the successor of both. False: the session was destroyed, nothing may be written.
bool Replicator::ResolveContest() {
  Counters& counters = context_.store->counters();
  if (record_.tombstone()) {  // destroy wins over whatever was written meanwhile
    record_.version = std::max(record_.version, contest_.version) + 1;
    record_.epoch = std::max(record_.epoch, contest_.epoch);
  } else {
    counters.conflicts.Add();
    if (contest_.tombstone()) {
      outcome_.destroyed = true;
      return false;
    }
    std::string merged(record_.payload);
    if (context_.settings.on_conflict == ConflictRule::kTheirs) {
      merged.assign(contest_.payload);
    } else if (context_.settings.on_conflict == ConflictRule::kMerge) {
      Result<MergeOutcome> merge =
          MergePayloads(context_.settings.format, base_.payload, record_.payload, contest_.payload);
      if (merge.ok()) {
        counters.merges.Add();
        counters.merge_collisions.Add(merge->collisions);
        merged = std::move(merge->payload);
      } else {
        counters.merge_collisions.Add();  // cannot be split: mine stands as a whole
      }
    }
    outcome_.payload = std::move(merged);
    outcome_.payload_changed = true;
    record_.payload = outcome_.payload;
    record_.version = std::max(record_.version, contest_.version) + 1;
    if (contest_.epoch > record_.epoch) {  // taken over since: the session is the other server's now
      record_.epoch = contest_.epoch;
      record_.instance = contest_.instance;
      outcome_.ownership_lost = true;
    }
  }
  base_bytes_ = std::move(contest_bytes_);
  base_.version = contest_.version;
  base_.payload = std::string_view(base_bytes_).substr(kRecordHeaderSize);
  for (NodeState& state : states_) {
    if (state == NodeState::kHolds) state = NodeState::kOpen;
  }
  return true;
}

// A node took this write before another showed that the session is destroyed: put the tombstone there as well.
void Replicator::Retract(std::chrono::seconds ttl, TimePoint deadline) {
  std::vector<NodeSet::WriteTarget> targets;
  for (uint32_t node = 0; node < states_.size(); ++node) {
    if (states_[node] == NodeState::kHolds) targets.push_back({node, (*tokens_)[node]});
    states_[node] = NodeState::kFailed;
  }
  if (targets.empty()) return;
  Record tombstone = contest_;
  tombstone.version = std::max(contest_.version, record_.version) + 1;
  const std::string bytes = EncodeRecord(tombstone, storage_key_);
  std::vector<NodeReply> replies = context_.nodes->WriteAll(targets, storage_key_, bytes, ttl, deadline);
  for (size_t i = 0; i < targets.size(); ++i) (*tokens_)[targets[i].node] = replies[i].token;
}

}  // namespace clustered_session
