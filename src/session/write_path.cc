// The write path, see write_path.h. It reads top to bottom like docs/protocol.md, 'Write'. Layer: session.
#include "src/session/write_path.h"

#include <algorithm>
#include <vector>

#include "src/base/protocol_fault.h"
#include "src/session/commit.h"
#include "src/session/entry_path.h"
#include "src/session/lifetime.h"
#include "src/session/succession.h"
#include "src/session/tombstone.h"

namespace clustered_session {

Status WritePath::Write(std::string_view payload, bool empty) {
  // PHP says 'write' for an unchanged session too: if it is empty, or if session.lazy_write is off.
  if (loaded_.exists() && payload == loaded_.image.payload()) return KeepUnchanged(payload);
  if (!loaded_.exists() && (empty || IsEmpty(payload))) return KeepNothing();
  Status status = Committer(&open_, &loaded_).Commit(payload);
  if (status.ok()) {
    open_.counters().writes.Add();
    open_.counters().session_size.Add(payload.size());
  }
  return status;
}

Status WritePath::Touch(std::string_view payload, bool compared) {
  if (!loaded_.exists()) return KeepNothing();
  if (!compared && payload != loaded_.image.payload()) return Write(payload, /*empty=*/false);
  return KeepUnchanged(payload);
}

Status WritePath::WriteOwed() {
  if (loaded_.exists()) return Committer(&open_, &loaded_).Commit(loaded_.image.payload());
  return KeepNothing();
}

// A session that was used, and is as it was.
Status WritePath::KeepUnchanged(std::string_view payload) {
  const TimePoint now = open_.Now();
  if (!NodesNeedWrite(now) && ExtendEntry(context_, &loaded_, now)) return Status::Ok();
  Status status = Committer(&open_, &loaded_).Commit(payload);
  if (status.ok()) open_.counters().refreshes.Add();
  return status;
}

// An empty $_SESSION is no bytes for the handlers php and php_binary, an empty array for php_serialize. Of other
// handlers only the caller can know.
bool WritePath::IsEmpty(std::string_view payload) const {
  return payload.empty() || (context_.settings.format == PayloadFormat::kPhpSerialize && payload == "a:0:{}");
}

// Whether the nodes must hear of an unchanged session.
bool WritePath::NodesNeedWrite(TimePoint now) {
  if (loaded_.taken_in) return true;
  if (open_.SingleServer()) return false;
  if (loaded_.OwesWrite() || CopiesMissing()) return true;
  const TimePoint gone = FromNanos(loaded_.entry.nodes_expire_at_ns);
  const bool too_early = gone - kNodeClockTick < now + std::chrono::seconds(loaded_.lifetime_s);
  // The lifetime was longer when it was written.
  const bool too_late = gone > now + RecordTimeToLive(loaded_.lifetime_s, loaded_.image.LifetimeOfEnded());
  return (too_early || too_late) && !HasFault(ProtocolFault::kNeverRefreshed);
}

// Whether fewer nodes than wanted have this version, and enough of them work now to mend that.
bool WritePath::CopiesMissing() {
  const bool on_none = loaded_.Is(kEntryUnreplicated);
  if (!on_none && !loaded_.Is(kEntryUnderReplicated)) return false;
  const std::vector<uint32_t>& placement = loaded_.items().placement;
  const auto usable = static_cast<size_t>(std::count_if(
      placement.begin(), placement.end(), [this](uint32_t node) { return context_.nodes->WorthAsking(node); }));
  const size_t copies = loaded_.Is(kEntryTombstone) ? placement.size() : loaded_.items().copies;
  return usable >= (on_none ? 1 : std::min<size_t>(copies, placement.size()));
}

// Nothing is in the session, and no node knows anything of it but, perhaps, that it was destroyed. That is told to the
// nodes that have not heard of it. Else the session stays here: most such are bots', and losing one loses nothing.
Status WritePath::KeepNothing() {
  if (loaded_.Is(kEntryTombstone)) {
    if (!open_.SingleServer() && (loaded_.must_write || CopiesMissing())) RepeatTombstone(&open_, &loaded_);
    return Status::Ok();
  }
  const TimePoint now = open_.Now();
  if (loaded_.Is(kEntryLocalOnly)) {
    loaded_.entry.lifetime_s = loaded_.lifetime_s;
    (void)ExtendEntry(context_, &loaded_, now);
  } else {
    StoreEmpty(now);
  }
  return Status::Ok();
}

void WritePath::StoreEmpty(TimePoint now) {
  const SessionAddress& address = loaded_.address();
  Entry entry;
  entry.epoch = loaded_.epoch();
  entry.flags = kEntryLocalOnly | (open_.created.Has(address.id()) ? kEntryMadeHere : 0u);
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.confirmed_at_ns = loaded_.read_at_ns;
  loaded_.entry = entry;
  loaded_.image.SetSince(SinceNow(context_));  // others may have written since this request read, and been forgotten
  if (context_.settings.lock != LockMode::kNone) {
    (void)PutEntry(context_, &loaded_, now).ok();
    return;
  }
  // Another request of this server may have begun the session meanwhile: then that is what is kept.
  Result<SessionLock> turn = context_.store->locks().Acquire(address.local_key(), NodeDeadline(context_, now));
  if (!turn.ok()) return;
  Entry current;
  const bool begun = context_.store->Lookup(address.local_key(), now, &current, nullptr);
  if (!begun) (void)PutEntry(context_, &loaded_, now).ok();
  context_.store->locks().Release(&*turn);
}

}  // namespace clustered_session
