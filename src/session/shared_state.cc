#include "src/session/shared_state.h"

#include <algorithm>
#include <iterator>

#include "src/session/pool_view.h"

namespace clustered_session {

bool SharedState::Init() { return pools.Init() && events.Init(); }

SetupWatch* SharedState::WatchOf(uint8_t pool, uint64_t pool_hash) { return ViewOfPool(watches, pool, pool_hash); }

void SharedState::NotePending(uint8_t pool) { pools.SeatOfPool(pool)->NotePending(); }

// Nobody is woken: the thread looks at its nodes now and then.
void SharedState::NoteStored(uint8_t pool, uint64_t pool_hash, bool lacking) {
  RepairView* view = repair.ViewOf(pool, pool_hash);
  if (view == nullptr) return;
  if (lacking) view->due.fetch_add(1);
  if (view->watched.load(std::memory_order_relaxed) == RepairView::kYes) return;
  if (view->watched.exchange(RepairView::kYes) == RepairView::kNo) view->due.fetch_add(1);
}

bool SharedState::TellForgeryOf(uint32_t node_hash) {
  for (std::atomic<uint32_t>& told : told_forgery) {
    uint32_t seen = told.load(std::memory_order_relaxed);
    if (seen == 0 && told.compare_exchange_strong(seen, node_hash)) return true;
    if (seen == node_hash) return false;
  }
  return false;  // of more nodes than a list has
}

bool SharedState::Pending() const {
  return std::any_of(std::begin(pools.seats), std::end(pools.seats),
                     [](const FlushSeat& seat) { return seat.pending.load() != FlushSeat::kNothing; });
}

}  // namespace clustered_session
