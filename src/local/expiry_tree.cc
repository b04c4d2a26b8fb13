// The tree of earliest expiries. Layer: local.
#include "src/local/expiry_tree.h"

#include <algorithm>

namespace clustered_session {

size_t ExpiryTree::SlotsFor(uint32_t groups) {
  size_t slots = groups;
  while (groups > 1) {
    groups = (groups + kFanout - 1) / kFanout;
    slots += groups;
  }
  return slots;
}

ExpiryTree::ExpiryTree(Slot* slots, uint32_t groups) : slots_(slots) {
  for (uint32_t size = groups;; size = (size + kFanout - 1) / kFanout) {
    size_[levels_++] = size;
    if (size == 1 || levels_ == kLevelsMax) break;
  }
  std::reverse(size_, size_ + levels_);
  for (uint32_t level = 1; level < levels_; ++level) from_[level] = from_[level - 1] + size_[level - 1];
}

// All levels, whatever they say: one above may be later than the leaf after a death in here.
void ExpiryTree::Note(uint32_t group, uint64_t expiry_us) {
  for (uint32_t level = levels_; level-- > 0; group /= kFanout) {
    if (expiry_us < At(level, group)) Store(level, group, expiry_us);
  }
}

uint64_t ExpiryTree::EarliestBelow(uint32_t level, uint32_t index) const {
  const uint32_t end = std::min((index + 1) * kFanout, size_[level + 1]);
  uint64_t earliest = kNever;
  for (uint32_t i = index * kFanout; i < end; ++i) earliest = std::min(earliest, At(level + 1, i));
  return earliest;
}

void ExpiryTree::SetAbove(uint32_t level, uint32_t index) {
  while (level-- > 0) {
    index /= kFanout;
    Store(level, index, EarliestBelow(level, index));
  }
}

void ExpiryTree::Set(uint32_t group, uint64_t expiry_us) {
  Store(levels_ - 1, group, expiry_us);
  SetAbove(levels_ - 1, group);
}

uint32_t ExpiryTree::FirstDue(uint64_t now_us) {
  uint32_t index = 0;
  if (At(0, 0) > now_us) return kNoGroup;
  for (uint32_t level = 0; level + 1 < levels_; ++level) {
    const uint32_t end = std::min((index + 1) * kFanout, size_[level + 1]);
    uint32_t below = index * kFanout;
    while (below < end && At(level + 1, below) > now_us) ++below;
    if (below == end) {  // it was earlier than all below it, which only a death or a wrong byte leaves behind
      SetAbove(level + 1, index * kFanout);
      return kNoGroup;
    }
    index = below;
  }
  return index;
}

void ExpiryTree::Clear() {
  for (uint32_t i = 0; i < from_[levels_ - 1] + size_[levels_ - 1]; ++i) slots_[i].store(0, std::memory_order_relaxed);
}

bool ExpiryTree::Ordered() const {
  for (uint32_t level = 0; level + 1 < levels_; ++level) {
    for (uint32_t i = 0; i < size_[level]; ++i) {
      if (At(level, i) > EarliestBelow(level, i)) return false;
    }
  }
  return true;
}

}  // namespace clustered_session
