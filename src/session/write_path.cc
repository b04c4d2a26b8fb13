// The write path: unchanged or changed, write through, local copy. See docs/protocol.md, 'Write'. Layer: session.
#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/conflict.h"
#include "src/session/lifetime.h"
#include "src/session/replicator.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"

namespace clustered_session {
Status Session::Write(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty) {
  return SettleReplaced(WriteChanged(id, payload, lifetime_s, empty));
}

Status Session::UpdateTimestamp(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared) {
  return SettleReplaced(Touch(id, payload, lifetime_s, compared));
}

// What became of the successor decides over the sessions that it replaces.
Status Session::SettleReplaced(Status status) {
  if (status.ok()) {
    DestroyReplaced();
  } else {
    KeepReplaced();
  }
  return status;
}

Status Session::WriteChanged(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty) {
  if (!ReadCompleted(id)) {  // SessionHandler-wrapped handlers write IDs that were never read
    if (Status status = Load(id, lifetime_s); !status.ok()) return status;
  }
  loaded_.lifetime_s = lifetime_s;
  // PHP says 'write' for an unchanged session too: if it is empty, or if session.lazy_write is off.
  if (loaded_.exists && payload == loaded_.image.payload()) return Touch(id, payload, lifetime_s, true);
  Status status;
  if (!loaded_.exists && (empty || IsEmpty(payload))) {
    status = KeepEmpty();
  } else {
    status = Commit(payload);
    if (status.ok()) counters().writes.Add();
  }
  return status;
}

Status Session::Touch(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared) {
  if (!ReadCompleted(id)) {
    if (Status status = Load(id, lifetime_s); !status.ok()) return status;
    compared = false;
  }
  loaded_.lifetime_s = lifetime_s;
  if (loaded_.exists && !compared && payload != loaded_.image.payload()) {
    return WriteChanged(id, payload, lifetime_s, false);
  }
  if (!loaded_.exists) return KeepEmpty();
  const TimePoint now = context_.clock->Now();
  if (!NodesNeedWrite(now)) {
    ExtendLocally(now);
    return Status::Ok();
  }
  Status status = Commit(payload);
  if (status.ok()) counters().refreshes.Add();
  return status;
}

// An empty $_SESSION is no bytes for the handlers php and php_binary, an empty array for php_serialize. Of other
// handlers only the caller can know.
bool Session::IsEmpty(std::string_view payload) const {
  return payload.empty() || (context_.settings.format == PayloadFormat::kPhpSerialize && payload == "a:0:{}");
}

// Whether the nodes must hear of an unchanged session.
bool Session::NodesNeedWrite(TimePoint now) {
  if (SingleServer()) return false;
  if (loaded_.must_write || (loaded_.entry.flags & kEntryTakeoverPending) != 0 || CopiesMissing()) return true;
  const TimePoint gone = FromNanos(loaded_.entry.nodes_expire_at_ns);
  const bool too_early = gone - kNodeClockTick < now + std::chrono::seconds(loaded_.lifetime_s);
  // The lifetime was longer when it was written.
  const bool too_late = gone > now + RecordTimeToLive(loaded_.lifetime_s);
  return (too_early || too_late) && !HasFault(ProtocolFault::kNeverRefreshed);
}

// Whether fewer nodes than wanted have this version, and enough of them work now to mend that.
bool Session::CopiesMissing() {
  const uint32_t flags = loaded_.entry.flags;
  if ((flags & (kEntryUnreplicated | kEntryUnderReplicated)) == 0) return false;
  const std::vector<uint32_t>& placement = Placement();
  const auto usable = static_cast<size_t>(std::count_if(
      placement.begin(), placement.end(), [this](uint32_t node) { return context_.nodes->WorthAsking(node); }));
  const size_t copies = (flags & kEntryTombstone) != 0 ? placement.size() : context_.settings.copies;
  return usable >= ((flags & kEntryUnreplicated) != 0 ? 1 : std::min<size_t>(copies, placement.size()));
}

// An empty session that no node knows stays here: most of them are bots, and losing one loses nothing.
Status Session::KeepEmpty() {
  if ((loaded_.entry.flags & kEntryTombstone) != 0) {  // told to the nodes that have not heard of it
    if (!SingleServer() && (loaded_.must_write || CopiesMissing())) RepeatTombstone();
    return Status::Ok();
  }
  const TimePoint now = context_.clock->Now();
  const bool known = (loaded_.entry.flags & kEntryLocalOnly) != 0;
  loaded_.entry.lifetime_s = loaded_.lifetime_s;
  if (known) {
    ExtendLocally(now);
    return Status::Ok();
  }
  loaded_.entry = Entry();
  loaded_.entry.epoch = loaded_.epoch;
  loaded_.entry.flags = kEntryLocalOnly | (Created(loaded_.id) ? kEntryMadeHere : 0u);
  loaded_.entry.lifetime_s = loaded_.lifetime_s;
  loaded_.entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  loaded_.entry.confirmed_at_ns = loaded_.read_at_ns;
  if (context_.settings.lock != LockMode::kNone) {
    (void)PutEntry(now).ok();
    return Status::Ok();
  }
  // Another request of this server may have begun the session meanwhile: then that is what is kept.
  Result<SessionLock> turn = context_.store->locks().Acquire(loaded_.key, StoreDeadline(now));
  if (!turn.ok()) return Status::Ok();
  Entry current;
  if (!context_.store->Lookup(loaded_.key, now, &current, nullptr)) (void)PutEntry(now).ok();
  context_.store->locks().Release(&*turn);
  return Status::Ok();
}

// Writes the payload to the nodes, then here. Without a session lock, the commits of this server's requests still take
// turns, and each starts from what the one before has left: they merge here, before a node is asked.
Status Session::Commit(std::string_view payload) {
  NoteLostLock();
  if (context_.settings.lock != LockMode::kNone) return CommitInTurn(payload);
  const TimePoint deadline = StoreDeadline(context_.clock->Now());
  Result<SessionLock> turn = context_.store->locks().Acquire(loaded_.key, deadline);
  if (!turn.ok()) loaded_.image.SetActor(NewActor());  // out of turn: a branch that the nodes will show
  std::string merged;
  Status status;
  if (!turn.ok() || CatchUp(&payload, &merged)) status = CommitInTurn(payload);
  if (turn.ok()) context_.store->locks().Release(&*turn);
  return status;
}

// Takes in what another request of this server has committed since this one read. False: it was destroyed.
bool Session::CatchUp(std::string_view* payload, std::string* merged) {
  if (HasFault(ProtocolFault::kNoTurns)) return true;
  Entry current;
  Image image;
  if (!context_.store->Lookup(loaded_.key, context_.clock->Now(), &current, image.buffer()) || !image.Valid()) {
    // What was committed since is not known here any more, nor whether a takeover was.
    loaded_.image.SetActor(NewActor());
    if (!Created(loaded_.id)) BeginGrace(context_.clock->Now());
    return true;
  }
  const bool same_record = image.fingerprint() != 0 && image.fingerprint() == loaded_.image.fingerprint();
  if (same_record && current.version == loaded_.version) {
    loaded_.image.SetActor(image.actor());  // others may have written under this request's, and been forgotten here
    return true;
  }
  const bool started_anew = image.life() > loaded_.image.life();
  const bool starts_anew = (loaded_.entry.flags & kEntryTombstone) != 0;  // this request as well: it joins the other
  if (((current.flags & kEntryTombstone) != 0 && loaded_.exists) || (started_anew && !starts_anew)) {
    counters().conflicts.Add();
    loaded_.must_write = false;
    return false;
  }
  // Versions alone do not tell: a read that has merged branches has taken in more without a version of its own.
  const VersionVector read = loaded_.image.vector();
  const VersionVector now_here = image.vector();
  if (!started_anew && read.SurelyCovers(now_here)) {
    loaded_.image.SetActor(read == now_here ? image.actor() : NewActor());
    return true;
  }
  counters().conflicts.Add();
  const bool only_here = (loaded_.entry.flags & kEntryUnreplicated) != 0;
  const bool from_base = now_here.Covers(read, only_here);
  std::optional<std::string> resolved =
      ResolveConflict(context_, from_base ? loaded_.image.payload() : std::string_view(), *payload, image.payload());
  // Mine, where that stands, may be a view of what is replaced below.
  *merged = resolved ? std::move(*resolved) : std::string(*payload);
  *payload = *merged;
  if (!from_base) {  // read anew since, from the nodes: what this request had read is a branch of it
    VersionVector both = now_here;
    if (!started_anew) both.Absorb(read);
    image.SetLineage(both, 0, image.life());
  }
  loaded_.image = std::move(image);
  const Entry before = std::exchange(loaded_.entry, current);
  if (before.epoch > current.epoch) {  // what is here now is of before this request's takeover
    loaded_.entry.epoch = before.epoch;
    loaded_.entry.grace_until_ns = before.grace_until_ns;
    loaded_.entry.flags |= before.flags & kEntryTakeoverPending;
  }
  // No writer may use a version again that it has used in what this request had read.
  if (!started_anew) loaded_.entry.version = std::max(current.version, before.version);
  loaded_.placement.clear();  // and with it the tokens, which the entry has newer
  ServeEntry();
  return true;
}

Status Session::CommitInTurn(std::string_view payload) {
  if (SingleServer()) return CommitHere(payload);
  if (MayWriteBehind(payload) && CommitBehind(payload)) return Status::Ok();
  return CommitToNodes(payload);
}

Status Session::CommitToNodes(std::string_view payload) {
  if (payload.size() > kRecordPayloadMax) return Error(ErrorCode::kTooLarge, "a session must be smaller than 2 GB");
  Record record;
  record.version = loaded_.version + 1;
  record.epoch = loaded_.epoch;
  record.instance = context_.store->instance();
  record.lifetime_s = loaded_.lifetime_s;
  WriteBase base{loaded_.image.vector(), loaded_.image.payload(), loaded_.image.actor()};
  base.only_here = (loaded_.entry.flags & kEntryUnreplicated) != 0;
  record.life = loaded_.image.life();
  if ((loaded_.entry.flags & kEntryTombstone) != 0) {
    ++record.life;
    base.started_anew = true;
    base.vector = VersionVector();  // a new life: whatever is of an earlier one is dead anyway
  }
  record.payload = payload;

  const std::chrono::seconds ttl = RecordTimeToLive(loaded_.lifetime_s);
  Placement();
  Replicator replicator(context_, loaded_.storage_key, loaded_.placement, &loaded_.tokens, &notices_);
  WriteOutcome outcome =
      replicator.Write(record, base, context_.settings.copies, ttl, StoreDeadline(context_.clock->Now()));
  if (outcome.destroyed) {  // by another request: this one must not bring it back
    context_.store->Erase(loaded_.key);
    loaded_.entry = Entry();
    loaded_.exists = false;
    loaded_.must_write = false;
    return Status::Ok();
  }
  if (outcome.acks == 0 && outcome.too_large) {
    counters().too_large.Add();
    loaded_.entry.flags &= ~uint32_t{kEntryTakeoverPending};  // nothing more to try in this request
    loaded_.must_write = false;
    return Error(ErrorCode::kTooLarge, "a session of " + std::to_string(payload.size()) +
                                           " bytes is too large for node " + outcome.size_max_node +
                                           " (item_size_max " + std::to_string(outcome.size_max) +
                                           " bytes; memcached -I raises it): it was not saved, the one before stays");
  }
  return FinishCommit(std::move(outcome), payload, ttl);
}

// write=behind: what only this server can know of may wait in its memory. What others must see at once may not: a
// takeover, a merge of branches, a laggard's repair, a session that is started anew; nor anything where the next
// request may be another server's, which holds the lock then and must see it.
bool Session::MayWriteBehind(std::string_view payload) const {
  constexpr uint32_t kAtOnce = kEntryTakeoverPending | kEntryTombstone;
  if (context_.settings.write != WriteMode::kBehind || context_.shared == nullptr || context_.pool == 0) return false;
  if (context_.settings.lock == LockMode::kCluster) return false;
  if (loaded_.must_write || (loaded_.entry.flags & kAtOnce) != 0) return false;
  // A session that no node takes is an error for its request, not for a thread that nobody sees.
  if (payload.size() + kRecordHeaderSize >= context_.nodes->SmallestItemMax()) return false;
  return context_.store->UnreplicatedCount() < context_.settings.behind_max;
}

// False: there is no room here, or the pool has lost its number.
bool Session::CommitBehind(std::string_view payload) {
  const TimePoint now = context_.clock->Now();
  Entry entry = loaded_.entry;
  entry.version = loaded_.version + 1;
  entry.epoch = loaded_.epoch;
  entry.flags = kEntryUnreplicated;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.pool = context_.pool;
  entry.home_node = HomeNode();
  VersionVector vector = loaded_.image.vector();
  vector.Advance(loaded_.image.actor(), entry.version);
  Image image;
  image.SetLineage(vector, 0, loaded_.image.life());
  image.SetActor(loaded_.image.actor());
  image.SetPayload(payload);
  if (!context_.store->Put(loaded_.key, entry, image.bytes(), now).ok()) return false;
  // Nobody could write it for this pool any more: the nodes are told now.
  if (!PoolIsKept(entry.pool)) return false;
  ForgetCreated();
  loaded_.image = std::move(image);
  loaded_.entry = entry;
  ServeEntry();
  counters().deferred_writes.Add();
  NoteUnreplicated();
  return true;
}

void Session::NoteUnreplicated() {
  if (context_.shared != nullptr) context_.shared->NotePending(loaded_.entry.pool);
}

// From here on others may know the ID.
void Session::ForgetCreated() {
  std::erase_if(created_ids_, [this](const std::string& created) { return loaded_.id.ends_with(created); });
}

Status Session::FinishCommit(WriteOutcome outcome, std::string_view payload, std::chrono::seconds ttl) {
  ForgetCreated();
  const TimePoint now = context_.clock->Now();
  const auto wanted = std::min<uint32_t>(context_.settings.copies, static_cast<uint32_t>(context_.nodes->size()));
  Entry& entry = loaded_.entry;
  entry.version = outcome.version;
  entry.epoch = outcome.epoch;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.flags = 0;
  if (outcome.acks == 0) {
    entry.flags = HasFault(ProtocolFault::kUnreplicatedForgotten) ? kEntryUnderReplicated : kEntryUnreplicated;
    counters().unreplicated.Add();
    if (outcome.ownership_lost) {  // but only this server has what both have written: it takes the session back
      ++entry.epoch;
      BeginGrace(now);
      counters().takeovers.Add();
    }
  } else {
    if (outcome.acks < wanted) {
      entry.flags = kEntryUnderReplicated;
      counters().under_replicated.Add();
    }
    entry.confirmed_at_ns = ToNanos(now);
    entry.nodes_expire_at_ns = ToNanos(now + ttl);
  }
  if (outcome.payload_changed) payload = outcome.payload;
  if (payload.data() != loaded_.image.payload().data()) loaded_.image.SetPayload(payload);
  loaded_.image.SetLineage(outcome.vector, outcome.fingerprint, outcome.life);
  ServeEntry();
  loaded_.must_write = false;
  // The other server's now: the next request of this session here asks the nodes.
  if (outcome.ownership_lost && (outcome.acks > 0 || HasFault(ProtocolFault::kLostOwnershipForgets))) {
    context_.store->Erase(loaded_.key);
    return Status::Ok();
  }
  const Status stored = PutEntry(now);
  if (outcome.acks == 0 && stored.ok()) NoteUnreplicated();
  if (outcome.acks == 0 && !stored.ok()) {
    return Error(stored.error().code(),
                 "no node took the session, and clustered_session.local_memory has no room for it (" +
                     stored.error().message() + "): this request's changes are lost");
  }
  return Status::Ok();
}

// Single-server mode: the local copy is the only one.
Status Session::CommitHere(std::string_view payload) {
  if (payload.size() + Image::kHeaderSizeMax > context_.store->PayloadMax()) {
    counters().too_large.Add();
    return Error(ErrorCode::kTooLarge,
                 "a session of " + std::to_string(payload.size()) +
                     " bytes is too large for clustered_session.local_memory (at most " +
                     std::to_string(context_.store->PayloadMax() - Image::kHeaderSizeMax) +
                     " bytes), and there is no node to hold it: it was not saved, the one before stays");
  }
  const TimePoint now = context_.clock->Now();
  const bool started_anew = (loaded_.entry.flags & kEntryTombstone) != 0;
  loaded_.entry = Entry();
  loaded_.entry.version = loaded_.version + 1;
  loaded_.entry.epoch = loaded_.epoch;
  loaded_.entry.lifetime_s = loaded_.lifetime_s;
  loaded_.entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  if (payload.data() != loaded_.image.payload().data()) loaded_.image.SetPayload(payload);
  loaded_.image.SetLineage({}, 0, loaded_.image.life() + (started_anew ? 1 : 0));
  ServeEntry();
  if (Status status = PutEntry(now); !status.ok()) {
    return Error(status.error().code(), "clustered_session.local_memory has no room for the session (" +
                                            status.error().message() + "), and there is no node to hold it");
  }
  return Status::Ok();
}

}  // namespace clustered_session
