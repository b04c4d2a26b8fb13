// Walks through the store for what nodes lack, see repairer.h. Layer: session.
#include "src/session/repairer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/session/repair_needs.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr size_t kFetched = 1024;  // entries under way from the store at a time

}  // namespace

Repairer::Repairer(LocalStore* store, const Clock* clock, Flusher::ContextOf context_of, Pools pools, uint32_t rate)
    : store_(store), clock_(clock), context_of_(std::move(context_of)), pools_(std::move(pools)), rate_(rate) {}

std::vector<Notice> Repairer::TakeNotices() { return std::exchange(notices_, {}); }

TimePoint Repairer::Step() {
  const TimePoint now = clock_->Now();
  if (rate_ == 0) return now + kAuditInterval;
  KeepPools(now);
  TimePoint next = now + kLookInterval;
  if (walks_.empty()) return next;
  // Another pool is the first each time.
  turn_ = (turn_ + 1) % walks_.size();
  for (size_t i = 0; i < walks_.size(); ++i) {
    Walk& walk = walks_[(turn_ + i) % walks_.size()];
    const std::shared_ptr<const SessionContext> context = context_of_(walk.pool);
    if (context != nullptr && !context->nodes->empty()) next = std::min(next, StepOf(&walk, context));
  }
  return next;
}

// One walk for each pool that is to be repaired.
void Repairer::KeepPools(TimePoint now) {
  const std::vector<uint8_t> pools = pools_();
  const auto gone = [&](const Walk& walk) { return std::find(pools.begin(), pools.end(), walk.pool) == pools.end(); };
  walks_.erase(std::remove_if(walks_.begin(), walks_.end(), gone), walks_.end());
  for (const uint8_t pool : pools) {
    const bool known =
        std::any_of(walks_.begin(), walks_.end(), [pool](const Walk& walk) { return walk.pool == pool; });
    if (known) continue;
    Walk& walk = walks_.emplace_back();
    walk.pool = pool;
    walk.audit_at = now;  // what another thread has done before is not known
  }
}

TimePoint Repairer::StepOf(Walk* walk, const std::shared_ptr<const SessionContext>& context) {
  RepairView* view = context->shared->repair.ViewOf(walk->pool, context->pool_hash);
  TimePoint now = clock_->Now();
  if (view == nullptr || view->watched.load() == RepairView::kNo) return now + kLookInterval;
  if (walk->pool_hash != context->pool_hash) {
    walk->pool_hash = context->pool_hash;
    walk->pass = Pass::kNone;
  }
  if (now >= walk->look_at) {
    walk->nodes = LookAtNodes(*context);
    now = clock_->Now();
    walk->look_at = now + kLookInterval;
  }
  const bool due = view->due.load() != view->walked.load() || now >= walk->audit_at;
  if (walk->pass == Pass::kNone && due && now >= walk->walk_at) Begin(walk, view);
  if (walk->pass == Pass::kNone) {
    const TimePoint next = std::min(walk->look_at, Refill(walk, *context));
    return due ? std::min(next, walk->walk_at) : next;
  }
  if (walk->pass != Pass::kCount && now < batch_at_) return std::min(walk->look_at, batch_at_);
  Continue(walk, context);
  return clock_->Now();
}

TimePoint Repairer::Refill(Walk* walk, const SessionContext& context) {
  if (!context.settings.repair_listing) return TimePoint::max();
  const TimePoint now = clock_->Now();
  if (now < batch_at_) return batch_at_;
  const Refiller::Step step = walk->refiller.Run(context, walk->nodes);
  RepairView* view = context.shared->repair.ViewOf(walk->pool, context.pool_hash);
  if (view != nullptr) {
    view->copies.fetch_add(step.outcome.copies);
    view->tombstones.fetch_add(step.outcome.tombstones);
  }
  Charge(step.worked);
  size_t refilling = 0;
  for (uint32_t node = 0; node < walk->nodes.size(); ++node) refilling += NeedsRefill(context, node) ? 1 : 0;
  const bool changed = std::exchange(walk->refilling, refilling) != refilling;
  if (changed && view != nullptr && walk->copies_missing.size() == walk->nodes.size()) Publish(*walk, context);
  return std::max(step.next, batch_at_);
}

// What was done takes its time of the rate, of which a tenth of a second may be saved.
void Repairer::Charge(size_t worked) {
  batch_at_ = std::max(batch_at_, clock_->Now() - std::chrono::milliseconds(100)) +
              std::chrono::nanoseconds(1'000'000'000 * worked / rate_);
}

void Repairer::Begin(Walk* walk, RepairView* view) {
  walk->pass = Pass::kCount;
  walk->due = view->due.load();
  view->watched.store(RepairView::kPerhaps);
  walk->position = {};
  walk->found.clear();
  walk->at_end = false;
  walk->entries = walk->left = 0;
  walk->copies_missing.assign(walk->nodes.size(), 0);
  walk->tombstones_missing.assign(walk->nodes.size(), 0);
  walk->audit_at = clock_->Now() + kAuditInterval;
}

// False: there is nothing more.
bool Repairer::Fetch(Walk* walk) {
  if (walk->found.empty() && !walk->at_end) walk->at_end = !store_->Walk(&walk->position, kFetched, &walk->found);
  return !walk->found.empty() || !walk->at_end;
}

void Repairer::Continue(Walk* walk, const std::shared_ptr<const SessionContext>& context) {
  if (!Fetch(walk)) return EndPass(walk, *context);
  if (walk->pass == Pass::kCount) {
    CountFound(walk, *context);
  } else {
    RunBatch(walk, context);
  }
}

void Repairer::CountFound(Walk* walk, const SessionContext& context) {
  const TimePoint now = clock_->Now();
  for (const LocalStore::Walked& found : walk->found) {
    if (found.entry.pool != walk->pool) continue;
    const bool expired = found.entry.expires_at_ns <= ToNanos(now);
    if (!expired && found.entry.version != 0) ++walk->entries;
    if (!IsForRepair(found.entry, now)) continue;
    const NodeItems items(context, SessionAddress(context, found.key, found.entry.home_node), found.entry);
    const bool tombstone = (found.entry.flags & kEntryTombstone) != 0;
    for (const uint32_t node : MayLack(context, found.entry, items, walk->nodes)) {
      ++(tombstone ? walk->tombstones_missing : walk->copies_missing)[node];
    }
  }
  walk->found.clear();
}

// Whether a node that answers may lack it.
bool Repairer::IsOfPass(const Walk& walk, const SessionContext& context, const LocalStore::Walked& found) const {
  const Entry& entry = found.entry;
  if (entry.pool != walk.pool || !IsForRepair(entry, clock_->Now())) return false;
  const bool tombstone = (entry.flags & kEntryTombstone) != 0;
  const bool marked = (entry.flags & (kEntryUnderReplicated | kEntryStandsIn)) != 0;
  if (tombstone != (walk.pass == Pass::kTombstones)) return false;
  if (!tombstone && marked != (walk.pass == Pass::kMarked)) return false;
  const NodeItems items(context, SessionAddress(context, found.key, entry.home_node), entry);
  const std::vector<uint32_t> lacking = MayLack(context, entry, items, walk.nodes);
  return std::any_of(lacking.begin(), lacking.end(), [&](uint32_t node) { return walk.nodes[node].answers; });
}

void Repairer::RunBatch(Walk* walk, const std::shared_ptr<const SessionContext>& context) {
  RepairBatch batch(context, &walk->nodes, &notices_);
  size_t looked = 0;
  while (!batch.Full() && looked < kFetched && Fetch(walk)) {
    while (!walk->found.empty() && !batch.Full()) {
      if (IsOfPass(*walk, *context, walk->found.back())) batch.Add(walk->found.back());
      walk->found.pop_back();
      ++looked;
    }
  }
  if (batch.empty()) return;
  const RepairBatch::Outcome outcome = batch.Run();
  walk->left += outcome.left;
  for (size_t node = 0; node < walk->nodes.size(); ++node) {
    walk->copies_missing[node] -= outcome.copies_mended[node];
    walk->tombstones_missing[node] -= outcome.tombstones_mended[node];
  }
  if (RepairView* view = context->shared->repair.ViewOf(walk->pool, context->pool_hash); view != nullptr) {
    view->copies.fetch_add(outcome.copies);
    view->tombstones.fetch_add(outcome.tombstones);
  }
  Publish(*walk, *context);
  Charge(outcome.tried);
}

// Else nobody might look at the nodes until it is done.
bool Repairer::RefillWanted(const Walk& walk, const SessionContext& context) {
  for (uint32_t node = 0; node < walk.nodes.size(); ++node) {
    if (walk.nodes[node].answers && NeedsRefill(context, node)) return true;
  }
  return false;
}

void Repairer::EndPass(Walk* walk, const SessionContext& context) {
  const auto any = [&](const std::vector<int64_t>& missing) {
    for (size_t node = 0; node < missing.size(); ++node) {
      if (missing[node] > 0 && walk->nodes[node].answers) return true;
    }
    return false;
  };
  walk->position = {};
  walk->at_end = false;
  Publish(*walk, context);
  const bool nothing = !any(walk->copies_missing) && !any(walk->tombstones_missing);
  if (!nothing && walk->pass != Pass::kLost) {
    walk->pass = static_cast<Pass>(static_cast<uint8_t>(walk->pass) + 1);
    return;
  }
  walk->pass = Pass::kNone;
  RepairView* view = context.shared->repair.ViewOf(walk->pool, context.pool_hash);
  // What was counted and not met any more was mended by its own request, most likely: the next walk counts anew.
  if (walk->left == 0 && nothing) {
    walk->pause = kWalkPause;
    if (walk->entries == 0 && !RefillWanted(*walk, context)) {
      uint32_t perhaps = RepairView::kPerhaps;
      view->watched.compare_exchange_strong(perhaps, RepairView::kNo);
    }
    view->walked.store(walk->due);
  } else {
    walk->pause = std::min(2 * walk->pause, Duration(kWalkPauseMax));
  }
  walk->walk_at = clock_->Now() + walk->pause;
}

void Repairer::Publish(const Walk& walk, const SessionContext& context) const {
  SharedRepair& repair = context.shared->repair;
  int64_t all = 0;
  bool answer = true;
  for (uint32_t node = 0; node < walk.nodes.size(); ++node) {
    NodeMemory* memory = repair.MemoryOf(context.pool_hash, context.nodes->member(node).hash, clock_->Now());
    if (memory == nullptr) continue;
    memory->copies_missing.store(std::max<int64_t>(walk.copies_missing[node], 0));
    memory->tombstones_missing.store(std::max<int64_t>(walk.tombstones_missing[node], 0));
    all += walk.copies_missing[node] + walk.tombstones_missing[node] + (NeedsRefill(context, node) ? 1 : 0);
    answer = answer && walk.nodes[node].answers;
  }
  RepairView* view = repair.ViewOf(walk.pool, context.pool_hash);
  const uint32_t whole = all == 0 && answer ? 1 : 0;
  if (view->whole.exchange(whole) != whole || view->since_ns.load() == 0) view->since_ns.store(ToNanos(clock_->Now()));
}

namespace {

// As the last walk has left it.
bool SeemsWhole(const SessionContext& context) {
  SharedRepair& repair = context.shared->repair;
  const RepairView* view = repair.ViewOf(context.pool, context.pool_hash);
  if (view == nullptr || view->due.load() != view->walked.load()) return false;
  for (uint32_t node = 0; node < context.nodes->size(); ++node) {
    const NodeMemory* memory = repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
    if (memory == nullptr || memory->copies_missing.load() != 0 || memory->tombstones_missing.load() != 0) return false;
    if (NeedsRefill(context, node)) return false;
  }
  return !context.store->PoolsInUse()[context.pool];
}

}  // namespace

// Once more after the nodes were asked: a walk may have become due meanwhile, for just what they have shown.
bool IsWhole(const SessionContext& context) {
  return SeemsWhole(context) && NodesAreAsSeen(context) && SeemsWhole(context);
}

}  // namespace clustered_session
