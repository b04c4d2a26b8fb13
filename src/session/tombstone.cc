// A session's end is told to all nodes, see tombstone.h. Layer: session.
#include "src/session/tombstone.h"

#include <algorithm>

#include "src/base/protocol_fault.h"
#include "src/session/entry_path.h"
#include "src/session/lifetime.h"
#include "src/session/replicator.h"

namespace clustered_session {
namespace {

// Without a session lock, another request may have started it anew: perhaps that is nowhere but here.
bool StartedAnewHere(const OpenScope& open, const LoadedSession& loaded) {
  Image current;
  const SessionKey& key = loaded.address().local_key();
  const bool have = open.context.store->Lookup(key, open.Now(), nullptr, current.buffer());
  return have && current.Valid() && current.life() > loaded.image.life();
}

// A protocol that knows no tombstones: the items are removed.
void RemoveItems(OpenScope* open, LoadedSession* loaded) {
  const NodeItems& items = loaded->items();
  for (const uint32_t node : items.placement) {
    open->context.nodes->member(node).node->Release(items.key, items.tokens[node], TimePoint());
  }
}

// Keeps the tombstone here, so that nobody on this server shows what was before.
void KeepHere(OpenScope* open, LoadedSession* loaded, const Entry& entry, TimePoint now) {
  const SessionContext& context = open->context;
  loaded->entry = entry;
  loaded->image.SetPayload({});
  if (!PutEntry(context, loaded, now).ok()) {
    context.store->Erase(loaded->address().local_key());
  } else if (loaded->Is(kEntryUnreplicated)) {
    NoteUnreplicated(context, loaded->entry.pool);
  }
}

// On all nodes that work, whatever `copies` is. `actor`: 0 for one that is told again.
void Replicate(OpenScope* open, LoadedSession* loaded, uint64_t version, uint64_t epoch, uint32_t actor) {
  const SessionContext& context = open->context;
  const SessionKey& key = loaded->address().local_key();
  loaded->must_write = false;
  if (StartedAnewHere(*open, *loaded)) return;
  const std::chrono::seconds ttl = TombstoneTimeToLive(loaded->lifetime_s);
  Entry entry;
  entry.version = version;
  entry.epoch = epoch;
  entry.flags = kEntryTombstone;
  if (!open->SingleServer()) {
    if (HasFault(ProtocolFault::kNoTombstone)) {
      RemoveItems(open, loaded);
      context.store->Erase(key);
      return;
    }
    Record tombstone;
    tombstone.flags = kRecordTombstone;
    tombstone.version = version;
    tombstone.epoch = epoch;
    tombstone.instance = context.store->instance();
    tombstone.lifetime_s = loaded->lifetime_s;
    tombstone.life = loaded->image.life();
    const auto everywhere = HasFault(ProtocolFault::kTombstoneOnCopies) ? context.settings.copies
                                                                        : static_cast<uint32_t>(context.nodes->size());
    const WriteOutcome outcome =
        Replicator(context, &loaded->items(), &open->notices)
            .Write(tombstone, {loaded->image.vector(), {}, actor}, everywhere, ttl, NodeDeadline(context, open->Now()));
    if (outcome.superseded) {
      context.store->Erase(key);
      return;
    }
    loaded->image.SetLineage(outcome.vector, outcome.fingerprint, outcome.life);
    entry.version = outcome.version;
    entry.epoch = outcome.epoch;
    if (outcome.acks == 0) entry.flags |= kEntryUnreplicated;
    if (outcome.acks > 0) entry.confirmed_at_ns = ToNanos(open->Now());
    if (outcome.acks > 0 && outcome.acks < everywhere) entry.flags |= kEntryUnderReplicated;
  }
  const TimePoint now = open->Now();
  entry.lifetime_s = loaded->lifetime_s;
  entry.expires_at_ns = ToNanos(now + ttl);
  KeepHere(open, loaded, entry, now);
}

}  // namespace

void WriteTombstone(OpenScope* open, LoadedSession* loaded) {
  // Without a session lock, another request may have written since this one read.
  Entry current;
  const SessionKey& key = loaded->address().local_key();
  const bool have = open->context.store->Lookup(key, open->Now(), &current, nullptr);
  const uint64_t version = std::max(loaded->version(), have ? current.version : 0) + 1;
  const uint64_t epoch = loaded->version() != 0 ? loaded->entry.epoch : loaded->epoch();
  Replicate(open, loaded, version, epoch, NewActor(open->context));
}

void RepeatTombstone(OpenScope* open, LoadedSession* loaded) {
  Replicate(open, loaded, loaded->version(), loaded->entry.epoch, /*actor=*/0);
}

}  // namespace clustered_session
