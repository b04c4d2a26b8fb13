// One state out of what this server and the nodes have, see reconcile.h. Layer: session.
#include "src/session/reconcile.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/conflict.h"
#include "src/session/entry_path.h"
#include "src/session/lifetime.h"

namespace clustered_session {
namespace {

// Until when every read asks the nodes, once a record of theirs has become this server's entry.
int64_t GraceUntil(const OpenScope& open, const LoadedSession& loaded, const Record& record, TimePoint now) {
  if (record.tombstone()) return 0;
  const bool mine = record.instance == open.context.store->instance();
  const bool known = loaded.version() != 0 && !loaded.Is(kEntryTombstone);
  // A late write of the server before is no end of it. Without an entry nobody knows any more when this server has
  // taken it over.
  return mine && known ? loaded.entry.grace_until_ns : ToNanos(now + open.context.settings.takeover_grace);
}

// The nodes know better: a record of theirs becomes this server's entry, taken over if another instance owned it.
void Adopt(OpenScope* open, LoadedSession* loaded, const Record& record, TimePoint now) {
  const bool mine = record.instance == open->context.store->instance();
  const bool takeover = !mine && !record.tombstone();
  Entry entry;
  entry.version = record.version;
  entry.epoch = takeover ? record.epoch + 1 : record.epoch;
  entry.lifetime_s = loaded->lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded->lifetime_s);
  entry.confirmed_at_ns = ToNanos(now);
  entry.grace_until_ns = GraceUntil(*open, *loaded, record, now);
  if (record.tombstone()) entry.flags = kEntryTombstone;
  if (takeover) {
    if (!HasFault(ProtocolFault::kTakeoverNotWritten)) entry.flags = kEntryTakeoverPending;
    open->counters().takeovers.Add();
  }
  loaded->image.SetPayload(record.payload);
  loaded->image.SetLineage(record.vector, record.fingerprint, record.life);
  // Of its own record this server may have written a successor that it has lost since. Without an entry it may have
  // written anything: then the actor is a new one already.
  if (mine) loaded->image.SetActor(NewActor(open->context));
  loaded->entry = entry;
}

// A branch of the same life that nobody has merged yet: the keys of both stay.
void MergeBranch(OpenScope* open, LoadedSession* loaded, const VersionVector& vector, std::string_view payload,
                 uint64_t version) {
  if (HasFault(ProtocolFault::kBranchesLeftOut)) return;
  open->counters().conflicts.Add();
  Image& image = loaded->image;
  VersionVector merged = image.vector();
  merged.Absorb(vector);
  if (open->context.settings.on_conflict == ConflictRule::kMerge) {
    if (std::optional<std::string> both = ResolveConflict(open->context, {}, image.payload(), payload)) {
      image.SetPayload(*both);
    }
  }  // else the one that is later by epoch and version stands
  image.SetLineage(merged, 0, image.life());
  loaded->entry.version = std::max(loaded->entry.version, version);
  loaded->must_write = true;
}

}  // namespace

bool Reconcile(OpenScope* open, LoadedSession* loaded, const Survey& survey, bool have_entry, TimePoint now) {
  const Ancestry known = loaded->Known();
  std::vector<const Survey::Answer*> heads = survey.Heads(known);
  if (heads.empty()) return have_entry;
  const Record& last = heads.back()->record;
  const bool superseded = !have_entry || std::any_of(heads.begin(), heads.end(), [&](const Survey::Answer* head) {
    return LineageOf(head->record, known) == Lineage::kDescendant;
  });
  if (superseded || last.order() > RecordOrder{loaded->entry.epoch, loaded->entry.version}) {
    const Image before = loaded->image;
    const Entry entry_before = loaded->entry;
    Adopt(open, loaded, last, now);
    heads.pop_back();
    if (!superseded) {  // a branch too, and one that may be nowhere else
      loaded->entry.flags |= entry_before.flags & kEntryUnreplicated;
      MergeBranch(open, loaded, before.vector(), before.payload(), entry_before.version);
    }
  }
  for (const Survey::Answer* head : heads) {
    MergeBranch(open, loaded, head->record.vector, head->record.payload, head->record.version);
  }
  // No room here is no failure: the session is served from the nodes.
  (void)PutEntry(open->context, loaded, now).ok();
  return true;
}

}  // namespace clustered_session
