#include "src/record/version_vector.h"

#include <algorithm>

#include "src/base/bytes.h"

namespace clustered_session {

const VersionVector::Slot* VersionVector::Find(uint32_t actor) const {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [actor](const Slot& slot) { return slot.actor == actor; });
  return found == slots_.end() ? nullptr : &*found;
}

uint32_t VersionVector::LowestVersion() const {
  return std::min_element(slots_.begin(), slots_.end(),
                          [](const Slot& a, const Slot& b) { return a.version < b.version; })
      ->version;
}

// Puts the slot first, in place of its actor's old one, of a free one, or of the one with the lowest version.
void VersionVector::Insert(Slot slot) {
  size_t place = 0;
  while (place < kSlots && slots_[place].actor != slot.actor && slots_[place].actor != 0) ++place;
  if (place == kSlots) {
    place = static_cast<size_t>(std::min_element(slots_.begin(), slots_.end(),
                                                 [](const Slot& a, const Slot& b) { return a.version < b.version; }) -
                                slots_.begin());
  }
  std::move_backward(slots_.begin(), slots_.begin() + static_cast<ptrdiff_t>(place),
                     slots_.begin() + static_cast<ptrdiff_t>(place) + 1);
  slots_[0] = slot;
}

void VersionVector::Advance(uint32_t actor, uint64_t version) { Insert({actor, static_cast<uint32_t>(version)}); }

void VersionVector::Absorb(const VersionVector& other) {
  const Slot last_writer = slots_[0];
  for (const Slot& slot : other.slots_) {
    if (slot.actor == 0) break;
    const Slot* mine = Find(slot.actor);
    if (mine != nullptr && mine->version >= slot.version) continue;
    if (mine == nullptr && full() && slot.version < LowestVersion()) continue;
    Insert(slot);
  }
  if (last_writer.actor != 0 && Find(last_writer.actor) != nullptr) Insert(*Find(last_writer.actor));
}

size_t VersionVector::used() const {
  const auto free =
      std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.actor == 0; });
  return static_cast<size_t>(free - slots_.begin());
}

bool VersionVector::Covers(const VersionVector& other) const {
  for (const Slot& slot : other.slots_) {
    if (slot.actor == 0) break;
    const Slot* mine = Find(slot.actor);
    if (mine != nullptr ? mine->version < slot.version : !full() || slot.version > LowestVersion()) return false;
  }
  return true;
}

void VersionVector::Store(char* to) const {
  for (const Slot& slot : slots_) {
    StoreLittleEndian<uint32_t>(to, slot.actor);
    StoreLittleEndian<uint32_t>(to + 4, slot.version);
    to += 8;
  }
}

VersionVector VersionVector::Load(const char* from) {
  VersionVector vector;
  for (Slot& slot : vector.slots_) {
    slot.actor = LoadLittleEndian<uint32_t>(from);
    slot.version = LoadLittleEndian<uint32_t>(from + 4);
    from += 8;
  }
  return vector;
}

}  // namespace clustered_session
