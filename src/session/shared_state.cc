#include "src/session/shared_state.h"

#include <algorithm>
#include <iterator>

namespace clustered_session {

bool SharedState::Init() { return pools.Init() && events.Init(); }

void SharedState::NotePending(uint8_t pool) { pools.SeatOfPool(pool)->NotePending(); }

bool SharedState::Pending() const {
  return std::any_of(std::begin(pools.seats), std::end(pools.seats),
                     [](const FlushSeat& seat) { return seat.pending.load() != FlushSeat::kNothing; });
}

}  // namespace clustered_session
