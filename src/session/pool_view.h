// ViewOfPool: what shared memory keeps of each pool beside the pool table. Layer: session.
#ifndef CLUSTERED_SESSION_SESSION_POOL_VIEW_H_
#define CLUSTERED_SESSION_SESSION_POOL_VIEW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace clustered_session {

// The view of a pool with this number and this hash of its settings; null for number 0. One that was another pool's is
// cleared: `pool_hash` of a View says whose it is, and its Clear() makes it the new one's.
template <typename View, size_t kPools>
View* ViewOfPool(View (&views)[kPools], uint8_t pool, uint64_t pool_hash) {
  if (pool == 0) return nullptr;
  View* view = &views[(pool - 1u) % kPools];
  uint64_t seen = view->pool_hash.load(std::memory_order_relaxed);
  if (seen != pool_hash && view->pool_hash.compare_exchange_strong(seen, pool_hash)) view->Clear();
  return view;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_POOL_VIEW_H_
