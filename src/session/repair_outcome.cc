// What becomes of the entries of a batch once the nodes have answered, see repair_batch.h. Layer: session.
#include <algorithm>
#include <utility>

#include "src/session/commit.h"
#include "src/session/lifetime.h"
#include "src/session/repair_batch.h"
#include "src/session/repair_needs.h"
#include "src/session/shared_state.h"
#include "src/session/tombstone.h"

namespace clustered_session {
namespace {

bool IsSameEntry(const Entry& a, const Entry& b) {
  return a.version == b.version && a.epoch == b.epoch && a.flags == b.flags && a.pool == b.pool;
}

}  // namespace

void RepairBatch::Finish(Item* item) {
  if (item->over) return TellEnd(item);
  // The next request of the session here asks the nodes, and takes in what they have. Of an ID that was destroyed very
  // often, not all lives are remembered that have ended: one of these must not come back for no request.
  const bool taking_over = (item->entry.flags & kEntryTakeoverPending) != 0;
  if (item->branch && (taking_over || item->of_other_life)) return CountAll(*item);
  if (item->branch && !item->too_new) return Merge(item);
  Count(*item);
  if (item->too_new || item->record.empty()) return;  // left to the session's next request
  const bool kept = Keep(item);
  const size_t targets = TargetsOf(item->entry, item->nodes);
  bool waits = false;
  bool retries = !kept;
  for (size_t place = 0; place < targets; ++place) {
    if (item->held[place] != Held::kUnknown && item->held[place] != Held::kNothing) continue;
    const bool answers = views_[item->nodes.placement[place]].answers;
    waits |= !answers || !Trusted(*item);
    retries |= answers && Trusted(*item);
  }
  if (retries) {
    ++outcome_.left;
  } else if (waits) {
    ++outcome_.waiting;
  }
}

// Which of the nodes that were to be mended are.
void RepairBatch::Count(const Item& item) {
  std::vector<int64_t>& mended = MendedOf(item);
  const bool never = item.too_new || item.record.empty();
  for (size_t place = 0; place < item.held.size(); ++place) {
    const uint32_t node = item.nodes.placement[place];
    const bool due = std::find(item.lacking.begin(), item.lacking.end(), node) != item.lacking.end();
    const bool is_mended = item.held[place] == Held::kSame || item.held[place] == Held::kNever || never;
    if (due && is_mended) ++mended[node];
  }
}

// Others see to all of them.
void RepairBatch::CountAll(const Item& item) {
  for (const uint32_t node : item.lacking) ++MendedOf(item)[node];
}

// Notes in the entry where it is, and removes what stand-ins have kept. False: a request has the session, or no node
// vouches for it.
bool RepairBatch::Keep(Item* item) {
  const bool any_same = std::find(item->held.begin(), item->held.end(), Held::kSame) != item->held.end();
  if (!any_same) return true;  // nothing to note
  OpenScope open(kept_context_);
  if (!open.locks.TryLocal(item->key)) return false;
  Entry current;
  Image image;
  const bool have = context_.store->Peek(item->key, open.Now(), &current, image.buffer()) && image.Valid();
  // Written, ended or evicted meanwhile: whoever did that has told the nodes.
  if (!have || !IsSameEntry(current, item->entry) || image.ancestry().fingerprint != item->known.fingerprint) {
    return true;
  }
  const size_t targets = TargetsOf(current, item->nodes);
  const auto end = item->held.begin() + static_cast<ptrdiff_t>(targets);
  const bool whole =
      std::all_of(item->held.begin(), end, [](Held held) { return held == Held::kSame || held == Held::kNever; });
  Entry after = current;
  if (whole) after.flags &= ~uint32_t{kEntryUnderReplicated | kEntryStandsIn};
  after.confirmed_at_ns = std::max(after.confirmed_at_ns, ToNanos(asked_at_));
  const bool on_all = std::all_of(item->held.begin(), end, [](Held held) { return held == Held::kSame; });
  for (size_t place = targets; on_all && place < item->held.size(); ++place) {
    const uint32_t node = item->nodes.placement[place];
    if (item->held[place] != Held::kSame && item->held[place] != Held::kPast) continue;
    if (!item->nodes.has_session[node] || !item->nodes.tokens[node].known()) continue;
    context_.nodes->Release(node, item->nodes.key, item->nodes.tokens[node], Deadline());
    item->nodes.Forget(node);
  }
  item->nodes.SaveTokens(*context_.nodes, &after);
  context_.store->Update(item->key, current, image.dot_bytes(), after);
  return true;
}

// The entry is past: who has gone on from it, or has ended it, keeps the nodes whole. The next request of the session
// here asks the nodes, as if the entry had been evicted.
void RepairBatch::Drop(Item* item) {
  OpenScope open(kept_context_);
  Entry current;
  if (!open.locks.TryLocal(item->key)) {
    ++outcome_.left;
    return;
  }
  const bool have = context_.store->Peek(item->key, open.Now(), &current, nullptr);
  if (have && IsSameEntry(current, item->entry)) context_.store->Erase(item->key);
}

// A node has what follows on the entry. If that is its end, whoever knows of it brings it to those that may still have
// the session, and keeps it from now on: who has ended the session may be gone.
void RepairBatch::TellEnd(Item* item) {
  const Result<Record> theirs = DecodeRecord(item->other, item->nodes.key);
  CountAll(*item);
  if (!theirs.ok() || !theirs->tombstone() || item->too_new) return Drop(item);
  std::vector<NodeSet::WriteTarget> targets;
  for (size_t place = 0; place < item->held.size(); ++place) {
    const uint32_t node = item->nodes.placement[place];
    if (item->held[place] == Held::kOther || item->held[place] == Held::kUnknown) continue;
    targets.push_back({node, item->nodes.tokens[node]});
  }
  const auto ttl = TombstoneTimeToLive(theirs->ancestry.lifetime_max_s);
  const std::string sealed = context_.codec.Seal(item->other, item->nodes.key);
  const std::vector<NodeReply> replies = context_.nodes->WriteAll(targets, item->nodes.key, sealed, ttl, Deadline(),
                                                                  context_.codec.MarkOf(theirs->ancestry.fingerprint));
  for (size_t i = 0; i < targets.size(); ++i) {
    item->nodes.Forget(targets[i].node);
    if (replies[i].status != NodeStatus::kStored) continue;
    item->nodes.tokens[targets[i].node] = replies[i].token;
    context_.store->counters().repairs.Add();
    ++outcome_.tombstones;
  }
  KeepEnd(item, *theirs, ttl);
}

void RepairBatch::KeepEnd(Item* item, const Record& end, std::chrono::seconds ttl) {
  OpenScope open(kept_context_);
  Entry current;
  if (!open.locks.TryLocal(item->key)) {
    ++outcome_.left;
    return;
  }
  const TimePoint now = open.Now();
  const bool have = context_.store->Peek(item->key, now, &current, nullptr);
  if (!have || !IsSameEntry(current, item->entry)) return;
  Entry entry;
  entry.version = end.version;
  entry.epoch = end.epoch;
  entry.flags = kEntryTombstone | kEntryUnderReplicated;  // the next walk sees which nodes have it
  entry.lifetime_s = end.ancestry.lifetime_max_s;
  entry.expires_at_ns = ToNanos(now + ttl);
  entry.confirmed_at_ns = ToNanos(asked_at_);
  entry.home_node = current.home_node;
  entry.pool = current.pool;
  item->nodes.SaveTokens(*context_.nodes, &entry);
  Image image;
  image.SetAncestry(end.ancestry);
  if (!context_.store->Put(item->key, entry, image.bytes(), now).ok()) return;
  context_.shared->NoteStored(entry.pool, context_.pool_hash, /*lacking=*/true);
}

// A node has a branch: both are merged as by a request that changes nothing; an end is told once more.
void RepairBatch::Merge(Item* item) {
  OpenScope open(kept_context_);
  const TimePoint now = open.Now();
  LoadedSession loaded(context_, SessionAddress(context_, item->key, item->entry.home_node), item->entry.lifetime_s);
  const bool locked = !item->record.empty() && open.locks.TryLocal(item->key);
  const bool have =
      locked && context_.store->Peek(item->key, now, &loaded.entry, loaded.image.buffer()) && loaded.image.Valid();
  if (item->record.empty()) return Count(*item);
  if (!have || !IsSameEntry(loaded.entry, item->entry) ||
      loaded.image.ancestry().fingerprint != item->known.fingerprint) {
    outcome_.left += locked ? 0 : 1;
    return;
  }
  if (loaded.Is(kEntryTombstone)) {
    loaded.lifetime_s = loaded.entry.lifetime_s;
    RepeatTombstone(&open, &loaded);
  } else {
    const int64_t left_s = (loaded.entry.expires_at_ns - ToNanos(now)) / 1'000'000'000 + 1;
    loaded.lifetime_s = static_cast<uint32_t>(std::max<int64_t>(left_s, 1));
    if (!Committer(&open, &loaded).CommitToNodes(loaded.image.payload()).ok()) return;
  }
  open.locks.Release();
  for (Notice& notice : open.TakeNotices()) notices_->push_back(std::move(notice));
  CountAll(*item);
}

}  // namespace clustered_session
