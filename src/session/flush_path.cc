// The flush path: an unreplicated entry is written for no request. See docs/protocol.md, 'Flush'. Layer: session.
#include <algorithm>

#include "src/session/session.h"

namespace clustered_session {

bool Session::AnyNodeWorthAsking() const {
  for (uint32_t i = 0; i < context_.nodes->size(); ++i) {
    if (context_.nodes->WorthAsking(i)) return true;
  }
  return false;
}

// Under the session's lock, like any write: in lock=none as the turn of a commit.
Session::FlushOutcome Session::Flush(const SessionKey& local_key, uint8_t pool) {
  Reset();
  if (!AnyNodeWorthAsking()) return FlushOutcome::kNoNode;
  const TimePoint now = context_.clock->Now();
  Result<SessionLock> lock = context_.store->locks().Acquire(local_key, now);
  if (!lock.ok()) return FlushOutcome::kBusy;
  loaded_.lock = *lock;
  loaded_.key = local_key;
  loaded_.placement_key = context_.InSpace(local_key);
  const bool have = context_.store->Lookup(local_key, now, &loaded_.entry, loaded_.image.buffer());
  const bool due = (loaded_.entry.flags & kEntryUnreplicated) != 0 && loaded_.entry.pool == pool;
  if (!have || !loaded_.image.Valid() || !due) {
    Reset();
    return FlushOutcome::kGone;
  }
  for (const NodeAddress& address : context_.nodes->addresses()) {
    if (NodeNameHash(address.name, {}) == loaded_.entry.home_node) loaded_.home = address.name;
  }
  ServeEntry();
  FlushOutcome outcome = FlushOutcome::kGone;
  if ((loaded_.entry.flags & kEntryTombstone) != 0) {
    loaded_.lifetime_s = loaded_.entry.lifetime_s;
    RepeatTombstone();
    outcome = FlushOutcome::kWritten;
  } else {
    const int64_t left_s = (loaded_.entry.expires_at_ns - ToNanos(now)) / 1'000'000'000 + 1;
    loaded_.lifetime_s = static_cast<uint32_t>(std::max<int64_t>(left_s, 1));
    if (Status status = CommitToNodes(loaded_.image.payload()); status.ok()) {
      outcome = FlushOutcome::kWritten;
    } else {
      GiveUpReplication(status.error());
    }
  }
  if ((loaded_.entry.flags & kEntryUnreplicated) != 0) outcome = FlushOutcome::kNoNode;
  if (outcome == FlushOutcome::kWritten) counters().flushed.Add();
  Reset();
  return outcome;
}

// No node takes it, nor will one the next time: it goes on as this server's own, and may be evicted.
void Session::GiveUpReplication(const Error& error) {
  notices_.push_back({false, "a session stays on this server only: " + error.message()});
  const Entry before = loaded_.entry;
  loaded_.entry.flags = (before.flags & ~uint32_t{kEntryUnreplicated}) | kEntryUnderReplicated;
  context_.store->Update(loaded_.key, before, loaded_.entry);
}

}  // namespace clustered_session
