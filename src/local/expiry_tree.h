// ExpiryTree: which parts of a shard have something that expires, and when the first of it does, so that a sweep goes
// where something has expired and nowhere else. Layer: local, only used by local. Every call but Earliest() needs the
// shard's mutex.
//
// A leaf stands for a group of buckets, and each inner slot for kFanout slots below it. A slot is never later than what
// it stands for; it may be earlier, because an entry that is used again lives longer and no slot is told. The sweep
// then looks at the group in vain, once, and sets it right. Derived: the repair builds it anew.
#ifndef CLUSTERED_SESSION_LOCAL_EXPIRY_TREE_H_
#define CLUSTERED_SESSION_LOCAL_EXPIRY_TREE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace clustered_session {

class ExpiryTree {
 public:
  using Slot = std::atomic<uint64_t>;  // the complement of microseconds: zeroed = never

  static constexpr uint64_t kNever = UINT64_MAX;
  static constexpr uint32_t kNoGroup = UINT32_MAX;

  // Slots of a tree with so many leaves. REQUIRES: groups > 0.
  static size_t SlotsFor(uint32_t groups);

  // `slots` are SlotsFor(groups), the root first.
  ExpiryTree(Slot* slots, uint32_t groups);

  // Microseconds; nothing expires before. Without the mutex a hint.
  uint64_t Earliest() const { return ~slots_[0].load(std::memory_order_relaxed); }
  uint64_t Earliest(uint32_t group) const { return At(levels_ - 1, group); }

  // Something of the group expires then.
  void Note(uint32_t group, uint64_t expiry_us);
  // Nothing of the group expires earlier.
  void Set(uint32_t group, uint64_t expiry_us);
  // A group of which something may have expired, or kNoGroup. Steps: kFanout for each level.
  uint32_t FirstDue(uint64_t now_us);
  void Clear();

  // Whether no slot is later than one below it: for tests.
  bool Ordered() const;

 private:
  static constexpr uint32_t kFanout = 16;
  static constexpr uint32_t kLevelsMax = 8;

  uint64_t At(uint32_t level, uint32_t index) const {
    return ~slots_[from_[level] + index].load(std::memory_order_relaxed);
  }
  void Store(uint32_t level, uint32_t index, uint64_t expiry_us) {
    slots_[from_[level] + index].store(~expiry_us, std::memory_order_relaxed);
  }
  uint64_t EarliestBelow(uint32_t level, uint32_t index) const;
  void SetAbove(uint32_t level, uint32_t index);

  Slot* slots_;
  uint32_t levels_ = 0;          // level 0 is the root
  uint32_t size_[kLevelsMax];    // slots of a level
  uint32_t from_[kLevelsMax]{};  // where it begins
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_EXPIRY_TREE_H_
