// The destroy path: tombstones on all nodes, then here. See docs/protocol.md, 'Destroy'. Layer: session.
#include <algorithm>
#include <utility>

#include "src/session/replicator.h"
#include "src/session/session.h"

namespace clustered_session {

Status Session::Destroy(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) return Status::Ok();  // nothing can exist under it
  if (!ReadCompleted(id)) {
    // No lock and no read: a tombstone is conditional like any write, and a late write meets it.
    Reset();
    SetLoaded(id, lifetime_s);
    if (context_.store->Lookup(loaded_.key, context_.clock->Now(), &loaded_.entry, nullptr)) ServeEntry();
  }
  loaded_.lifetime_s = lifetime_s;
  counters().destroys.Add();
  const bool nobody_knows_it = Created(id) && loaded_.version == 0;
  if (nobody_knows_it) {
    context_.store->Erase(loaded_.key);
  } else {
    WriteTombstone();
  }
  loaded_.complete = false;  // nothing of it is written any more; the lock stays until close
  return Status::Ok();
}

void Session::WriteTombstone() {
  uint32_t acks = 0;
  uint64_t version = loaded_.version + 1;
  uint64_t epoch = loaded_.epoch;
  // Must outlive every copy of the session that a node or another server may still hold.
  const auto ttl = std::chrono::seconds(loaded_.lifetime_s) * 2 + std::chrono::minutes(2);
  if (!SingleServer()) {
    Record tombstone;
    tombstone.flags = kRecordTombstone;
    tombstone.version = version;
    tombstone.epoch = epoch;
    tombstone.instance = context_.store->instance();
    tombstone.lifetime_s = loaded_.lifetime_s;
    Placement();
    Replicator replicator(context_, loaded_.storage_key, loaded_.placement, &loaded_.tokens, &notices_);
    const WriteOutcome outcome =
        replicator.Write(tombstone, {loaded_.version, {}}, static_cast<uint32_t>(context_.nodes->size()), ttl,
                         StoreDeadline(context_.clock->Now()));
    acks = outcome.acks;
    version = outcome.version;
    epoch = outcome.epoch;
  }
  const TimePoint now = context_.clock->Now();
  Entry entry;
  entry.version = version;
  entry.epoch = epoch;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = ToNanos(now + ttl);
  entry.flags = kEntryTombstone;
  if (!SingleServer()) {
    if (acks == 0) entry.flags |= kEntryUnreplicated;
    if (acks > 0) entry.confirmed_at_ns = ToNanos(now);
    if (acks > 0 && acks < context_.nodes->size()) entry.flags |= kEntryUnderReplicated;
  }
  loaded_.entry = entry;
  loaded_.payload.clear();
  loaded_.exists = false;
  loaded_.version = version;
  if (!PutEntry(now).ok()) context_.store->Erase(loaded_.key);
}

void Session::DestroyLater(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) return;
  request_->deferred.push_back({std::string(id), lifetime_s});
  if (ReadCompleted(id)) loaded_.complete = false;
}

void Session::FlushDeferred() {
  const std::vector<DeferredDestroy> deferred = std::exchange(request_->deferred, {});
  for (const DeferredDestroy& destroy : deferred) {
    Session other(context_, request_);
    if (Status status = other.Destroy(destroy.session_id, destroy.lifetime_s); !status.ok()) {
      notices_.push_back({true, status.error().message()});
    }
    for (Notice& notice : other.TakeNotices()) notices_.push_back(std::move(notice));
  }
}

}  // namespace clustered_session
