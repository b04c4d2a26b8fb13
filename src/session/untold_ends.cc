// Ends that the old handler is still to be told of, see untold_ends.h. Layer: session.
#include "src/session/untold_ends.h"

#include <algorithm>
#include <cstring>

namespace clustered_session {

bool UntoldEnds::Add(uint64_t handler, std::string_view id) {
  if (id.empty() || id.size() > kIdMax) return false;
  for (size_t i = 0; i < kPlaces; ++i) {
    uint8_t state = kFree;
    if (!states_[i].compare_exchange_strong(state, kBusy)) continue;
    places_[i].handler = handler;
    places_[i].size = static_cast<uint32_t>(id.size());
    std::memcpy(places_[i].id, id.data(), id.size());
    states_[i].store(kFull);
    return true;
  }
  return false;
}

std::string UntoldEnds::Take(uint64_t handler) {
  return TakeWhere(handler, [](std::string_view) { return true; });
}

void UntoldEnds::Remove(uint64_t handler, std::string_view id) {
  (void)TakeWhere(handler, [id](std::string_view kept) { return kept == id; });
}

std::string_view UntoldEnds::IdIn(const Place& place) const {
  return {place.id, std::min<size_t>(place.size, sizeof place.id)};
}

template <typename Wanted>
std::string UntoldEnds::TakeWhere(uint64_t handler, const Wanted& wanted) {
  for (size_t i = 0; i < kPlaces; ++i) {
    uint8_t state = states_[i].load(std::memory_order_relaxed);
    if (state != kFull || !states_[i].compare_exchange_strong(state, kBusy)) continue;
    std::string id;
    if (places_[i].handler == handler && wanted(IdIn(places_[i]))) id = IdIn(places_[i]);
    states_[i].store(id.empty() ? kFull : kFree);
    if (!id.empty()) return id;
  }
  return {};
}

}  // namespace clustered_session
