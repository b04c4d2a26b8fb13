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
#include "src/session/succession.h"

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
  entry.confirmed_at_ns = loaded->read_at_ns;
  entry.grace_until_ns = GraceUntil(*open, *loaded, record, now);
  if (record.tombstone()) entry.flags = kEntryTombstone;
  if (takeover) {
    if (!HasFault(ProtocolFault::kTakeoverNotWritten)) entry.flags = kEntryTakeoverPending;
    open->counters().takeovers.Add();
    loaded->taken_over = true;
    loaded->taken_epoch = record.epoch;
  }
  loaded->image.SetPayload(record.payload);
  loaded->image.SetAncestry(record.ancestry);
  // A write of its own that this server did not know may have a successor that it does not know either.
  if (record.ancestry.dot.actor == ActorOf(open->context)) loaded->image.SetSince(SinceNow(open->context));
  loaded->entry = entry;
}

// A branch that nobody has merged yet: the keys of both stay. Of an end that has nothing to do with this life, only
// what has ended.
void MergeBranch(OpenScope* open, LoadedSession* loaded, const Ancestry& ancestry, std::string_view payload,
                 uint64_t version) {
  if (HasFault(ProtocolFault::kBranchesLeftOut)) return;
  Image& image = loaded->image;
  if (ancestry.tombstone) {
    Ancestry told = image.ancestry();
    CountOverflow(open->context, told.ended.Absorb(ancestry.ended));
    image.SetAncestry(told);
    return;
  }
  open->counters().conflicts.Add();
  if (open->context.settings.on_conflict == ConflictRule::kMerge) {
    if (std::optional<std::string> both = ResolveConflict(open->context, {}, image.payload(), payload)) {
      image.SetPayload(*both);
    }
  }  // else the one that is later by epoch and version stands
  AbsorbBranch(open->context, ancestry, &image);
  loaded->entry.version = std::max(loaded->entry.version, version);
  loaded->entry.flags |= kEntryNewsDue;  // who has written the branch has a copy that is past
  loaded->must_write = true;
}

bool AnyIs(const std::vector<const Survey::Answer*>& heads, Lineage lineage, const Ancestry& known) {
  return std::any_of(heads.begin(), heads.end(),
                     [&](const Survey::Answer* head) { return LineageOf(head->record.ancestry, known) == lineage; });
}

// Nothing but ends was found that this server does not know. True: this session has ended.
bool Ends(const std::vector<const Survey::Answer*>& ends, bool have_entry, const Ancestry& known) {
  return !have_entry || known.tombstone || AnyIs(ends, Lineage::kDescendant, known);
}

// Of what has ended, all lives have: some may be known by nothing but a record that is about to be replaced. False:
// nothing new.
bool EndBeside(OpenScope* open, LoadedSession* loaded, const Survey& survey, const Ancestry& before) {
  Ancestry told;
  const Ancestry known = loaded->Known();
  (void)told.ended.AddAll(known.EndedBeside(before));
  for (const Survey::Answer& answer : survey.answers()) {
    if (answer.found) (void)told.ended.AddAll(known.EndedBeside(answer.record.ancestry));
  }
  if (told.ended.empty()) return false;
  if (known.tombstone) {
    Ancestry end = loaded->image.ancestry();
    CountOverflow(open->context, end.ended.Absorb(told.ended));
    end.fingerprint = 0;
    loaded->image.SetAncestry(end);
  } else {
    AbsorbBranch(open->context, told, &loaded->image);
  }
  loaded->must_write = true;
  return true;
}

}  // namespace

bool Reconcile(OpenScope* open, LoadedSession* loaded, const Survey& survey, bool have_entry, TimePoint now) {
  const Ancestry known = loaded->Known();
  std::vector<const Survey::Answer*> heads = survey.Heads(known);
  if (heads.empty()) {
    if (have_entry && EndBeside(open, loaded, survey, known)) (void)PutEntry(open->context, loaded, now).ok();
    return have_entry;
  }
  // Sessions come last, the one to show first at the end.
  const auto first_session = std::stable_partition(heads.begin(), heads.end(),
                                                   [](const Survey::Answer* head) { return head->record.tombstone(); });
  const bool only_ends = first_session == heads.end();
  const Record& last = heads.back()->record;
  const bool superseded = only_ends ? Ends(heads, have_entry, known)
                                    : !have_entry || known.tombstone || AnyIs(heads, Lineage::kDescendant, known);
  const bool shown_first = !only_ends && last.order() > RecordOrder{loaded->entry.epoch, loaded->entry.version};
  if (superseded || shown_first) {
    const Image before = loaded->image;
    const Entry entry_before = loaded->entry;
    Adopt(open, loaded, last, now);
    heads.pop_back();
    if (!superseded) {  // a branch too, and one that may be nowhere else
      loaded->entry.flags |= entry_before.flags & kEntryUnreplicated;
      MergeBranch(open, loaded, known, before.payload(), entry_before.version);
    } else if (known.tombstone) {
      MergeBranch(open, loaded, known, {}, 0);
    }
  }
  for (const Survey::Answer* head : heads) {
    MergeBranch(open, loaded, head->record.ancestry, head->record.payload, head->record.version);
  }
  EndBeside(open, loaded, survey, known);
  // No room here is no failure: the session is served from the nodes.
  (void)PutEntry(open->context, loaded, now).ok();
  return true;
}

}  // namespace clustered_session
