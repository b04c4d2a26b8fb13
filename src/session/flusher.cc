#include "src/session/flusher.h"

#include <algorithm>
#include <utility>

#include "src/session/flush_path.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

void NoteLag(const SessionContext& context, const Entry& entry, TimePoint now) {
  if (context.shared == nullptr) return;
  const int64_t used_at_ns = entry.expires_at_ns - int64_t{entry.lifetime_s} * 1'000'000'000;
  const int64_t lag_ns = ToNanos(now) - used_at_ns;
  std::atomic<int64_t>& longest = context.shared->longest_lag_ns;
  int64_t seen = longest.load(std::memory_order_relaxed);
  while (lag_ns > seen && !longest.compare_exchange_weak(seen, lag_ns, std::memory_order_relaxed)) {
  }
}

}  // namespace

Flusher::Flusher(LocalStore* store, const Clock* clock, ContextOf context_of)
    : store_(store), clock_(clock), context_of_(std::move(context_of)) {}

Flusher::Step Flusher::Run(size_t limit, TimePoint deadline) {
  Step step;
  size_t left = store_->UnreplicatedCount();  // to look at: each once
  while (left > 0 && step.tried() < limit && clock_->Now() <= deadline) {
    const std::vector<LocalStore::Unreplicated> listed = store_->ListUnreplicated(std::min(limit - step.tried(), left));
    if (listed.empty()) break;
    left -= listed.size();
    // Those of one pool together.
    std::vector<bool> taken(listed.size(), false);
    for (size_t i = 0; i < listed.size(); ++i) {
      if (taken[i]) continue;
      if (clock_->Now() > deadline) return step;
      std::vector<SessionKey> keys;
      for (size_t j = i; j < listed.size() && keys.size() < kFlushedAtOnce; ++j) {
        if (taken[j] || listed[j].pool != listed[i].pool) continue;
        taken[j] = true;
        keys.push_back(listed[j].key);
      }
      Try(listed[i].pool, keys, &step);
    }
  }
  return step;
}

void Flusher::Try(uint8_t pool, const std::vector<SessionKey>& keys, Step* step) {
  const std::shared_ptr<const SessionContext> context = context_of_(pool);
  if (context == nullptr) {
    step->unknown += keys.size();
    return;
  }
  std::vector<SessionKey> there;
  std::vector<Entry> entries;
  for (const SessionKey& key : keys) {
    Entry entry;
    if (store_->Lookup(key, clock_->Now(), &entry, nullptr)) {
      there.push_back(key);
      entries.push_back(entry);
    } else {
      ++step->gone;
    }
  }
  const std::vector<FlushOutcome> outcomes = FlushEntries(context, there, pool, &notices_);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    switch (outcomes[i]) {
      case FlushOutcome::kWritten:
        ++step->written;
        NoteLag(*context, entries[i], clock_->Now());
        break;
      case FlushOutcome::kGone:
        ++step->gone;
        break;
      case FlushOutcome::kBusy:
        ++step->busy;
        break;
      case FlushOutcome::kNoNode:
        ++step->no_node;
        break;
    }
  }
}

std::vector<Notice> Flusher::TakeNotices() { return std::exchange(notices_, {}); }

}  // namespace clustered_session
