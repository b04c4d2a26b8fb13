// How a loaded session gets into the local store, see entry_path.h. Layer: session.
#include "src/session/entry_path.h"

#include "src/session/lifetime.h"
#include "src/session/news.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr int kNumberTries = 3;  // of an entry whose pool has lost its number, which others may take again at once

// If no node was asked, the entry's own tokens still hold.
void SaveTokens(const SessionContext& context, LoadedSession* loaded) {
  if (const NodeItems* items = loaded->items_if_used()) items->SaveTokens(*context.nodes, &loaded->entry);
}

void NoteForRepair(const SessionContext& context, const Entry& entry) {
  const bool watched = context.settings.repair_rate != 0 && context.shared != nullptr && !context.nodes->empty();
  if (!watched || entry.version == 0) return;
  const bool lacking = (entry.flags & (kEntryUnderReplicated | kEntryStandsIn)) != 0;
  context.shared->NoteStored(entry.pool, context.pool_hash, lacking);
}

}  // namespace

Status PutEntry(const SessionContext& context, LoadedSession* loaded, TimePoint now) {
  SaveTokens(context, loaded);
  Entry& entry = loaded->entry;
  const SessionKey& key = loaded->address().local_key();
  entry.pool = context.pool;
  entry.home_node = loaded->address().HomeNode();
  Status stored = context.store->Put(key, entry, loaded->image.bytes(), now);
  if (stored.ok()) NoteForRepair(context, entry);
  if (stored.ok() && entry.version != 0) NoteNewsUse(context, now);
  if (!stored.ok() || !loaded->Is(kEntryUnreplicated)) return stored;
  for (int i = 0; i < kNumberTries && !PoolIsKept(context, entry.pool); ++i) {
    const Entry before = entry;
    SharedPoolTable& pools = context.shared->pools;
    entry.pool = pools.NumberOf(context.access->save_path, context.settings, context.store, now).number;
    context.store->Update(key, before, loaded->image.dot_bytes(), entry);
  }
  return stored;
}

bool ExtendEntry(const SessionContext& context, LoadedSession* loaded, TimePoint now) {
  // A session that is used more often need not be moved each time.
  const int64_t worth_updating_ns = std::min<int64_t>(loaded->lifetime_s, 10) * 100'000'000;
  const int64_t expires_at_ns = SecondsAfter(now, loaded->lifetime_s);
  const int64_t moved_ns = expires_at_ns - loaded->entry.expires_at_ns;
  if (moved_ns > -worth_updating_ns && moved_ns < worth_updating_ns) return true;
  const SessionKey& key = loaded->address().local_key();
  const Entry before = loaded->entry;
  loaded->entry.expires_at_ns = expires_at_ns;
  loaded->entry.lifetime_s = loaded->lifetime_s;
  if (context.store->Update(key, before, loaded->image.dot_bytes(), loaded->entry)) return true;
  Entry current;
  Image image;
  const bool have = context.store->Lookup(key, now, &current, image.buffer()) && image.Valid();
  if (have) {  // another request has written it since
    if ((current.flags & kEntryTombstone) != 0) return true;
    const bool on_nodes = !context.nodes->empty() && (current.flags & kEntryUnreplicated) == 0;
    if (on_nodes && current.nodes_expire_at_ns < expires_at_ns) return false;
    Entry extended = current;
    extended.expires_at_ns = expires_at_ns;
    extended.lifetime_s = loaded->lifetime_s;
    context.store->Update(key, current, image.dot_bytes(), extended);
  } else if (context.nodes->empty()) {
    // Evicted or expired in the middle of the request: here is the only copy.
    (void)PutEntry(context, loaded, now).ok();
  }
  return true;
}

void ConfirmEntry(const SessionContext& context, LoadedSession* loaded) {
  if (context.settings.affinity == AffinityMode::kBalancer) loaded->client_stayed = true;  // or nodes would know
  const Entry before = loaded->entry;
  loaded->entry.confirmed_at_ns = loaded->read_at_ns;
  SaveTokens(context, loaded);
  context.store->Update(loaded->address().local_key(), before, loaded->image.dot_bytes(), loaded->entry);
}

void MarkLacking(const SessionContext& context, LoadedSession* loaded) {
  if (loaded->Is(kEntryUnreplicated) || loaded->Is(kEntryUnderReplicated)) return;
  const Entry before = loaded->entry;
  loaded->entry.flags |= kEntryUnderReplicated;
  const bool kept =
      context.store->Update(loaded->address().local_key(), before, loaded->image.dot_bytes(), loaded->entry);
  if (kept) NoteForRepair(context, loaded->entry);
}

void BeginGrace(const SessionContext& context, TimePoint now, Entry* entry) {
  entry->confirmed_at_ns = 0;
  entry->grace_until_ns = ToNanos(now + context.settings.takeover_grace);
}

bool PoolIsKept(const SessionContext& context, uint8_t pool) {
  return pool == 0 || context.pool_hash == 0 || context.shared->pools.Holds({pool, context.pool_hash});
}

void NoteUnreplicated(const SessionContext& context, uint8_t pool) {
  if (context.shared != nullptr) context.shared->NotePending(pool);
}

}  // namespace clustered_session
