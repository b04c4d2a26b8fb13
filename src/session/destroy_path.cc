// The destroy path, see destroy_path.h. Layer: session.
#include "src/session/destroy_path.h"

#include <algorithm>

namespace clustered_session {

void DestroyPath::LookUp() {
  const SessionKey& key = loaded_.address().local_key();
  const bool have = context_.store->Lookup(key, open_.Now(), &loaded_.entry, loaded_.image.buffer());
  if (!have || !loaded_.image.Valid()) loaded_.Clear();
}

void DestroyPath::LookUpRead(const Ancestry& known, bool only_here) {
  LookUp();
  Ancestry all = loaded_.Known();
  all.lives.Absorb(known.lives);
  all.ended.Absorb(known.ended);
  all.lifetime_max_s = std::max(all.lifetime_max_s, known.lifetime_max_s);
  loaded_.image.SetAncestry(all);
  loaded_.client_stayed = only_here;
}

void DestroyPath::Destroy(Telling telling, bool was_read) {
  open_.counters().destroys.Add();
  if (OnlyHere() && EraseUnlessWritten()) return;
  const bool knows_lives = was_read && !loaded_.Known().lives.empty();
  WriteTombstone(&open_, &loaded_, telling, knows_lives ? Ending::kKnownLives : Ending::kAllLives);
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
