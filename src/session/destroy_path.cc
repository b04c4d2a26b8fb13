// The destroy path, see destroy_path.h. Layer: session.
#include "src/session/destroy_path.h"

#include <algorithm>

#include "src/session/survey.h"

namespace clustered_session {
namespace {

// What is to end: all lives that are known of the ID, but those that have ended already.
void Include(const Ancestry& found, Ancestry* all) {
  all->lives.Absorb(found.lives);
  all->ended.Absorb(found.ended);
  all->lifetime_max_s = std::max(all->lifetime_max_s, found.lifetime_max_s);
}

}  // namespace

bool DestroyPath::LookUpHere() {
  const SessionKey& key = loaded_.address().local_key();
  const bool have = context_.store->Lookup(key, open_.Now(), &loaded_.entry, loaded_.image.buffer());
  if (have && loaded_.image.Valid()) return true;
  loaded_.Clear();
  return false;
}

Result<bool> DestroyPath::LookUp() {
  const bool have = LookUpHere();
  if (open_.SingleServer()) return have;
  Survey survey(&open_, &loaded_.items(), NodeDeadline(context_, open_.Now()));
  survey.Ask(loaded_.items().placement);
  open_.counters().node_reads.Add();
  if (!survey.Conclusive()) survey.AskRest();
  if (!have && !survey.FoundAny()) {
    if (survey.Conclusive() && !survey.later_format()) return false;
    return Error(ErrorCode::kUnavailable,
                 "none of the nodes that may hold this session can be asked or read: it was not destroyed");
  }
  Ancestry all = loaded_.Known();
  for (const Survey::Answer& answer : survey.answers()) {
    if (answer.found) Include(answer.record.ancestry, &all);
  }
  loaded_.image.SetAncestry(all);
  return true;
}

void DestroyPath::LookUpRead(const Ancestry& known, bool only_here) {
  Ancestry all = known;
  if (LookUpHere()) Include(loaded_.Known(), &all);
  loaded_.image.SetAncestry(all);
  loaded_.client_stayed = only_here;
}

void DestroyPath::Destroy(Telling telling) {
  open_.counters().destroys.Add();
  if (OnlyHere() && EraseUnlessWritten()) return;
  WriteTombstone(&open_, &loaded_, telling);
}

bool DestroyPath::OnlyHere() const {
  if (loaded_.version() != 0) return false;
  if (open_.created.Has(loaded_.address().id())) return true;
  return loaded_.Is(kEntryLocalOnly) && loaded_.Is(kEntryMadeHere) && loaded_.client_stayed;
}

// False, and nothing is erased, if another request of this server has written the session since it was read.
bool DestroyPath::EraseUnlessWritten() {
  const SessionKey& key = loaded_.address().local_key();
  Entry current;
  const bool have = context_.store->Lookup(key, open_.Now(), &current, nullptr);
  if (have && (current.flags & kEntryLocalOnly) == 0) return false;
  context_.store->Erase(key);
  return true;
}

}  // namespace clustered_session
