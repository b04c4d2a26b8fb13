#include "src/cluster/node_set.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/cluster/flight.h"

namespace clustered_session {

NodeSet::NodeSet(std::vector<Member> members, Duration retry_interval, const Clock* clock, Counters* counters,
                 Duration connect_time_min)
    : members_(std::move(members)),
      retry_interval_(retry_interval),
      connect_time_min_(connect_time_min),
      clock_(clock),
      counters_(counters) {
  addresses_.reserve(members_.size());
  for (const Member& member : members_) addresses_.push_back(member.address);
}

std::string NodeSet::Label(uint32_t index) const {
  const Node& node = *members_[index].node;
  return "node " + node.name() + " (" + node.address() + ")";
}

bool NodeSet::WorthAsking(uint32_t index) const {
  const NodeHealth* health = members_[index].health;
  return health == nullptr || health->open.load(std::memory_order_relaxed) == 0 ||
         ToNanos(clock_->Now()) >= health->retry_at_ns.load(std::memory_order_relaxed);
}

uint64_t NodeSet::SmallestItemMax() const {
  uint64_t smallest = UINT64_MAX;
  for (const Member& member : members_) {
    const uint64_t max = member.health == nullptr ? 0 : member.health->item_size_max.load(std::memory_order_relaxed);
    if (max != 0) smallest = std::min(smallest, max);
  }
  return smallest;
}

bool NodeSet::MayAsk(uint32_t index, TimePoint deadline) {
  if (!members_[index].node->Connected() && clock_->Now() + connect_time_min_ > deadline) return false;
  NodeHealth* health = members_[index].health;
  if (health == nullptr) return true;
  if (DecideHealth(health, clock_->Now(), retry_interval_) == HealthDecision::kSkip) return false;
  health->operations.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void NodeSet::Report(uint32_t index, const NodeReply& reply) {
  NodeHealth* health = members_[index].health;
  if (health == nullptr || reply.status == NodeStatus::kSkipped) return;
  if (reply.status == NodeStatus::kError) {
    if (ReportFailure(health, clock_->Now(), retry_interval_)) {
      events_.push_back(reply.error + "; its sessions are served from their other copies until it answers again");
    }
  } else if (ReportSuccess(health, clock_->Now())) {
    events_.push_back(Label(index) + ": answers again");
  }
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
  for (size_t i = 0; i < asked.size(); ++i) {
    if (!asked[i]) continue;
    if (Pollable* const pollable = members_[i].node->pollable(); pollable != nullptr) pollables.push_back(pollable);
  }
  DriveFlight(pollables);
}

std::vector<NodeSet::Read> NodeSet::ReadAll(const std::vector<uint32_t>& nodes, std::string_view key,
                                            TimePoint deadline, const Claim* claim) {
  std::vector<Read> reads(nodes.size());
  std::vector<bool> asked(members_.size(), false);
  for (const size_t position : StartOrder(nodes)) {
    const uint32_t index = nodes[position];
    Read& read = reads[position];
    read.node = index;
    if (asked[index] || !MayAsk(index, deadline)) continue;  // the reply stays kSkipped
    asked[index] = true;
    members_[index].node->StartRead(key, deadline, claim != nullptr && claim->node == index ? &claim->lock : nullptr);
    read.reply.status = NodeStatus::kMiss;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return reads;
  counters_->node_waits.Add();
  Await(asked);
  for (Read& read : reads) {
    if (read.reply.status == NodeStatus::kSkipped) continue;
    read.reply = members_[read.node].node->FinishRead();
    Report(read.node, read.reply);
  }
  return reads;
}

std::vector<NodeReply> NodeSet::WriteAll(const std::vector<WriteTarget>& targets, std::string_view key,
                                         std::string_view value, std::chrono::seconds ttl, TimePoint deadline) {
  std::vector<NodeReply> replies(targets.size());
  std::vector<bool> asked(members_.size(), false);
  std::vector<uint32_t> nodes(targets.size());
  std::transform(targets.begin(), targets.end(), nodes.begin(), [](const WriteTarget& target) { return target.node; });
  for (const size_t i : StartOrder(nodes)) {
    const uint32_t index = nodes[i];
    if (asked[index] || !MayAsk(index, deadline)) continue;
    asked[index] = true;
    members_[index].node->StartWrite(key, value, ttl, targets[i].expected, deadline);
    replies[i].status = NodeStatus::kStored;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return replies;
  counters_->node_waits.Add();
  Await(asked);
  for (size_t i = 0; i < targets.size(); ++i) {
    if (replies[i].status == NodeStatus::kSkipped) continue;
    replies[i] = members_[targets[i].node].node->FinishWrite();
    Report(targets[i].node, replies[i]);
  }
  ShowContested(targets, key, value, deadline, &replies);
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
    Report(targets[i].node, reply);
  }
}

void NodeSet::Release(uint32_t node, std::string_view key, const NodeToken& held, TimePoint deadline) {
  if (WorthAsking(node)) members_[node].node->Release(key, held, deadline);
}

std::vector<std::string> NodeSet::TakeEvents() { return std::exchange(events_, {}); }

}  // namespace clustered_session
