#include "src/record/version_vector.h"

#include <algorithm>

#include "src/base/bytes.h"

namespace clustered_session {

// One bit in each word: the words' bits are independent, and few enough for twenty writers.
void VersionVector::Add(uint32_t actor, Filter* filter) {
  uint32_t mixed = actor * 0x9e3779b1u;  // names are random but those of tests
  for (uint32_t& word : *filter) {
    word |= 1u << (mixed >> 27);
    mixed <<= 5;
  }
}

bool VersionVector::Contains(const Filter& filter, const Filter& part) {
  return std::equal(filter.begin(), filter.end(), part.begin(),
                    [](uint32_t word, uint32_t bits) { return (bits & ~word) == 0; });
}

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
    Add(slots_[place].actor, &dropped_);
  }
  std::move_backward(slots_.begin(), slots_.begin() + static_cast<ptrdiff_t>(place),
                     slots_.begin() + static_cast<ptrdiff_t>(place) + 1);
  slots_[0] = slot;
}

void VersionVector::Advance(uint32_t actor, uint64_t version) { Insert({actor, static_cast<uint32_t>(version)}); }

void VersionVector::Absorb(const VersionVector& other) {
  const Slot last_writer = slots_[0];
  for (size_t i = 0; i < dropped_.size(); ++i) dropped_[i] |= other.dropped_[i];
  for (const Slot& slot : other.slots_) {
    if (slot.actor == 0) break;
    const Slot* mine = Find(slot.actor);
    if (mine != nullptr && mine->version >= slot.version) continue;
    if (mine == nullptr && full() && slot.version < LowestVersion()) {
      Add(slot.actor, &dropped_);
      continue;
    }
    Insert(slot);
  }
  if (last_writer.actor != 0 && Find(last_writer.actor) != nullptr) Insert(*Find(last_writer.actor));
}

bool VersionVector::MayHaveDropped(const Slot& slot) const {
  Filter bits{};
  Add(slot.actor, &bits);
  return full() && slot.version <= LowestVersion() && Contains(dropped_, bits);
}

size_t VersionVector::used() const {
  const auto free = std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.actor == 0; });
  return static_cast<size_t>(free - slots_.begin());
}

// False if `other` was made from the write of a dropped actor that has never been in here.
bool VersionVector::MayCoverDropped(const VersionVector& other) const {
  if (other.dropped_ == Filter{}) return true;
  Filter known = dropped_;
  for (const Slot& slot : slots_) Add(slot.actor, &known);
  return Contains(known, other.dropped_);
}

bool VersionVector::Covers(const VersionVector& other) const {
  if (!MayCoverDropped(other)) return false;
  for (const Slot& slot : other.slots_) {
    if (slot.actor == 0) break;
    const Slot* mine = Find(slot.actor);
    if (mine == nullptr && !MayHaveDropped(slot)) return false;
    if (mine != nullptr && mine->version < slot.version) return false;
  }
  return true;
}

bool VersionVector::SurelyCovers(const VersionVector& other) const {
  if (other.dropped_ != Filter{}) return other == *this;
  return std::all_of(other.slots_.begin(), other.slots_.begin() + static_cast<ptrdiff_t>(other.used()),
                     [this](const Slot& slot) {
                       const Slot* mine = Find(slot.actor);
                       return mine != nullptr && mine->version >= slot.version;
                     });
}

void VersionVector::Store(char* to) const {
  for (const Slot& slot : slots_) {
    StoreLittleEndian<uint32_t>(to, slot.actor);
    StoreLittleEndian<uint32_t>(to + 4, slot.version);
    to += 8;
  }
}

void VersionVector::StoreDropped(char* to) const {
  for (size_t i = 0; i < dropped_.size(); ++i) StoreLittleEndian<uint32_t>(to + 4 * i, dropped_[i]);
}

void VersionVector::LoadDropped(const char* from) {
  for (size_t i = 0; i < dropped_.size(); ++i) dropped_[i] = LoadLittleEndian<uint32_t>(from + 4 * i);
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
