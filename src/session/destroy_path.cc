// The destroy path: tombstones on all nodes, then here. See docs/protocol.md, 'Destroy'. Layer: session.
#include <algorithm>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/lifetime.h"
#include "src/session/replicator.h"
#include "src/session/session.h"

namespace clustered_session {

Status Session::Destroy(std::string_view id, uint32_t lifetime_s, bool only_here) {
  if (!ValidSessionId(id)) return Status::Ok();  // nothing can exist under it
  if (!ReadCompleted(id)) {
    // No lock and no read: a tombstone is conditional like any write, and a late write meets it.
    Reset();
    SetLoaded(id, lifetime_s);
    const TimePoint now = context_.clock->Now();
    const bool have = context_.store->Lookup(loaded_.key, now, &loaded_.entry, loaded_.image.buffer());
    if (have && loaded_.image.Valid()) {
      ServeEntry();
    } else {
      loaded_.image = Image();
      loaded_.image.SetActor(NewActor());
    }
    loaded_.client_stayed = only_here;
  }
  loaded_.lifetime_s = lifetime_s;
  counters().destroys.Add();
  if (!OnlyHere() || !EraseUnlessWritten()) WriteTombstone();
  loaded_.complete = false;  // nothing of it is written any more; the lock stays until close
  return Status::Ok();
}

// Whether nobody but this server can know of the session: it has made the ID, nothing was ever written under it, and no
// other server has served its client. Such are the sessions of bots, and of visitors who log in. An ID that a client
// has brought along is none of them: nodes that cannot be asked may have it, or another server's memory.
bool Session::OnlyHere() const {
  constexpr uint32_t kFlags = kEntryLocalOnly | kEntryMadeHere;
  if (loaded_.version != 0) return false;
  return Created(loaded_.id) || ((loaded_.entry.flags & kFlags) == kFlags && loaded_.client_stayed);
}

// False, and nothing is erased, if another request of this server has written the session since it was read.
bool Session::EraseUnlessWritten() {
  Entry current;
  const bool have = context_.store->Lookup(loaded_.key, context_.clock->Now(), &current, nullptr);
  if (have && (current.flags & kEntryLocalOnly) == 0) return false;
  context_.store->Erase(loaded_.key);
  return true;
}

void Session::WriteTombstone() {
  // Without a session lock, another request may have written since this one read.
  Entry current;
  const bool have = context_.store->Lookup(loaded_.key, context_.clock->Now(), &current, nullptr);
  const uint64_t version = std::max(loaded_.version, have ? current.version : 0) + 1;
  ReplicateTombstone(version, loaded_.entry.version != 0 ? loaded_.entry.epoch : loaded_.epoch, NewActor());
}

// A tombstone that some nodes have not heard of is told again as it was: what has been written since, under an ID that
// was started anew, stands.
void Session::RepeatTombstone() { ReplicateTombstone(loaded_.version, loaded_.entry.epoch, /*actor=*/0); }

void Session::ReplicateTombstone(uint64_t version, uint64_t epoch, uint32_t actor) {
  // Without a session lock, another request may have started it anew: perhaps that is nowhere but here.
  Image current;
  const bool have = context_.store->Lookup(loaded_.key, context_.clock->Now(), nullptr, current.buffer());
  if (have && current.Valid() && current.life() > loaded_.image.life()) {
    loaded_.exists = false;
    loaded_.must_write = false;
    return;
  }
  Record tombstone;
  tombstone.flags = kRecordTombstone;
  tombstone.version = version;
  tombstone.epoch = epoch;
  tombstone.instance = context_.store->instance();
  tombstone.lifetime_s = loaded_.lifetime_s;
  tombstone.life = loaded_.image.life();
  const std::chrono::seconds ttl = TombstoneTimeToLive(loaded_.lifetime_s);
  Entry entry;
  entry.version = tombstone.version;
  entry.epoch = tombstone.epoch;
  entry.flags = kEntryTombstone;
  if (!SingleServer()) {
    Placement();
    if (HasFault(ProtocolFault::kNoTombstone)) {
      for (const uint32_t node : loaded_.placement) {
        context_.nodes->member(node).node->Release(loaded_.storage_key, loaded_.tokens[node], TimePoint());
      }
      context_.store->Erase(loaded_.key);
      return;
    }
    Replicator replicator(context_, loaded_.storage_key, loaded_.placement, &loaded_.tokens, &notices_);
    const auto everywhere = HasFault(ProtocolFault::kTombstoneOnCopies) ? context_.settings.copies
                                                                        : static_cast<uint32_t>(context_.nodes->size());
    const WriteOutcome outcome = replicator.Write(tombstone, {loaded_.image.vector(), {}, actor}, everywhere, ttl,
                                                  StoreDeadline(context_.clock->Now()));
    if (outcome.superseded) {
      context_.store->Erase(loaded_.key);
      loaded_.must_write = false;
      return;
    }
    loaded_.image.SetLineage(outcome.vector, outcome.fingerprint, outcome.life);
    entry.version = outcome.version;
    entry.epoch = outcome.epoch;
    if (outcome.acks == 0) entry.flags |= kEntryUnreplicated;
    if (outcome.acks > 0) entry.confirmed_at_ns = ToNanos(context_.clock->Now());
    if (outcome.acks > 0 && outcome.acks < everywhere) entry.flags |= kEntryUnderReplicated;
  }
  const TimePoint now = context_.clock->Now();
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = ToNanos(now + ttl);
  loaded_.entry = entry;
  loaded_.image.SetPayload({});
  loaded_.exists = false;
  loaded_.must_write = false;
  loaded_.version = entry.version;
  if (!PutEntry(now).ok()) {
    context_.store->Erase(loaded_.key);
  } else if ((entry.flags & kEntryUnreplicated) != 0) {
    NoteUnreplicated();
  }
}

void Session::DestroyLater(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) return;
  replaced_ = std::exchange(replaces_, {});  // it is given up before it was written
  const bool nobody_knows_it = Created(id) && loaded_.version == 0;
  if (!nobody_knows_it) {
    replaced_.push_back({kept_context_, std::string(id), lifetime_s, ReadCompleted(id) && OnlyHere()});
  }
  if (ReadCompleted(id)) loaded_.complete = false;
}

void Session::DestroyReplaced() {
  for (const ReplacedSession& replaced : std::exchange(replaces_, {})) {
    Session other(replaced.context);
    Status status = other.Destroy(replaced.session_id, replaced.lifetime_s, replaced.only_here);
    if (!status.ok()) {
      notices_.push_back({true, status.error().message()});
    }
    for (Notice& notice : other.TakeNotices()) notices_.push_back(std::move(notice));
  }
}

}  // namespace clustered_session
