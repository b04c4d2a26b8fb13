// Whether nodes throw sessions away, see room_watch.h. Layer: session.
#include "src/session/room_watch.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "src/cluster/sentinel.h"
#include "src/session/node_memory.h"
#include "src/session/repair_needs.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr size_t kNamed = 2;  // nodes in a line of the log; the others are counted

bool NumberBehind(std::string_view lines, std::string_view name, uint64_t* number) {
  const std::string start = "STAT " + std::string(name) + ' ';
  size_t at = lines.find(start);
  while (at != std::string_view::npos && at != 0 && lines[at - 1] != '\n') at = lines.find(start, at + 1);
  if (at == std::string_view::npos) return false;
  lines.remove_prefix(at + start.size());
  lines = lines.substr(0, lines.find_first_of("\r\n"));
  const auto [end, error] = std::from_chars(lines.data(), lines.data() + lines.size(), *number);
  return error == std::errc() && end == lines.data() + lines.size();
}

// Whether the node is to have it, as it has taken it and its time is not over.
bool ShouldHold(const SessionContext& context, const Entry& entry, uint32_t node, uint32_t incarnation, TimePoint now) {
  constexpr uint32_t kNotSure = kEntryUnderReplicated | kEntryStandsIn | kEntryTombstone;
  if (entry.pool != context.pool || (entry.flags & kNotSure) != 0) return false;
  if (!IsForRepair(entry, now + std::chrono::seconds(2))) return false;
  const uint32_t hash = context.nodes->member(node).hash;
  return std::any_of(entry.tokens.begin(), entry.tokens.end(), [&](const EntryToken& token) {
    return token.cas != 0 && token.node_hash == hash && token.incarnation == incarnation;
  });
}

std::string Megabytes(uint64_t bytes) { return std::to_string((bytes + (1u << 19)) >> 20) + " MB"; }

}  // namespace

bool ParseRoom(std::string_view lines, RoomFigures* figures) {
  return NumberBehind(lines, "evictions", &figures->evictions) && NumberBehind(lines, "bytes", &figures->bytes) &&
         NumberBehind(lines, "limit_maxbytes", &figures->limit);
}

RoomWatch::RoomWatch(const Clock* clock, Flusher::ContextOf context_of, Pools pools)
    : clock_(clock), context_of_(std::move(context_of)), pools_(std::move(pools)) {}

std::vector<Notice> RoomWatch::TakeNotices() { return std::exchange(notices_, {}); }

TimePoint RoomWatch::Step() {
  const TimePoint now = clock_->Now();
  if (now < look_at_) return look_at_;
  look_at_ = now + kInterval;
  for (const uint8_t pool : pools_()) {
    const std::shared_ptr<const SessionContext> context = context_of_(pool);
    if (context != nullptr && !context->nodes->empty()) Look(*context);
  }
  return look_at_;
}

void RoomWatch::Look(const SessionContext& context) {
  const TimePoint now = clock_->Now();
  SharedRepair& repair = context.shared->repair;
  std::vector<NodeMemory*> memories;
  std::vector<bool> wanted;
  for (uint32_t node = 0; node < context.nodes->size(); ++node) {
    NodeMemory* memory = repair.MemoryOf(context.pool_hash, context.nodes->member(node).hash, now);
    if (memory != nullptr) memory->used_at_ns.store(ToNanos(now));
    memories.push_back(memory);
    const bool refuses = memory != nullptr && memory->room.load() == NodeMemory::kRefused &&
                         FromNanos(memory->refused_at_ns.load()) + kAskAgain > now;
    wanted.push_back(memory != nullptr && !refuses);
  }
  const std::vector<NodeReply> replies = context.nodes->ReadStats(wanted, NodeDeadline(context, now));
  for (uint32_t node = 0; node < memories.size(); ++node) {
    if (memories[node] == nullptr) continue;
    Keep(replies[node], now, memories[node]);
    const bool refuses = memories[node]->room.load() == NodeMemory::kRefused;
    if (refuses && replies[node].status != NodeStatus::kError) Sample(context, node, memories[node]);
  }
  Tell(context);
}

// What it evicted before this server looked first is nobody's news.
void RoomWatch::Keep(const NodeReply& reply, TimePoint now, NodeMemory* memory) const {
  if (reply.status == NodeStatus::kSkipped) return;
  RoomFigures figures;
  if (reply.status != NodeStatus::kHit || !ParseRoom(reply.value, &figures)) {
    const bool silent = reply.status == NodeStatus::kError;
    memory->refused_at_ns.store(ToNanos(silent ? now - RoomWatch::kAskAgain + RoomWatch::kAskSoon : now));
    memory->room.store(NodeMemory::kRefused);
    return;
  }
  const uint64_t before = memory->evictions.exchange(figures.evictions);
  const bool told = memory->room.load() == NodeMemory::kTold;
  // Fewer than before: another process, which has counted from 0.
  if (told) memory->evictions_seen.fetch_add(figures.evictions - (figures.evictions >= before ? before : 0));
  memory->room_bytes.store(figures.bytes);
  memory->room_limit.store(figures.limit);
  memory->room.store(NodeMemory::kTold);
}

// Some sessions further on than last time. In one batch with the sentinel: so the memory is the one that had them.
void RoomWatch::Sample(const SessionContext& context, uint32_t node, NodeMemory* memory) {
  const TimePoint now = clock_->Now();
  std::vector<LocalStore::Walked> found;
  if (!context.store->Walk(&position_, 4 * kSample, &found)) position_ = {};
  std::vector<std::string> keys;
  for (const LocalStore::Walked& each : found) {
    if (keys.size() == kSample) break;
    if (!ShouldHold(context, each.entry, node, memory->incarnation.load(), now)) continue;
    keys.push_back(NodeItems(context, SessionAddress(context, each.key, each.entry.home_node), each.entry).key);
  }
  if (keys.empty()) return;
  NodeSet::Batch batch{node, {}};
  for (const std::string& key : keys) batch.parts.push_back({BatchPart::Kind::kLook, key, {}, {}, {}});
  batch.parts.push_back({BatchPart::Kind::kRead, kSentinelKey, {}, {}, {}});
  const NodeReply reply = context.nodes->RunBatches({batch}, NodeDeadline(context, now)).front();
  if (reply.status != NodeStatus::kHit || reply.batch.back().status != NodeStatus::kHit) return;
  if (MemoryName(reply.batch.back().value) != memory->name.load()) return;
  const auto gone = std::count_if(reply.batch.begin(), reply.batch.end() - 1,
                                  [](const NodeReply& part) { return part.status == NodeStatus::kMiss; });
  memory->evictions_seen.fetch_add(static_cast<uint64_t>(gone));
}

// Once when it begins, and again each time that ten times as many IDs are gone.
void RoomWatch::Tell(const SessionContext& context) {
  SharedRepair& repair = context.shared->repair;
  RepairView* view = repair.ViewOf(context.pool, context.pool_hash);
  const SetupWatch* watch = context.shared->WatchOf(context.pool, context.pool_hash);
  if (view == nullptr || watch == nullptr) return;
  std::string nodes;
  size_t evicting = 0;
  for (uint32_t node = 0; node < context.nodes->size(); ++node) {
    const NodeMemory* memory = repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
    if (memory == nullptr || memory->evictions_seen.load() == 0 || ++evicting > kNamed) continue;
    const bool told = memory->room.load() == NodeMemory::kTold;
    nodes += (nodes.empty() ? "" : ", ") + context.nodes->Label(node) + ": " +
             std::to_string(memory->evictions_seen.load()) +
             (told ? " of " + Megabytes(memory->room_limit.load()) : std::string(" or more"));
  }
  const uint64_t gone = watch->gone_ids.load();
  if (evicting == 0) return view->gone_ids.store(gone);
  const uint64_t since = gone - std::min(gone, view->gone_ids.load());
  uint64_t told = view->evict_told.load();
  if (told != 0 && since < 10 * told) return;
  if (!view->evict_told.compare_exchange_strong(told, std::max<uint64_t>(since, 1))) return;
  if (evicting > kNamed) nodes += " and " + std::to_string(evicting - kNamed) + " more";
  notices_.push_back({false,
                      "nodes throw sessions away for want of memory (" + nodes +
                          "), which logs users out; since then nothing was known of " + std::to_string(since) +
                          " session IDs that visitors showed: give memcached more memory (-m) [CS-NODE-EVICTS]",
                      clock_->Now()});
}

}  // namespace clustered_session
