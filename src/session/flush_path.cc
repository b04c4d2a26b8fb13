// An unreplicated entry is written for no request, see flush_path.h. Layer: session.
#include "src/session/flush_path.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/session/commit.h"
#include "src/session/tombstone.h"

namespace clustered_session {
namespace {

// No node takes it, nor will one the next time: it goes on as this server's own, and may be evicted.
void GiveUpReplication(OpenScope* open, LoadedSession* loaded, const Error& error) {
  open->notices.push_back({false, "a session stays on this server only: " + error.message() + " [CS-LOCAL-ONLY]"});
  const Entry before = loaded->entry;
  loaded->entry.flags = (before.flags & ~uint32_t{kEntryUnreplicated}) | kEntryUnderReplicated;
  open->context.store->Update(loaded->address().local_key(), before, loaded->image.dot_bytes(), loaded->entry);
}

FlushOutcome Write(OpenScope* open, LoadedSession* loaded, TimePoint now) {
  FlushOutcome outcome = FlushOutcome::kWritten;
  if (loaded->Is(kEntryTombstone)) {
    loaded->lifetime_s = loaded->entry.lifetime_s;
    RepeatTombstone(open, loaded);
  } else {
    const int64_t left_s = (loaded->entry.expires_at_ns - ToNanos(now)) / 1'000'000'000 + 1;
    loaded->lifetime_s = static_cast<uint32_t>(std::max<int64_t>(left_s, 1));
    const Status status = Committer(open, loaded).CommitToNodes(loaded->image.payload());
    if (!status.ok()) {
      // What only other servers can read gives way sooner or later; until then nothing of this may be evicted.
      if (status.error().code() == ErrorCode::kUnavailable) return FlushOutcome::kNoNode;
      GiveUpReplication(open, loaded, status.error());
      outcome = FlushOutcome::kGone;
    }
  }
  return loaded->Is(kEntryUnreplicated) ? FlushOutcome::kNoNode : outcome;
}

// Under the session's lock, like any write: in lock=none as the turn of a commit.
FlushOutcome FlushLocked(OpenScope* open, const SessionKey& local_key, uint8_t pool) {
  const TimePoint now = open->Now();
  Entry entry;
  Image image;
  const bool have = open->context.store->Lookup(local_key, now, &entry, image.buffer());
  const bool due = have && (entry.flags & kEntryUnreplicated) != 0 && entry.pool == pool;
  if (!due || !image.Valid()) return FlushOutcome::kGone;
  LoadedSession loaded(open->context, SessionAddress(open->context, local_key, entry.home_node), entry.lifetime_s);
  loaded.entry = entry;
  loaded.image = std::move(image);
  const FlushOutcome outcome = Write(open, &loaded, now);
  if (outcome == FlushOutcome::kWritten) open->counters().flushed.Add();
  return outcome;
}

}  // namespace

FlushOutcome FlushEntry(const std::shared_ptr<const SessionContext>& context, const SessionKey& local_key, uint8_t pool,
                        std::vector<Notice>* notices) {
  OpenScope open(context);
  FlushOutcome outcome = FlushOutcome::kNoNode;
  if (AnyNodeWorthAsking(*context->nodes)) {
    outcome = open.locks.TryLocal(local_key) ? FlushLocked(&open, local_key, pool) : FlushOutcome::kBusy;
  }
  open.locks.Release();
  for (Notice& notice : open.TakeNotices()) notices->push_back(std::move(notice));
  return outcome;
}

}  // namespace clustered_session
