// Sentinels on nodes, see node_memory.h. Layer: session.
#include "src/session/node_memory.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/cluster/sentinel.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr std::chrono::seconds kSentinelTimeToLive = std::chrono::hours(24 * 30);

// One that nobody has used.
std::string NewSentinel(const SessionContext& context) {
  const uint64_t seed[2] = {context.store->instance(), context.store->NextNumber()};
  const SessionKey hash = Hash128({}, "sentinel", {reinterpret_cast<const char*>(seed), sizeof seed});
  return SentinelValue(StorageKey({}, hash), context.clock->UnixSeconds());
}

// One item of each node: its reply, or what became of asking.
std::vector<NodeReply> AskAll(const SessionContext& context, const std::vector<NodeSet::Batch>& batches) {
  std::vector<NodeReply> replies = context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  for (NodeReply& reply : replies) {
    if (reply.status != NodeStatus::kHit) continue;
    NodeReply part = std::move(reply.batch.front());
    reply = std::move(part);
  }
  return replies;
}

// By node.
std::vector<NodeReply> ReadSentinels(const SessionContext& context) {
  std::vector<NodeSet::Batch> batches(context.nodes->size());
  for (uint32_t node = 0; node < batches.size(); ++node) {
    batches[node] = {node, {{BatchPart::Kind::kRead, kSentinelKey, {}, {}, {}}}};
  }
  return AskAll(context, batches);
}

// Puts sentinels where there are none, and makes each such read one that has found what is there now. Who connects puts
// one there, so it has been flushed since, or evicted.
void PutSentinels(const SessionContext& context, std::vector<NodeReply>* reads) {
  const std::string sentinel = NewSentinel(context);
  std::vector<NodeSet::Batch> batches;
  for (uint32_t node = 0; node < reads->size(); ++node) {
    if ((*reads)[node].status != NodeStatus::kMiss) continue;
    batches.push_back({node, {{BatchPart::Kind::kStore, kSentinelKey, sentinel, kSentinelTimeToLive, {}}}});
  }
  if (batches.empty()) return;
  const std::vector<NodeReply> replies = AskAll(context, batches);
  for (size_t i = 0; i < batches.size(); ++i) {
    NodeReply& read = (*reads)[batches[i].node];
    if (replies[i].status == NodeStatus::kStored) {
      read.status = NodeStatus::kHit;
      read.token = replies[i].token;
      read.value = sentinel;
    } else if (replies[i].status != NodeStatus::kRefused) {
      read.status = NodeStatus::kSkipped;  // another server was faster: the next look finds its sentinel
    }
  }
}

// Says first that a walk is due, if one is: nobody may find the new memory known and no walk due.
void Keep(const NodeReply& reply, TimePoint now, RepairView* view, NodeMemory* memory) {
  const bool answered = memory->answers.load() != 0;
  if (!Answered(reply)) {
    memory->answers.store(0);
    return;
  }
  const uint64_t before = memory->name.load();
  // A node that takes no sentinel, as it is full, is taken for the one that it was.
  const bool named = reply.status == NodeStatus::kHit;
  const uint64_t name = named ? MemoryName(reply.value) : std::max<uint64_t>(before, 1);
  const uint32_t incarnation = named ? reply.token.incarnation : memory->incarnation.load();
  if ((before != name || !answered) && view != nullptr) view->due.fetch_add(1);
  if (before != name) {
    // The time first: nobody may believe an entry of before to be in this memory.
    if (before != 0 && incarnation == memory->incarnation.load()) memory->emptied_at_ns.store(ToNanos(now));
    memory->since_ns.store(ToNanos(now));
    memory->incarnation.store(incarnation);
    memory->name.store(name);
  }
  memory->incarnation.store(incarnation);
  memory->answers.store(1);
}

}  // namespace

uint64_t MemoryName(std::string_view sentinel) { return Hash128({}, "sentinel", sentinel).Hash64() | 1; }

std::vector<NodeView> LookAtNodes(const SessionContext& context) {
  std::vector<NodeView> views(context.nodes->size());
  RepairView* view = context.shared->repair.ViewOf(context.pool, context.pool_hash);
  std::vector<NodeReply> reads = ReadSentinels(context);
  PutSentinels(context, &reads);
  const TimePoint now = context.clock->Now();
  for (uint32_t node = 0; node < reads.size(); ++node) {
    const uint32_t hash = context.nodes->member(node).hash;
    NodeMemory* memory = context.shared->repair.MemoryOf(context.pool_hash, hash, now);
    if (memory == nullptr) continue;
    memory->used_at_ns.store(ToNanos(now));
    Keep(reads[node], now, view, memory);
    views[node] = {memory->answers.load() != 0, memory->incarnation.load(), memory->since_ns.load(),
                   memory->emptied_at_ns.load()};
  }
  if (view != nullptr) view->looked_at_ns.store(ToNanos(now));
  return views;
}

bool NodesAreAsSeen(const SessionContext& context) {
  bool all = true;
  const std::vector<NodeReply> reads = ReadSentinels(context);
  for (uint32_t node = 0; node < reads.size(); ++node) {
    const uint32_t hash = context.nodes->member(node).hash;
    const NodeMemory* memory = context.shared->repair.FindMemoryOf(context.pool_hash, hash);
    const bool seen = memory != nullptr && memory->answers.load() != 0 && reads[node].status == NodeStatus::kHit &&
                      memory->name.load() == MemoryName(reads[node].value);
    all = all && seen;
  }
  return all;
}

std::string SharedSecret(const SessionContext& context, const std::vector<uint32_t>& nodes) {
  std::vector<NodeReply> reads = ReadSentinels(context);
  PutSentinels(context, &reads);
  for (const uint32_t node : nodes) {
    if (reads[node].status == NodeStatus::kHit) return reads[node].value;
  }
  return {};
}

}  // namespace clustered_session
