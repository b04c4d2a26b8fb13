// What a server has read of its nodes' news, see shared_news.h. Layer: session.
#include "src/session/shared_news.h"

namespace clustered_session {
namespace {

size_t PlaceOf(const SessionKey& local_key) { return local_key.Hash64() % SharedNews::kNames; }

}  // namespace

PoolNews* SharedNews::ViewOf(uint8_t pool, uint64_t pool_hash) {
  if (pool == 0) return nullptr;
  PoolNews* view = &pools[(pool - 1u) % kPools];
  uint64_t seen = view->pool_hash.load(std::memory_order_relaxed);
  if (seen == pool_hash || !view->pool_hash.compare_exchange_strong(seen, pool_hash)) return view;
  view->looked_at_ns.store(0);  // it was another pool's
  view->used_at_ns.store(0);
  return view;
}

void SharedNews::Name(const SessionKey& local_key, TimePoint now) {
  named_at_ns[PlaceOf(local_key)].store(ToNanos(now), std::memory_order_release);
}

// The look first: what it has found was stored before it.
bool SharedNews::Allow(const PoolNews& view, Duration interval, const SessionKey& local_key, int64_t confirmed_at_ns,
                       TimePoint now) const {
  const int64_t looked_at_ns = view.looked_at_ns.load(std::memory_order_acquire);
  if (looked_at_ns == 0) return true;
  if (now > FromNanos(looked_at_ns) + interval + interval / 2) return false;
  return confirmed_at_ns > view.missed_at_ns.load(std::memory_order_relaxed) &&
         confirmed_at_ns > named_at_ns[PlaceOf(local_key)].load(std::memory_order_relaxed);
}

}  // namespace clustered_session
