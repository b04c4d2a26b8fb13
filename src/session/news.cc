// News are told and read, see news.h. Layer: session.
#include "src/session/news.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/shared_state.h"
#include "src/session/succession.h"

namespace clustered_session {
namespace {

constexpr std::chrono::seconds kLogTimeToLive = std::chrono::hours(24 * 30);
constexpr Duration kUseNoted = std::chrono::seconds(1);  // not each request writes to memory that all others read

PoolNews* NewsOf(const SessionContext& context) {
  if (context.shared == nullptr || context.settings.news_interval <= Duration::zero()) return nullptr;
  return context.shared->news.ViewOf(context.pool, context.pool_hash);
}

// A log to be put on a node, in place of what its token names.
struct LogToStore {
  uint32_t node = 0;
  NewsLog log;
  NodeToken expected;
};

// One wait. The tokens of those that were stored, by position; of the others, none.
std::vector<NodeToken> StoreLogs(const SessionContext& context, const std::vector<LogToStore>& logs) {
  std::vector<NodeToken> tokens(logs.size());
  if (logs.empty()) return tokens;
  const std::string key = NewsKey(context);
  std::vector<std::string> bytes;
  std::transform(logs.begin(), logs.end(), std::back_inserter(bytes),
                 [](const LogToStore& each) { return EncodeNewsLog(each.log); });
  std::vector<NodeSet::Batch> batches;
  for (size_t i = 0; i < logs.size(); ++i) {
    batches.push_back({logs[i].node, {{BatchPart::Kind::kStore, key, bytes[i], kLogTimeToLive, logs[i].expected}}});
  }
  const std::vector<NodeReply> replies =
      context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  for (size_t i = 0; i < replies.size(); ++i) {
    const bool answered = replies[i].status == NodeStatus::kHit;
    if (answered && replies[i].batch.front().status == NodeStatus::kStored) tokens[i] = replies[i].batch.front().token;
  }
  return tokens;
}

}  // namespace

std::string NewsKey(const SessionContext& context) { return context.settings.prefix + "news"; }

void TellNews(const SessionContext& context, const SessionAddress& address, const std::vector<uint32_t>& nodes) {
  if (context.settings.news_interval <= Duration::zero() || nodes.empty()) return;
  if (HasFault(ProtocolFault::kNewsUntold)) return;
  const std::string key = NewsKey(context);
  const std::string bytes = EncodeNews({address.global_key(), ActorOf(context)});
  for (const uint32_t node : nodes) context.nodes->Extend(node, key, bytes);
  context.store->counters().news_told.Add();
}

void NoteNewsUse(const SessionContext& context, TimePoint now) {
  PoolNews* news = NewsOf(context);
  if (news == nullptr) return;
  const int64_t used_ns = news->used_at_ns.load(std::memory_order_relaxed);
  if (used_ns == 0 || now >= FromNanos(used_ns) + kUseNoted) news->used_at_ns.store(ToNanos(now));
  if (news->asleep.load() != 0 && news->asleep.exchange(0) != 0) context.shared->pools.SeatOfPool(context.pool)->Wake();
}

bool NewsAllow(const SessionContext& context, const SessionKey& local_key, int64_t confirmed_at_ns, TimePoint now) {
  const PoolNews* news = NewsOf(context);
  if (news == nullptr || HasFault(ProtocolFault::kNewsIgnored)) return true;
  return context.shared->news.Allow(*news, context.settings.news_interval, local_key, confirmed_at_ns, now);
}

NewsReader::NewsReader(LocalStore* store, const Clock* clock, Flusher::ContextOf context_of, Pools pools,
                       Duration interval)
    : store_(store), clock_(clock), context_of_(std::move(context_of)), pools_(std::move(pools)), interval_(interval) {}

TimePoint NewsReader::Step() {
  TimePoint next = TimePoint::max();
  if (interval_ <= Duration::zero()) return next;
  KeepPools();
  for (Feed& feed : feeds_) {
    const std::shared_ptr<const SessionContext> context = context_of_(feed.pool);
    if (context == nullptr || context->nodes->empty()) continue;
    PoolNews* news = context->shared->news.ViewOf(feed.pool, context->pool_hash);
    if (news == nullptr || Sleeps(news, clock_->Now())) continue;
    if (clock_->Now() >= feed.look_at) {
      const TimePoint began = clock_->Now();
      Look(&feed, *context, news);
      feed.look_at = began + interval_;
    }
    next = std::min(next, feed.look_at);
  }
  return next;
}

void NewsReader::KeepPools() {
  const std::vector<uint8_t> pools = pools_();
  const auto gone = [&](const Feed& feed) { return std::find(pools.begin(), pools.end(), feed.pool) == pools.end(); };
  feeds_.erase(std::remove_if(feeds_.begin(), feeds_.end(), gone), feeds_.end());
  for (const uint8_t pool : pools) {
    if (std::any_of(feeds_.begin(), feeds_.end(), [pool](const Feed& feed) { return feed.pool == pool; })) continue;
    feeds_.emplace_back().pool = pool;
  }
}

// Who has a request says so before it looks whether the reader sleeps.
bool NewsReader::Sleeps(PoolNews* news, TimePoint now) {
  if (news->Wanted(now)) return false;
  news->asleep.store(1);
  if (!news->Wanted(now)) return true;
  news->asleep.store(0);
  return false;
}

void NewsReader::Look(Feed* feed, const SessionContext& context, PoolNews* news) {
  if (feed->pool_hash != context.pool_hash || feed->logs.size() != context.nodes->size()) {
    feed->pool_hash = context.pool_hash;
    feed->logs.assign(context.nodes->size(), {});
  }
  const TimePoint began = clock_->Now();
  // Of another reader before: where it was is not known. Nor is it of what nobody has looked at yet.
  Found found;
  found.missed = news->looked_at_ns.load() == 0;
  const std::vector<uint32_t> changed = FindChanged(feed, context, &found);
  ReadLogs(feed, context, changed, &found);
  // Later than whatever a node has answered to a request before it took the news.
  const TimePoint now = clock_->Now();
  if (found.missed) {
    news->missed_at_ns.store(ToNanos(now));
    store_->counters().news_missed.Add();
  }
  for (const SessionKey& key : found.named) context.shared->news.Name(context.InSpace(key), now);
  store_->counters().news_read.Add(found.named.size());
  news->looked_at_ns.store(ToNanos(began), std::memory_order_release);
}

// By the tokens of the logs: one wait. Puts a log where there is none, with one wait more.
std::vector<uint32_t> NewsReader::FindChanged(Feed* feed, const SessionContext& context, Found* found) {
  const std::string key = NewsKey(context);
  std::vector<NodeSet::Batch> batches(feed->logs.size());
  for (uint32_t node = 0; node < batches.size(); ++node) {
    batches[node] = {node, {{BatchPart::Kind::kLook, key, {}, {}, {}}}};
  }
  const std::vector<NodeReply> replies =
      context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  std::vector<uint32_t> changed;
  std::vector<LogToStore> missing;
  for (uint32_t node = 0; node < replies.size(); ++node) {
    if (replies[node].status != NodeStatus::kHit) continue;  // it has no news: local_trust rules
    const NodeReply& look = replies[node].batch.front();
    Log& log = feed->logs[node];
    if (look.status == NodeStatus::kMiss) {
      found->missed |= log.id != 0;
      log = Log();
      missing.push_back({node, NewLog(), {}});
    } else if (look.status == NodeStatus::kHit && (!look.token.known() || look.token != log.token)) {
      changed.push_back(node);
    }
  }
  const std::vector<NodeToken> tokens = StoreLogs(context, missing);
  for (size_t i = 0; i < missing.size(); ++i) {
    if (!tokens[i].known()) continue;  // full, or another server was faster
    feed->logs[missing[i].node] = {missing[i].log.id, 0, tokens[i]};
    found->missed = true;
  }
  return changed;
}

// One wait, and one more to shorten those that are long.
void NewsReader::ReadLogs(Feed* feed, const SessionContext& context, const std::vector<uint32_t>& nodes, Found* found) {
  if (nodes.empty()) return;
  const std::string key = NewsKey(context);
  std::vector<NodeSet::Batch> batches;
  batches.reserve(nodes.size());
  for (const uint32_t node : nodes) batches.push_back({node, {{BatchPart::Kind::kRead, key, {}, {}, {}}}});
  const std::vector<NodeReply> replies =
      context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  std::vector<LogToStore> shorter;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (replies[i].status != NodeStatus::kHit) continue;
    const NodeReply& read = replies[i].batch.front();
    if (read.status != NodeStatus::kHit) continue;  // the next look finds none
    std::optional<NewsLog> log = Take(context, read, &feed->logs[nodes[i]], found);
    if (log) shorter.push_back({nodes[i], std::move(*log), read.token});
  }
  const std::vector<NodeToken> tokens = StoreLogs(context, shorter);
  for (size_t i = 0; i < shorter.size(); ++i) {
    if (tokens[i].known()) feed->logs[shorter[i].node] = {shorter[i].log.id, shorter[i].log.end(), tokens[i]};
  }
}

// What the log tells that was not read before. What is to be in its place, if it is too long, or is no log.
std::optional<NewsLog> NewsReader::Take(const SessionContext& context, const NodeReply& read, Log* log,
                                        Found* found) const {
  std::optional<NewsLog> parsed;
  if (read.value.size() <= kBytesMax) parsed = DecodeNewsLog(read.value);
  if (!parsed) {
    found->missed = true;
    *log = Log();
    return NewLog();
  }
  if (parsed->id != log->id || log->next < parsed->first || log->next > parsed->end()) {
    found->missed = true;
  } else {
    for (uint64_t i = log->next - parsed->first; i < parsed->records.size(); ++i) {
      const NewsRecord& record = parsed->records[i];
      if (record.writer != ActorOf(context)) found->named.push_back(record.key);
    }
  }
  *log = {parsed->id, parsed->end(), read.token};
  if (read.value.size() <= kTrimAbove) return std::nullopt;
  const size_t gone = parsed->records.size() / 2;
  parsed->first += gone;
  parsed->records.erase(parsed->records.begin(), parsed->records.begin() + static_cast<ptrdiff_t>(gone));
  return parsed;
}

NewsLog NewsReader::NewLog() const {
  const uint64_t seed[2] = {store_->instance(), store_->NextNumber()};
  NewsLog log;
  log.id = Hash128({}, "news", {reinterpret_cast<const char*>(seed), sizeof seed}).Hash64() | 1;
  return log;
}

}  // namespace clustered_session
