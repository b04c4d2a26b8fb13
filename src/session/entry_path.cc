// The entry path: how the loaded session gets into the local store, and how long it is kept and trusted there. Layer:
// session.
#include "src/session/lifetime.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr int kNumberTries = 3;  // of an entry whose pool has lost its number, which others may take again at once

}  // namespace

void Session::ExtendLocally(TimePoint now) {
  // A session that is used more often need not be moved each time.
  const int64_t worth_updating_ns = std::min<int64_t>(loaded_.lifetime_s, 10) * 100'000'000;
  const int64_t expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  const int64_t moved_ns = expires_at_ns - loaded_.entry.expires_at_ns;
  if (moved_ns > -worth_updating_ns && moved_ns < worth_updating_ns) return;
  const Entry before = loaded_.entry;
  loaded_.entry.expires_at_ns = expires_at_ns;
  loaded_.entry.lifetime_s = loaded_.lifetime_s;
  if (!context_.store->Update(loaded_.key, before, loaded_.entry) && SingleServer()) {
    (void)PutEntry(now).ok();  // evicted or expired in the middle of the request: here is the only copy
  }
}

// A node has vouched for the entry just now.
void Session::ConfirmEntry(TimePoint now) {
  if (context_.settings.affinity == AffinityMode::kBalancer) loaded_.client_stayed = true;  // or nodes would know
  const Entry before = loaded_.entry;
  loaded_.entry.confirmed_at_ns = ToNanos(now);
  SaveTokens();
  context_.store->Update(loaded_.key, before, loaded_.entry);
}

// From now on another server may still be writing: whoever reads the entry asks the nodes first.
void Session::BeginGrace(TimePoint now) {
  loaded_.entry.confirmed_at_ns = 0;
  loaded_.entry.grace_until_ns = ToNanos(now + context_.settings.takeover_grace);
}

Status Session::PutEntry(TimePoint now) {
  SaveTokens();
  loaded_.entry.pool = context_.pool;
  loaded_.entry.home_node = HomeNode();
  Status stored = context_.store->Put(loaded_.key, loaded_.entry, loaded_.image.bytes(), now);
  if (!stored.ok() || (loaded_.entry.flags & kEntryUnreplicated) == 0) return stored;
  for (int i = 0; i < kNumberTries && !PoolIsKept(loaded_.entry.pool); ++i) {
    const Entry before = loaded_.entry;
    loaded_.entry.pool =
        context_.shared->pools.NumberOf(context_.access->save_path, context_.settings, context_.store, now).number;
    context_.store->Update(loaded_.key, before, loaded_.entry);
  }
  return stored;
}

// Whether whoever flushes will find this pool's settings under the number of an entry that is stored now.
bool Session::PoolIsKept(uint8_t pool) const {
  return pool == 0 || context_.pool_hash == 0 || context_.shared->pools.Holds({pool, context_.pool_hash});
}

// The hash that tells a flush which node the ID named: the entry does not hold the ID.
uint32_t Session::HomeNode() { return loaded_.home.empty() ? 0 : NodeNameHash(loaded_.home, {}); }

void Session::SaveTokens() {
  if (loaded_.placement.empty()) return;  // no node was asked: the entry's own tokens still hold
  size_t used = 0;
  loaded_.entry.tokens = {};
  for (const uint32_t node : loaded_.placement) {
    const NodeToken& token = loaded_.tokens[node];
    if (used == loaded_.entry.tokens.size()) break;
    if (token.known()) loaded_.entry.tokens[used++] = {token.cas, token.incarnation, context_.nodes->member(node).hash};
  }
}

}  // namespace clustered_session
