// A session's end is told to its nodes, see tombstone.h. Layer: session.
#include "src/session/tombstone.h"

#include <algorithm>
#include <optional>

#include "src/base/protocol_fault.h"
#include "src/session/entry_path.h"
#include "src/session/lifetime.h"
#include "src/session/news.h"
#include "src/session/replicator.h"
#include "src/session/succession.h"

namespace clustered_session {
namespace {

// What this server's store has of the session now. Without a session lock, another request may have written it, or
// started it anew, since it was read.
std::optional<Ancestry> Current(const OpenScope& open, const LoadedSession& loaded) {
  Entry entry;
  Image image;
  const SessionKey& key = loaded.address().local_key();
  if (!open.context.store->Lookup(key, open.Now(), &entry, image.buffer()) || !image.Valid()) return std::nullopt;
  return AncestryOf(image, entry);
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

enum class Kind : uint8_t { kKnown, kAll, kLater, kAgain };

Stands StandsOf(Kind kind) {
  if (kind == Kind::kAgain) return Stands::kUnnamed;
  return kind == Kind::kAll ? Stands::kNothing : Stands::kStartedSince;
}

// On all nodes of the session that work, whatever `copies` is.
void Replicate(OpenScope* open, LoadedSession* loaded, const Ancestry& end, uint64_t epoch, Kind kind) {
  const SessionContext& context = open->context;
  const SessionKey& key = loaded->address().local_key();
  loaded->must_write = false;
  Record tombstone;
  tombstone.epoch = epoch;
  tombstone.home_node = loaded->address().HomeNode();
  tombstone.ancestry = end;
  Entry entry;
  entry.version = tombstone.version;
  entry.epoch = epoch;
  entry.flags = kEntryTombstone;
  if (kind == Kind::kLater && !open->SingleServer()) {
    entry.flags |= kEntryUnreplicated;
  } else if (!open->SingleServer()) {
    if (HasFault(ProtocolFault::kNoTombstone)) {
      RemoveItems(open, loaded);
      context.store->Erase(key);
      return;
    }
    const auto everywhere = HasFault(ProtocolFault::kTombstoneOnCopies)
                                ? context.settings.copies
                                : static_cast<uint32_t>(loaded->items().placement.size());
    const TimePoint told_at = open->Now();
    const WriteOutcome outcome =
        Replicator(context, &loaded->items(), &open->notices)
            .Write(tombstone, {{}, {}, 0, StandsOf(kind)}, everywhere, NodeDeadline(context, told_at));
    if (outcome.superseded) {
      context.store->Erase(key);
      return;
    }
    tombstone.ancestry = outcome.ancestry;
    entry.epoch = outcome.epoch;
    if (outcome.acks == 0) entry.flags |= kEntryUnreplicated;
    if (outcome.acks > 0) entry.confirmed_at_ns = ToNanos(told_at);
    TellNews(context, loaded->address(), outcome.holders);
    if (outcome.acks > 0 && outcome.acks < everywhere) entry.flags |= kEntryUnderReplicated;
  }
  const TimePoint now = open->Now();
  entry.lifetime_s = tombstone.ancestry.lifetime_max_s;
  entry.expires_at_ns = ToNanos(now + TombstoneTimeToLive(tombstone.ancestry.lifetime_max_s));
  loaded->image.SetAncestry(tombstone.ancestry);
  KeepHere(open, loaded, entry, now);
}

}  // namespace

void WriteTombstone(OpenScope* open, LoadedSession* loaded, Telling telling, Ending ending) {
  const Ancestry known = loaded->Known();
  Ancestry end = known.End();
  if (const std::optional<Ancestry> current = Current(*open, *loaded)) {
    if (!current->tombstone && current->ended.Meets(known.lives)) return;  // destroyed, and started anew since
    CountOverflow(open->context, end.ended.Absorb(current->End().ended));
  }
  if (ending == Ending::kAllLives) end.ended.Add(kFirstLife);
  end.lifetime_max_s = std::max(end.lifetime_max_s, loaded->lifetime_s);
  const uint64_t epoch = loaded->version() != 0 ? loaded->entry.epoch : loaded->epoch();
  if (telling == Telling::kLater) {
    Replicate(open, loaded, end, epoch, Kind::kLater);
  } else {
    Replicate(open, loaded, end, epoch, ending == Ending::kAllLives ? Kind::kAll : Kind::kKnown);
  }
}

void RepeatTombstone(OpenScope* open, LoadedSession* loaded) {
  const Ancestry end = loaded->Known();
  const std::optional<Ancestry> current = Current(*open, *loaded);
  // Started anew here by another request, and perhaps that is nowhere else.
  const bool started_anew = current && !current->tombstone;
  if (started_anew) {
    loaded->must_write = false;
    return;
  }
  Replicate(open, loaded, end, loaded->entry.epoch, Kind::kAgain);
}

}  // namespace clustered_session
