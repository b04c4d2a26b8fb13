#include "src/cluster/node_set.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/cluster/flight.h"
#include "src/cluster/sentinel.h"

namespace clustered_session {

NodeSet::NodeSet(std::vector<Member> members, Duration retry_interval, const Clock* clock, Counters* counters,
                 Duration connect_time_min, HealthHandle all)
    : members_(std::move(members)),
      watch_(retry_interval, clock, std::move(all)),
      connect_time_min_(connect_time_min),
      clock_(clock),
      counters_(counters) {
  addresses_.reserve(members_.size());
  for (Member& member : members_) {
    addresses_.push_back(member.address);
    watch_.Add(member.node.get(), &member.health);
  }
}

void NodeSet::SetPrevious(PreviousList previous, size_t only_before) {
  previous_ = std::move(previous);
  addresses_.resize(members_.size() - only_before);
}

std::string NodeSet::Label(uint32_t index) const {
  const Node& node = *members_[index].node;
  return "node " + node.name() + " (" + node.address() + ")";
}

bool NodeSet::ExpectedBack(uint32_t index) const {
  const HealthHandle& health = members_[index].health;
  if (watch_.NotForUs(index)) return false;
  return !health.holds() || clustered_session::ExpectedBack(*health.get(), clock_->Now());
}

bool NodeSet::AnyOlder(const std::vector<uint32_t>& nodes, std::chrono::seconds age, TimePoint deadline) {
  const std::vector<Read> reads = ReadAll(nodes, kSentinelKey, deadline);
  return std::any_of(reads.begin(), reads.end(), [&](const Read& read) {
    if (read.reply.status != NodeStatus::kHit) return false;
    const std::optional<int64_t> added = SentinelTime(read.reply.value);
    return !added || clock_->UnixSeconds() - *added > age.count();
  });
}

uint64_t NodeSet::SmallestItemMax() const {
  uint64_t smallest = UINT64_MAX;
  for (const Member& member : members_) {
    const uint64_t max = member.health.holds() ? member.health->item_size_max.load(std::memory_order_relaxed) : 0;
    if (max != 0) smallest = std::min(smallest, max);
  }
  return smallest;
}

bool NodeSet::MayAsk(uint32_t index, TimePoint deadline) {
  if (!members_[index].node->Connected() && clock_->Now() + connect_time_min_ > deadline) return false;
  return watch_.Enter(index);
}

bool NodeSet::GrantLastTries(const std::vector<uint32_t>& nodes) {
  bool any = false;
  bool granted = false;
  for (const uint32_t node : nodes) {
    if (watch_.WorthAsking(node)) {
      any = true;
    } else if (watch_.GrantLastTry(node)) {
      any = granted = true;
    }
  }
  if (granted) counters_->last_tries.Add();
  return any;
}

// Positions in `nodes`, those with an open connection first: connecting waits, and a black hole would keep the others
// from being asked.
std::vector<size_t> NodeSet::StartOrder(const std::vector<uint32_t>& nodes) const {
  std::vector<size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_partition(order.begin(), order.end(),
                        [&](size_t position) { return members_[nodes[position]].node->Connected(); });
  return order;
}

// Waits for the operations under way, all at once. Those of an engine that waits by itself are left to Finish.
void NodeSet::Await(const std::vector<bool>& asked) {
  std::vector<Pollable*> pollables;
  std::vector<size_t> whose;
  done_at_.assign(members_.size(), TimePoint{});
  for (size_t i = 0; i < asked.size(); ++i) {
    Pollable* const pollable = asked[i] ? members_[i].node->pollable() : nullptr;
    if (pollable == nullptr) continue;
    pollables.push_back(pollable);
    whose.push_back(i);
  }
  std::vector<TimePoint> done_at(pollables.size());
  DriveFlight(pollables, done_at);
  for (size_t i = 0; i < whose.size(); ++i) done_at_[whose[i]] = done_at[i];
}

// The reply of an operation that a request has waited for since `began`.
void NodeSet::Leave(uint32_t index, const NodeReply& reply, TimePoint began) {
  const TimePoint done_at = done_at_[index] == TimePoint{} ? std::chrono::steady_clock::now() : done_at_[index];
  if (members_[index].health.holds()) AddTime(&members_[index].health->time, done_at - began);
  watch_.Leave(index, reply);
}

std::vector<NodeSet::Read> NodeSet::ReadAll(const std::vector<uint32_t>& nodes, std::string_view key,
                                            TimePoint deadline, const Claim* claim, Values values) {
  std::vector<Read> reads(nodes.size());
  std::vector<bool> asked(members_.size(), false);
  const TimePoint began = std::chrono::steady_clock::now();
  for (const size_t position : StartOrder(nodes)) {
    const uint32_t index = nodes[position];
    Read& read = reads[position];
    read.node = index;
    if (asked[index] || !MayAsk(index, deadline)) continue;  // the reply stays kSkipped
    asked[index] = true;
    members_[index].node->StartRead(key, deadline, claim != nullptr && claim->node == index ? &claim->lock : nullptr,
                                    values == Values::kNone ? Show::kMark : Show::kValue);
    if (values == Values::kOne) values = Values::kNone;
    read.reply.status = NodeStatus::kMiss;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return reads;
  counters_->node_waits.Add();
  Await(asked);
  for (Read& read : reads) {
    if (read.reply.status == NodeStatus::kSkipped) continue;
    read.reply = members_[read.node].node->FinishRead();
    Leave(read.node, read.reply, began);
  }
  watch_.EndFlight();
  return reads;
}

std::vector<NodeReply> NodeSet::WriteAll(const std::vector<WriteTarget>& targets, std::string_view key,
                                         std::string_view value, std::chrono::seconds ttl, TimePoint deadline,
                                         uint32_t mark) {
  std::vector<NodeReply> replies(targets.size());
  std::vector<bool> asked(members_.size(), false);
  std::vector<uint32_t> nodes(targets.size());
  std::transform(targets.begin(), targets.end(), nodes.begin(), [](const WriteTarget& target) { return target.node; });
  const TimePoint began = std::chrono::steady_clock::now();
  for (const size_t i : StartOrder(nodes)) {
    const uint32_t index = nodes[i];
    if (asked[index] || !MayAsk(index, deadline)) continue;
    asked[index] = true;
    members_[index].node->StartWrite(key, value, ttl, targets[i].expected, deadline, mark);
    replies[i].status = NodeStatus::kStored;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return replies;
  counters_->node_waits.Add();
  Await(asked);
  for (size_t i = 0; i < targets.size(); ++i) {
    if (replies[i].status == NodeStatus::kSkipped) continue;
    replies[i] = members_[targets[i].node].node->FinishWrite();
    Leave(targets[i].node, replies[i], began);
  }
  ShowContested(targets, key, value, deadline, &replies);
  watch_.EndFlight();
  return replies;
}

// A node that holds something else need not show it in its answer to the write: those are asked, all at once. If a node
// that hung has used up the time, they are not, as none of them may be blamed for that.
void NodeSet::ShowContested(const std::vector<WriteTarget>& targets, std::string_view key, std::string_view value,
                            TimePoint deadline, std::vector<NodeReply>* replies) {
  const auto contested = [](const NodeReply& reply) { return reply.status == NodeStatus::kContested; };
  if (std::none_of(replies->begin(), replies->end(), contested)) return;
  if (clock_->Now() + connect_time_min_ > deadline) return;
  std::vector<bool> asked(members_.size(), false);
  for (size_t i = 0; i < targets.size(); ++i) {
    if (!contested((*replies)[i])) continue;
    members_[targets[i].node].node->StartRead(key, deadline);
    asked[targets[i].node] = true;
  }
  counters_->node_waits.Add();
  Await(asked);
  for (size_t i = 0; i < targets.size(); ++i) {
    NodeReply& reply = (*replies)[i];
    if (!contested(reply)) continue;
    reply = ContestedReply(members_[targets[i].node].node->FinishRead(), value);
    watch_.Leave(targets[i].node, reply);
  }
}

std::vector<NodeReply> NodeSet::RunBatches(const std::vector<Batch>& batches, TimePoint deadline) {
  std::vector<NodeReply> replies(batches.size());
  std::vector<bool> asked(members_.size(), false);
  for (size_t i = 0; i < batches.size(); ++i) {
    const uint32_t index = batches[i].node;
    if (batches[i].parts.empty() || asked[index] || !MayAsk(index, deadline)) continue;
    asked[index] = true;
    members_[index].node->StartBatch(batches[i].parts, deadline);
    replies[i].status = NodeStatus::kMiss;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return replies;
  Await(asked);
  for (size_t i = 0; i < batches.size(); ++i) {
    if (replies[i].status == NodeStatus::kSkipped) continue;
    replies[i] = members_[batches[i].node].node->FinishBatch();
    watch_.Leave(batches[i].node, replies[i]);
  }
  watch_.EndFlight();
  return replies;
}

void NodeSet::RunParts(const std::vector<NodePart>& parts, TimePoint deadline, const TakePart& take) {
  std::vector<Batch> batches(members_.size());
  std::vector<std::vector<size_t>> whose(members_.size());
  for (uint32_t node = 0; node < batches.size(); ++node) batches[node].node = node;
  for (size_t i = 0; i < parts.size(); ++i) {
    batches[parts[i].node].parts.push_back(parts[i].part);
    whose[parts[i].node].push_back(i);
  }
  std::vector<NodeReply> replies = RunBatches(batches, deadline);
  for (uint32_t node = 0; node < batches.size(); ++node) {
    const bool answered = replies[node].status == NodeStatus::kHit;
    for (size_t i = 0; i < whose[node].size(); ++i) {
      take(whose[node][i], answered ? std::move(replies[node].batch[i]) : replies[node], answered);
    }
  }
}

std::vector<NodeReply> NodeSet::ReadStats(const std::vector<bool>& wanted, TimePoint deadline) {
  std::vector<NodeReply> replies(members_.size());
  std::vector<bool> asked(members_.size(), false);
  for (uint32_t node = 0; node < members_.size(); ++node) {
    asked[node] = wanted[node] && members_[node].node->Connected() && WorthAsking(node);
    if (asked[node]) members_[node].node->StartStats(deadline);
  }
  Await(asked);
  for (uint32_t node = 0; node < members_.size(); ++node) {
    if (asked[node]) replies[node] = members_[node].node->FinishStats();
  }
  return replies;
}

std::unique_ptr<KeyListing> NodeSet::ListKeys(uint32_t node) {
  return members_[node].node->Connected() ? members_[node].node->ListKeys() : nullptr;
}

void NodeSet::Release(uint32_t node, std::string_view key, const NodeToken& held, TimePoint deadline) {
  if (WorthAsking(node)) members_[node].node->Release(key, held, deadline);
}

void NodeSet::Extend(uint32_t node, std::string_view key, std::string_view bytes) {
  if (WorthAsking(node)) members_[node].node->Extend(key, bytes);
}

}  // namespace clustered_session
