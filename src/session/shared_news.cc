// What a server has read of its nodes' news, see shared_news.h. Layer: session.
#include "src/session/shared_news.h"

#include "src/session/pool_view.h"

namespace clustered_session {
namespace {

size_t PlaceOf(const SessionKey& local_key) { return local_key.Hash64() % SharedNews::kNames; }

}  // namespace

PoolNews* SharedNews::ViewOf(uint8_t pool, uint64_t pool_hash) { return ViewOfPool(pools, pool, pool_hash); }

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
