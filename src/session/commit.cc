// A payload becomes the session's next record, see commit.h. Layer: session.
#include "src/session/commit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"
#include "src/session/conflict.h"
#include "src/session/entry_path.h"
#include "src/session/lifetime.h"
#include "src/session/news.h"
#include "src/session/succession.h"

namespace clustered_session {

// Writes the payload to the nodes, then here. Without a session lock, the commits of this server's requests still take
// turns, and each starts from what the one before has left: they merge here, before a node is asked.
Status Committer::Commit(std::string_view payload) {
  open_.locks.NoteLoss();
  if (context_.settings.lock != LockMode::kNone) return CommitInTurn(payload);
  const TimePoint deadline = NodeDeadline(context_, open_.Now());
  Result<SessionLock> turn = context_.store->locks().Acquire(loaded_.address().local_key(), deadline);
  if (!turn.ok()) loaded_.image.SetSince(SinceNow(context_));  // out of turn: a branch that the nodes will show
  std::string merged;
  Status status;
  if (!turn.ok() || CatchUp(&payload, &merged)) status = CommitInTurn(payload);
  if (turn.ok()) context_.store->locks().Release(&*turn);
  return status;
}

// Takes in what another request of this server has committed since this one read. False: it was destroyed.
bool Committer::CatchUp(std::string_view* payload, std::string* merged) {
  if (HasFault(ProtocolFault::kNoTurns)) return true;
  Entry current;
  Image image;
  const SessionKey& key = loaded_.address().local_key();
  const bool have = context_.store->Lookup(key, open_.Now(), &current, image.buffer()) && image.Valid();
  if (!have || (current.flags & kEntryLocalOnly) != 0) {
    // What was committed since is not known here any more, nor whether a takeover was.
    loaded_.image.SetSince(SinceNow(context_));
    if (!open_.created.Has(loaded_.address().id())) BeginGrace(context_, open_.Now(), &loaded_.entry);
    return true;
  }
  const Ancestry read = loaded_.Known();
  const Ancestry here = AncestryOf(image, current);
  if (here.ended.Meets(read.lives)) {
    open_.counters().conflicts.Add();
    loaded_.must_write = false;
    return false;
  }
  if (here.dot == read.dot && here.tombstone == read.tombstone) {
    loaded_.image.SetSince(image.since());  // others may have written, and been forgotten here
    return true;
  }
  if (here.tombstone) {  // of a life that this request knows nothing of
    Ancestry told = read;
    CountOverflow(context_, told.ended.Absorb(here.ended));
    loaded_.image.SetAncestry(told);
    return true;
  }
  if (LineageOf(here, read) == Lineage::kAncestor) {  // this request has read more, from the nodes
    loaded_.image.SetSince(SinceNow(context_));
    return true;
  }
  TakeIn(current, std::move(image), payload, merged);
  return true;
}

// Makes *payload the merge of itself and of what is here now, and that what it was made from. *merged keeps it.
void Committer::TakeIn(const Entry& current, Image image, std::string_view* payload, std::string* merged) {
  open_.counters().conflicts.Add();
  const Ancestry read = loaded_.Known();
  const bool from_base = image.ancestry().context.Contains(read.dot);
  std::optional<std::string> resolved =
      ResolveConflict(context_, from_base ? loaded_.image.payload() : std::string_view(), *payload, image.payload());
  // Mine, where that stands, may be a view of what is replaced below.
  *merged = resolved ? std::move(*resolved) : std::string(*payload);
  *payload = *merged;
  // Else it was read anew since, from the nodes: what this request had read is a branch of it.
  if (!from_base) AbsorbBranch(context_, read, &image);
  loaded_.image = std::move(image);
  const Entry before = std::exchange(loaded_.entry, current);
  if (before.epoch > current.epoch) {  // what is here now is of before this request's takeover
    loaded_.entry.epoch = before.epoch;
    loaded_.entry.grace_until_ns = std::max(before.grace_until_ns, current.grace_until_ns);
    loaded_.entry.flags |= before.flags & kEntryTakeoverPending;
  }
  loaded_.entry.version = std::max(current.version, before.version);
  loaded_.ForgetTokens();  // which the entry has newer
}

Status Committer::CommitInTurn(std::string_view payload) {
  if (open_.SingleServer()) return CommitHere(payload);
  if (MayWriteBehind(payload) && CommitBehind(payload)) return Status::Ok();
  return CommitToNodes(payload);
}

Status Committer::CommitToNodes(std::string_view payload) {
  Result<Replicator::Flight> flight = Begin(payload);
  if (!flight.ok()) return flight.error();
  return Conclude(std::move(*flight), {});
}

Result<Replicator::Flight> Committer::Begin(std::string_view payload) {
  if (payload.size() > kRecordPayloadMax)
    return Error(ErrorCode::kTooLarge, "a session must be smaller than 2 GB [CS-TOO-LARGE]");
  Record record;
  record.version = loaded_.version() + 1;
  record.epoch = loaded_.epoch();
  record.instance = context_.store->instance();
  record.lifetime_s = loaded_.lifetime_s;
  record.home_node = loaded_.address().HomeNode();
  record.payload = payload;
  record.ancestry = SuccessorOf(context_, loaded_);
  payload_ = payload;
  version_ = record.version;
  sent_at_ = open_.Now();
  const WriteBase base{loaded_.image.ancestry().dot, loaded_.image.payload(), loaded_.image.since()};
  replicator_.emplace(context_, &loaded_.items(), &open_.notices);
  return replicator_->Begin(record, base, loaded_.items().copies);
}

Status Committer::Conclude(Replicator::Flight flight, std::vector<NodeReply> replies) {
  const TimePoint deadline = NodeDeadline(context_, open_.Now());  // other nodes may have been asked since Begin()
  const WriteOutcome outcome =
      replicator_->Continue(std::move(flight), std::move(replies), loaded_.items().copies, deadline);
  if (outcome.destroyed) {  // by another request: this one must not bring it back
    context_.store->Erase(loaded_.address().local_key());
    loaded_.NoteDestroyedMeanwhile();
    return Status::Ok();
  }
  if (outcome.acks == 0 && outcome.unsure && (outcome.too_large || outcome.unreadable)) ForgetWrite();
  if (outcome.acks == 0 && outcome.too_large) return RefuseForSize(outcome, payload_.size());
  if (outcome.acks == 0 && outcome.unreadable) {
    loaded_.must_write = false;
    return Error(ErrorCode::kUnavailable, "a node holds this session " + WhyUnreadable(*outcome.unreadable) +
                                              "; the changes of this request were not saved [CS-UNREADABLE]");
  }
  const bool news = IsNews() || outcome.version != version_;  // or a record of somebody else's was met
  if (news) TellNews(context_, loaded_.address(), outcome.holders);
  return FinishCommit(outcome, payload_, sent_at_, news);
}

// Whether other servers may have copies that are past once a node has this write: it is a takeover, ends what a
// tombstone says, or begins a session that others may have begun as well, as its ID is not of this request's making.
bool Committer::IsNews() const {
  const bool first = loaded_.version() == 0 && !open_.created.Has(loaded_.address().id());
  return first || loaded_.Is(kEntryTakeoverPending) || loaded_.Is(kEntryTombstone) || loaded_.Is(kEntryNewsDue);
}

// A node may hold a write that was refused, and what it has merged. The entry knows nothing of that, so what is written
// next must not claim to: the node's record is a branch then. A reader asks first.
void Committer::ForgetWrite() {
  loaded_.image.SetSince(SinceNow(context_));
  loaded_.entry.confirmed_at_ns = 0;
  if (loaded_.version() != 0) (void)PutEntry(context_, &loaded_, open_.Now()).ok();
}

Status Committer::RefuseForSize(const WriteOutcome& outcome, size_t payload_size) {
  open_.counters().too_large.Add();
  loaded_.entry.flags &= ~uint32_t{kEntryTakeoverPending};  // nothing more to try in this request
  loaded_.must_write = false;
  return Error(ErrorCode::kTooLarge,
               "a session of " + std::to_string(payload_size) + " bytes is too large for node " +
                   outcome.size_max_node + " (item_size_max " + std::to_string(outcome.size_max) +
                   " bytes; memcached -I raises it): it was not saved, the one before stays [CS-TOO-LARGE]");
}

// write=behind: what only this server can know of may wait in its memory. What others must see at once may not: a
// takeover, a merge of branches, a laggard's repair, a session that is started anew; nor anything where the next
// request may be another server's, which holds the lock then and must see it.
bool Committer::MayWriteBehind(std::string_view payload) const {
  if (context_.settings.write != WriteMode::kBehind || context_.shared == nullptr || context_.pool == 0) return false;
  if (context_.settings.lock == LockMode::kCluster) return false;
  if (loaded_.must_write || loaded_.Is(kEntryTakeoverPending) || loaded_.Is(kEntryTombstone)) return false;
  // A session that no node takes is an error for its request, not for a thread that nobody sees.
  if (payload.size() + kRecordHeaderMax + kSealMax >= context_.nodes->SmallestItemMax()) return false;
  return context_.store->UnreplicatedCount() < context_.settings.behind_max;
}

// False: there is no room here, or the pool has lost its number.
bool Committer::CommitBehind(std::string_view payload) {
  const TimePoint now = open_.Now();
  const SessionAddress& address = loaded_.address();
  Entry entry = loaded_.entry;
  entry.version = loaded_.version() + 1;
  entry.epoch = loaded_.epoch();
  entry.flags = kEntryUnreplicated | (IsNews() ? kEntryNewsDue : 0u);
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.pool = context_.pool;
  entry.home_node = address.HomeNode();
  Image image;
  image.SetSince(loaded_.image.since());
  image.SetAncestry(SuccessorOf(context_, loaded_));
  image.SetPayload(payload);
  if (!context_.store->Put(address.local_key(), entry, image.bytes(), now).ok()) return false;
  // Nobody could write it for this pool any more: the nodes are told now.
  if (!PoolIsKept(context_, entry.pool)) return false;
  open_.created.Forget(address.id());
  loaded_.image = std::move(image);
  loaded_.NoteWritten(entry);
  open_.counters().deferred_writes.Add();
  NoteUnreplicated(context_, entry.pool);
  return true;
}

Status Committer::FinishCommit(const WriteOutcome& outcome, std::string_view payload, TimePoint sent_at, bool news) {
  open_.created.Forget(loaded_.address().id());
  const TimePoint now = open_.Now();
  Entry next = NextEntry(outcome, now);
  if (outcome.acks > 0) next.confirmed_at_ns = ToNanos(sent_at);
  if (outcome.acks == 0 && news) next.flags |= kEntryNewsDue;
  loaded_.NoteWritten(next);
  if (outcome.payload_changed) payload = outcome.payload;
  if (payload.data() != loaded_.image.payload().data()) loaded_.image.SetPayload(payload);
  loaded_.image.SetAncestry(outcome.ancestry);
  if (outcome.ownership_lost && HasFault(ProtocolFault::kLostOwnershipForgets)) {
    context_.store->Erase(loaded_.address().local_key());
    return Status::Ok();
  }
  if (outcome.ownership_lost && outcome.acks > 0) {
    LeaveToOwner(now);
    return Status::Ok();
  }
  const Status stored = PutEntry(context_, &loaded_, now);
  if (outcome.acks > 0) return Status::Ok();
  if (!stored.ok()) {
    return Error(stored.error().code(),
                 "no node took the session, and clustered_session.local_memory has no room for it (" +
                     stored.error().message() + "): this request's changes are lost [CS-NO-ROOM]");
  }
  NoteUnreplicated(context_, loaded_.entry.pool);
  return Status::Ok();
}

// The other server's now: the next request of this session here asks the nodes, and takes it over. The entry stays, as
// it knows what this server has written; but without a session lock, requests that have read before would take the
// session over by what they find there, so it goes.
void Committer::LeaveToOwner(TimePoint now) {
  const Entry written = loaded_.entry;
  ++loaded_.entry.epoch;
  loaded_.entry.flags |= kEntryTakeoverPending;
  BeginGrace(context_, now, &loaded_.entry);
  const bool kept = context_.settings.lock != LockMode::kNone && PutEntry(context_, &loaded_, now).ok();
  if (!kept) context_.store->Erase(loaded_.address().local_key());
  loaded_.entry = written;  // this request takes nothing over
}

// The entry of what was written.
Entry Committer::NextEntry(const WriteOutcome& outcome, TimePoint now) {
  const uint32_t wanted = loaded_.items().copies;
  Entry entry = loaded_.entry;
  entry.version = outcome.version;
  entry.epoch = outcome.epoch;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.flags = 0;
  if (outcome.acks == 0) {
    entry.flags = HasFault(ProtocolFault::kUnreplicatedForgotten) ? kEntryUnderReplicated : kEntryUnreplicated;
    open_.counters().unreplicated.Add();
    if (outcome.ownership_lost) {  // but only this server has what both have written: it takes the session back
      ++entry.epoch;
      BeginGrace(context_, now, &entry);
      open_.counters().takeovers.Add();
    }
    return entry;
  }
  if (outcome.acks < wanted) {
    entry.flags = kEntryUnderReplicated;
    open_.counters().under_replicated.Add();
  } else if (!outcome.on_first) {
    entry.flags = kEntryStandsIn;
  }
  entry.nodes_expire_at_ns = ToNanos(now + RecordTimeToLive(loaded_.lifetime_s, outcome.ancestry.LifetimeOfEnded()));
  return entry;
}

// Single-server mode: the local copy is the only one.
Status Committer::CommitHere(std::string_view payload) {
  if (payload.size() + Image::kHeaderSizeMax > context_.store->PayloadMax()) {
    open_.counters().too_large.Add();
    return Error(ErrorCode::kTooLarge,
                 "a session of " + std::to_string(payload.size()) +
                     " bytes is too large for clustered_session.local_memory (at most " +
                     std::to_string(context_.store->PayloadMax() - Image::kHeaderSizeMax) +
                     " bytes), and there is no node to hold it: it was not saved, the one before stays [CS-TOO-LARGE]");
  }
  const TimePoint now = open_.Now();
  const Ancestry next = SuccessorOf(context_, loaded_);
  Entry entry;
  entry.version = loaded_.version() + 1;
  entry.epoch = loaded_.epoch();
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  loaded_.NoteWritten(entry);
  if (payload.data() != loaded_.image.payload().data()) loaded_.image.SetPayload(payload);
  loaded_.image.SetAncestry(next);
  if (Status status = PutEntry(context_, &loaded_, now); !status.ok()) {
    return Error(status.error().code(), "clustered_session.local_memory has no room for the session (" +
                                            status.error().message() +
                                            "), and there is no node to hold it [CS-NO-ROOM]");
  }
  return Status::Ok();
}

}  // namespace clustered_session
