#include "src/cluster/node_set.h"

#include <algorithm>
#include <utility>

namespace clustered_session {

NodeSet::NodeSet(std::vector<Member> members, Duration retry_interval, const Clock* clock, Counters* counters)
    : members_(std::move(members)), retry_interval_(retry_interval), clock_(clock), counters_(counters) {
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

bool NodeSet::MayAsk(uint32_t index) {
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

std::vector<NodeSet::Read> NodeSet::ReadAll(const std::vector<uint32_t>& nodes, std::string_view key,
                                            TimePoint deadline, const Claim* claim) {
  std::vector<Read> reads;
  std::vector<bool> asked(members_.size(), false);
  reads.reserve(nodes.size());
  for (const uint32_t index : nodes) {
    Read& read = reads.emplace_back();
    read.node = index;
    if (asked[index] || !MayAsk(index)) continue;  // the reply stays kSkipped
    asked[index] = true;
    members_[index].node->StartRead(key, deadline, claim != nullptr && claim->node == index ? &claim->lock : nullptr);
    read.reply.status = NodeStatus::kMiss;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return reads;
  counters_->node_waits.Add();
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
  for (size_t i = 0; i < targets.size(); ++i) {
    const uint32_t index = targets[i].node;
    if (asked[index] || !MayAsk(index)) continue;
    asked[index] = true;
    members_[index].node->StartWrite(key, value, ttl, targets[i].expected, deadline);
    replies[i].status = NodeStatus::kStored;  // under way
  }
  if (std::find(asked.begin(), asked.end(), true) == asked.end()) return replies;
  counters_->node_waits.Add();
  for (size_t i = 0; i < targets.size(); ++i) {
    if (replies[i].status == NodeStatus::kSkipped) continue;
    replies[i] = members_[targets[i].node].node->FinishWrite();
    Report(targets[i].node, replies[i]);
  }
  return replies;
}

void NodeSet::Release(uint32_t node, std::string_view key, const NodeToken& held, TimePoint deadline) {
  if (WorthAsking(node)) members_[node].node->Release(key, held, deadline);
}

std::vector<std::string> NodeSet::TakeEvents() { return std::exchange(events_, {}); }

}  // namespace clustered_session
