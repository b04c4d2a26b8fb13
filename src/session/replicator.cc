// Records are written until their nodes agree, see replicator.h. Layer: session.
#include "src/session/replicator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"
#include "src/session/conflict.h"
#include "src/session/lifetime.h"
#include "src/session/succession.h"

namespace clustered_session {
namespace {

// Each attempt after the first means that somebody else wrote in between; two servers that fight settle in two.
constexpr int kAttemptsMax = 6;

std::chrono::seconds TimeToLiveOf(const Record& record) {
  const Ancestry& ancestry = record.ancestry;
  return record.tombstone() ? TombstoneTimeToLive(ancestry.lifetime_max_s)
                            : RecordTimeToLive(record.lifetime_s, ancestry.LifetimeOfEnded());
}

}  // namespace

WriteOutcome Replicator::Write(const Record& record, const WriteBase& base, uint32_t copies, TimePoint deadline) {
  Flight flight = Begin(record, base, copies);
  return Continue(std::move(flight), {}, copies, deadline);
}

Replicator::Flight Replicator::Begin(const Record& record, const WriteBase& base, uint32_t copies) {
  record_ = record;
  base_ = base;
  outcome_ = {};
  states_.assign(context_.nodes->size(), NodeState::kOpen);
  Flight flight;
  flight.targets = ChooseTargets(copies);
  if (!flight.targets.empty()) flight.bytes = context_.codec.Encode(&record_, items_->key);
  flight.ttl = TimeToLiveOf(record_);
  flight.mark = MarkOf(record_);
  return flight;
}

WriteOutcome Replicator::Continue(Flight flight, std::vector<NodeReply> replies, uint32_t copies, TimePoint deadline) {
  bool extended = false;
  std::string& bytes = flight.bytes;
  std::vector<NodeSet::WriteTarget>& targets = flight.targets;
  const bool sent = !replies.empty();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (attempt > 0) targets = ChooseTargets(copies);
    if (targets.empty() && AskFailingNodes(deadline)) targets = ChooseTargets(copies);
    if (targets.empty()) break;
    // The same bytes for as long as it is the same record: a node that has them already has acknowledged the write.
    if (bytes.empty() || !contests_.empty()) bytes = context_.codec.Encode(&record_, items_->key);
    contests_.clear();
    const bool of_batch = sent && attempt == 0;
    if (!of_batch) {
      replies = context_.nodes->WriteAll(targets, items_->key, bytes, TimeToLiveOf(record_), deadline, MarkOf(record_));
    }
    for (size_t i = 0; i < targets.size(); ++i) {
      // A batch does not tell whether it was for its size: it is asked once more.
      if (of_batch && replies[i].status == NodeStatus::kRefused) continue;
      HandleReply(targets[i].node, std::move(replies[i]));
    }
    if (!contests_.empty() && !ResolveContests()) {
      Retract(deadline);
      break;
    }
    if (!TimeToAsk(context_, deadline)) {
      // A node that hung has used up the time of those that answered at once.
      if (extended || !WorthMoreTime(targets)) break;
      extended = true;
      deadline = context_.clock->Now() + context_.settings.operation_timeout;
    }
  }
  if (contests_.empty()) {
    RemoveLeftovers(copies, deadline);
    RemoveFromTooSmall(deadline);
  }
  for (uint32_t node = 0; node < states_.size(); ++node) {
    if (states_[node] == NodeState::kHolds) outcome_.holders.push_back(node);
  }
  outcome_.acks = static_cast<uint32_t>(outcome_.holders.size());
  outcome_.version = record_.version;
  outcome_.epoch = record_.epoch;
  outcome_.ancestry = record_.ancestry;
  if (!contests_.empty()) outcome_.ancestry.fingerprint = 0;
  return std::move(outcome_);
}

// The nodes among the first `copies` that work which do not hold the bytes yet.
std::vector<NodeSet::WriteTarget> Replicator::ChooseTargets(uint32_t copies) const {
  std::vector<NodeSet::WriteTarget> targets;
  uint32_t chosen = 0;
  for (const uint32_t node : items_->placement) {
    if (chosen == copies) break;
    const NodeState state = states_[node];
    const bool out = state == NodeState::kFailed || state == NodeState::kTooSmall;
    if (out || !context_.nodes->WorthAsking(node)) continue;
    ++chosen;
    if (state == NodeState::kOpen) targets.push_back({node, items_->tokens[node]});
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
// what others write meanwhile, with no base that is known: a merge could not tell then who changed what. Of a
// tombstone, whether any node has answered with something else: that is what has ended.
bool Replicator::WorthMoreTime(const std::vector<NodeSet::WriteTarget>& targets) const {
  const bool on_none = std::count(states_.begin(), states_.end(), NodeState::kHolds) == 0;
  if (!on_none && !record_.tombstone()) return false;
  return std::any_of(targets.begin(), targets.end(),
                     [this](const auto& target) { return states_[target.node] == NodeState::kOpen; });
}

void Replicator::HandleReply(uint32_t node, NodeReply reply) {
  const bool sent = reply.status != NodeStatus::kTooLarge;
  if (sent) items_->tokens[node] = reply.token;
  switch (reply.status) {
    case NodeStatus::kStored:
      states_[node] = NodeState::kHolds;
      items_->has_session[node] = !record_.tombstone();
      return;
    case NodeStatus::kConflict:
      HandleConflict(node, std::move(reply));
      return;
    case NodeStatus::kTooLarge:
      outcome_.too_large = true;
      outcome_.size_max = reply.size_max;
      outcome_.size_max_node = context_.nodes->member(node).node->name();
      states_[node] = NodeState::kTooSmall;
      return;
    case NodeStatus::kRefused:
      notices_->push_back({false, context_.nodes->Label(node) + ": refused to store a session of " +
                                      std::to_string(record_.payload.size()) +
                                      " bytes (out of memory?); it goes to other nodes [CS-NODE-STORE]"});
      states_[node] = NodeState::kFailed;
      return;
    case NodeStatus::kContested:  // there was no time left to see what it holds
      return;
    case NodeStatus::kHit:
    case NodeStatus::kMiss:
    case NodeStatus::kError:
    case NodeStatus::kSkipped:
      outcome_.unsure |= reply.status == NodeStatus::kError;
      states_[node] = HasFault(ProtocolFault::kUnansweredCounts) ? NodeState::kHolds : NodeState::kFailed;
      return;
  }
}

// The node holds something else. Its token is known now, so the next attempt can replace it; the question is what it
// is.
void Replicator::HandleConflict(uint32_t node, NodeReply reply) {
  if (!reply.token.known()) return;  // the item is gone: the next attempt adds it
  Result<Record> theirs = context_.codec.Decode(&reply.value, items_->key);
  if (!theirs.ok() && ReadableElsewhere(theirs.error())) {
    outcome_.unreadable = theirs.error().code();
    items_->Forget(node);
    states_[node] = NodeState::kFailed;
    return;
  }
  if (!theirs.ok()) {  // somebody else's bytes under our key: worth nothing, replaced
    NoteBadRecord(context_, node, theirs.error(), "was replaced", notices_);
    return;
  }
  const Lineage lineage = LineageOf(theirs->ancestry, record_.ancestry);
  if (record_.tombstone() && lineage == Lineage::kSame) {  // another server has told the same end
    states_[node] = NodeState::kHolds;
    return;
  }
  // What this write was made from is a laggard. Anything else was written by somebody who had not seen this write.
  const bool overwrite = HasFault(ProtocolFault::kSilentOverwrite) && lineage == Lineage::kBranch;
  const bool outlives = record_.tombstone() && theirs->ancestry.lifetime_max_s > record_.ancestry.lifetime_max_s;
  const bool tells_more = !record_.ancestry.EndedBeside(theirs->ancestry).empty();
  if ((lineage == Lineage::kSame || lineage == Lineage::kAncestor || overwrite) && !outlives && !tells_more) {
    context_.store->counters().repairs.Add();
    return;
  }
  const auto met = std::find_if(contests_.begin(), contests_.end(), [&](const Contest& contest) {
    return contest.record.ancestry.fingerprint == theirs->ancestry.fingerprint;
  });
  if (met != contests_.end()) return met->nodes.push_back(node);
  contests_.push_back({*theirs, std::move(reply.value), {node}});
  contests_.back().record.ViewInto(contests_.back().bytes);
}

// Makes record_ the successor of all that were met. False: it is over, and nothing more may be written. Then the one
// contest that is left says why.
bool Replicator::ResolveContests() {
  // In the order of their epochs and versions, so that a branch never counts as newer than what came after it. Ends
  // come first: they tell which of the others are past.
  std::sort(contests_.begin(), contests_.end(), [](const Contest& a, const Contest& b) {
    if (a.record.tombstone() != b.record.tombstone()) return a.record.tombstone();
    return a.record.order() < b.record.order();
  });
  for (Contest& contest : contests_) contest.record.ViewInto(contest.bytes);
  if (!(record_.tombstone() ? AbsorbMet() : TakeInMet())) return false;
  for (NodeState& state : states_) {
    if (state == NodeState::kHolds) state = NodeState::kOpen;
  }
  if (record_.tombstone()) return true;
  ++record_.version;
  record_.ancestry.dot = NextDot(context_);
  const uint64_t since = std::min(base_.since, record_.ancestry.dot.number);
  CountOverflow(context_, record_.ancestry.context.Add(record_.ancestry.dot, since));
  return true;
}

bool Replicator::TakeInMet() {
  for (Contest& contest : contests_) {
    const Ancestry& theirs = contest.record.ancestry;
    if (LineageOf(theirs, record_.ancestry) == Lineage::kAncestor) {  // it has ended
      CountOverflow(context_, record_.ancestry.ended.AddAll(record_.ancestry.EndedBeside(theirs)));
      continue;
    }
    context_.store->counters().conflicts.Add();
    if (theirs.ended.Meets(record_.ancestry.lives) && !HasFault(ProtocolFault::kLivesIgnored)) {
      outcome_.destroyed = true;
      const Contest last = std::move(contest);
      contests_ = {last};
      return false;
    }
    TakeIn(contest.record);
  }
  return true;
}

// What a tombstone has met ends as well: sessions whose life it had not read, and what other tombstones name. It lasts
// as long as the longest of them. But a session that was started after this end stands.
bool Replicator::AbsorbMet() {
  Ancestry& mine = record_.ancestry;
  for (const Contest& contest : contests_) {
    const Ancestry& theirs = contest.record.ancestry;
    const bool alive = !theirs.tombstone && !mine.ended.Meets(theirs.lives);
    const bool started_since = base_.stands == Stands::kStartedSince && theirs.ended.Includes(mine.ended);
    if (alive && (started_since || base_.stands == Stands::kUnnamed)) {
      outcome_.superseded = true;
      return false;
    }
    CountOverflow(context_, mine.ended.Absorb(theirs.End().ended));
    mine.lifetime_max_s = std::max(mine.lifetime_max_s, theirs.lifetime_max_s);
    record_.epoch = std::max(record_.epoch, contest.record.epoch);
  }
  record_.lifetime_s = mine.lifetime_max_s;
  return true;
}

void Replicator::TakeIn(const Record& theirs) {
  if (!theirs.tombstone()) MergeWith(theirs);
  CountOverflow(context_, record_.ancestry.Absorb(theirs.ancestry));
  if (theirs.tombstone()) return;
  record_.lifetime_s = std::max(record_.lifetime_s, theirs.lifetime_s);  // nobody knows who has used it last
  record_.version = std::max(record_.version, theirs.version);
  if (theirs.epoch > record_.epoch) {  // taken over since: the session is the other server's now
    record_.epoch = theirs.epoch;
    record_.instance = theirs.instance;
    outcome_.ownership_lost = true;
  }
}

// Three-way where theirs was made from what this request had read; else both are branches with no base that is known,
// and every key of either stays.
void Replicator::MergeWith(const Record& theirs) {
  const bool from_base = theirs.ancestry.context.Contains(base_.dot);
  std::optional<std::string> resolved =
      ResolveConflict(context_, from_base ? base_.payload : std::string_view(), record_.payload, theirs.payload);
  if (resolved) {
    outcome_.payload = std::move(*resolved);
    outcome_.payload_changed = true;
    record_.payload = outcome_.payload;
  }
  if (from_base) {  // the next to be met has either seen theirs, or is a branch
    base_payload_.assign(theirs.payload);
    base_.payload = base_payload_;
    base_.dot = theirs.ancestry.dot;
  }
}

// A node took this write before another showed that the session is over: what says so belongs there as well.
void Replicator::Retract(TimePoint deadline) {
  Contest& end = contests_.front();
  const LifeSet beside = end.record.ancestry.EndedBeside(record_.ancestry);
  const bool tells_more = end.record.tombstone() && !beside.empty();
  std::vector<NodeSet::WriteTarget> targets;
  for (const uint32_t node : items_->placement) {
    const bool has_end = std::find(end.nodes.begin(), end.nodes.end(), node) != end.nodes.end();
    if (states_[node] == NodeState::kHolds || (tells_more && has_end)) targets.push_back({node, items_->tokens[node]});
    states_[node] = NodeState::kFailed;
  }
  if (targets.empty() || record_.tombstone()) return;
  if (tells_more) {
    CountOverflow(context_, end.record.ancestry.ended.AddAll(beside));
    end.bytes = EncodeRecord(&end.record, items_->key);
  }
  const std::string sealed = context_.codec.Seal(end.bytes, items_->key);
  std::vector<NodeReply> replies =
      context_.nodes->WriteAll(targets, items_->key, sealed, TimeToLiveOf(end.record), deadline, MarkOf(end.record));
  for (size_t i = 0; i < targets.size(); ++i) items_->tokens[targets[i].node] = replies[i].token;
}

// What a stand-in holds from a time when one of the proper nodes failed would be taken for the session, once these have
// lost it. It goes as soon as they hold this write, if it still is what was seen there. A tombstone stays.
void Replicator::RemoveLeftovers(uint32_t copies, TimePoint deadline) {
  const std::vector<uint32_t>& placement = items_->placement;
  const auto proper = placement.begin() + static_cast<ptrdiff_t>(std::min<size_t>(copies, placement.size()));
  const bool all_hold =
      std::all_of(placement.begin(), proper, [this](uint32_t node) { return states_[node] == NodeState::kHolds; });
  outcome_.on_first = all_hold;
  if (!all_hold || HasFault(ProtocolFault::kLeftoversStay)) return;
  for (auto node = proper; node != placement.end(); ++node) RemoveFrom(*node, deadline);
}

// What a node holds that is too small for this write is older, and would be shown by who asks that node and not those
// that have this write. The older one goes once one has; what it told of ends stays, as a tombstone.
void Replicator::RemoveFromTooSmall(TimePoint deadline) {
  if (std::count(states_.begin(), states_.end(), NodeState::kHolds) == 0) return;
  std::vector<NodeSet::WriteTarget> targets;
  for (uint32_t node = 0; node < states_.size(); ++node) {
    if (states_[node] != NodeState::kTooSmall || !items_->tokens[node].known() || !items_->has_session[node]) continue;
    targets.push_back({node, items_->tokens[node]});
  }
  if (record_.ancestry.ended.empty() || record_.tombstone()) {
    for (const NodeSet::WriteTarget& target : targets) RemoveFrom(target.node, deadline);
    return;
  }
  Record end;
  end.epoch = record_.epoch;
  end.home_node = record_.home_node;
  end.ancestry.tombstone = true;
  end.ancestry.ended = record_.ancestry.ended;
  end.ancestry.lifetime_max_s = record_.ancestry.lifetime_max_s;
  const std::string bytes = context_.codec.Encode(&end, items_->key);
  std::vector<NodeReply> replies =
      context_.nodes->WriteAll(targets, items_->key, bytes, TimeToLiveOf(end), deadline, MarkOf(end));
  for (size_t i = 0; i < targets.size(); ++i) {
    items_->tokens[targets[i].node] = replies[i].token;
    items_->has_session[targets[i].node] = false;
  }
}

// A session's record, if it still is what this server has seen there. The answer is not waited for.
void Replicator::RemoveFrom(uint32_t node, TimePoint deadline) {
  NodeToken& token = items_->tokens[node];
  if (!token.known() || !items_->has_session[node]) return;
  context_.nodes->Release(node, items_->key, token, deadline);
  token = NodeToken();
}

}  // namespace clustered_session
