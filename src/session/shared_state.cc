#include "src/session/shared_state.h"

#include <algorithm>
#include <iterator>

namespace clustered_session {

bool SharedState::Init() { return pools.Init() && events.Init(); }

SetupWatch* SharedState::WatchOf(uint8_t pool, uint64_t pool_hash) {
  if (pool == 0) return nullptr;
  SetupWatch* watch = &watches[(pool - 1) % SharedPoolTable::kSlots];
  uint64_t seen = watch->pool_hash.load(std::memory_order_relaxed);
  if (seen != pool_hash && watch->pool_hash.compare_exchange_strong(seen, pool_hash)) watch->Clear();
  return watch;
}

void SharedState::NotePending(uint8_t pool) { pools.SeatOfPool(pool)->NotePending(); }

bool SharedState::Pending() const {
  return std::any_of(std::begin(pools.seats), std::end(pools.seats),
                     [](const FlushSeat& seat) { return seat.pending.load() != FlushSeat::kNothing; });
}

}  // namespace clustered_session
