// Arena: hands out blocks of the segment's memory by offset. Layer: local, only used by local.
// Every word is saved in the undo log before it is written; the caller commits, so that what belongs together happens
// together, or not at all if it dies. Good-fit allocation from segregated free lists in constant time, with neighbours
// merged at once. An allocated block costs 4 bytes of header, a free one nothing. Not locked by itself: all calls but
// Units() and Bytes() need the arena's mutex. What it reads is checked: a wrong byte sets `needs_repair`, and the arena
// is rebuilt from the entries (store_repair.cc).
#ifndef CLUSTERED_SESSION_LOCAL_ARENA_H_
#define CLUSTERED_SESSION_LOCAL_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "src/local/undo_log.h"

namespace clustered_session {

inline constexpr uint32_t kUnitBytes = 16;  // offsets and sizes of blocks count these
inline constexpr uint32_t kBlockUnitsMax = (1u << 25) - 1;
inline constexpr uint32_t kArenaLevels = 22;   // powers of two of a block's size
inline constexpr uint32_t kArenaClasses = 16;  // equal steps within each

// In shared memory.
struct ArenaControl {
  uint64_t free_units;
  uint32_t level_map;  // bit l: class_maps[l] is not 0
  uint32_t reserved;
  uint32_t class_maps[kArenaLevels];            // bit c: heads[l][c] is not 0
  uint32_t heads[kArenaLevels][kArenaClasses];  // offset of the first free block, 0 = none
};
static_assert(sizeof(ArenaControl) == 16 + 4 * kArenaLevels * (kArenaClasses + 1));

// A process's view of it.
//
// Block, at an offset counted in units:
//   u32 header: bit 0 free, bit 1 the block before is free, bits 2..6 its owner's, bits 7..31 size in units
//   free only: u32 next, u32 previous of its list; its last u32 is its size again
// The first and the last unit of the arena are allocated for ever, so that each block has neighbours and no offset is
// 0.
class Arena {
 public:
  Arena(ArenaControl* control, std::byte* base, uint32_t units, std::atomic<uint32_t>* needs_repair, UndoLog undo)
      : control_(control), base_(base), units_(units), needs_repair_(needs_repair), undo_(undo) {}

  uint32_t units() const { return units_; }
  uint64_t free_units() const { return control_->free_units; }
  UndoLog& undo() { return undo_; }

  // Forgets all blocks, and saves nothing; then AddFree() for each free run tells it what is free.
  void Clear();
  // REQUIRES: the run borders on no free block, or their sum is over kBlockUnitsMax.
  void AddFree(uint32_t offset, uint32_t units);

  // A block of exactly `units`, or 0 if there is none.
  uint32_t Allocate(uint32_t units);
  // One of the largest free blocks: cut to units_max if larger; 0 if there is none of units_min.
  uint32_t AllocateLargest(uint32_t units_min, uint32_t units_max);
  // Makes two allocated blocks of one: the first of `units`. REQUIRES: the caller owns it, and it is longer.
  void Split(uint32_t offset, uint32_t units);
  void Free(uint32_t offset);

  // The size of the allocated block at `offset`, or 0 if there can be none. REQUIRES: the caller owns the block.
  uint32_t Units(uint32_t offset) const {
    if (offset == 0 || offset >= units_ - 1) return 0;
    const uint32_t header = Header(offset);
    const uint32_t units = SizeOf(header);
    return (header & kFree) != 0 || units > units_ - 1 - offset ? 0 : units;
  }
  std::byte* Bytes(uint32_t offset) const { return base_ + static_cast<size_t>(offset) * kUnitBytes; }

  // 5 bits in the header that the block's owner may use; 0 in a new block.
  uint32_t OwnerBits(uint32_t offset) const { return (Header(offset) & kOwnerMask) >> kOwnerShift; }
  void SetOwnerBits(uint32_t offset, uint32_t bits);

  // For the repair, which knows of all blocks and saves nothing: sets the mark 'the block before is free'.
  void SetBeforeFree(uint32_t offset, bool before_free);

  // Walks all blocks and lists; a sentence about the first thing that is wrong, or null. Slow, for tests.
  const char* Check() const;

 private:
  static constexpr uint32_t kFree = 1u << 0;
  static constexpr uint32_t kBeforeFree = 1u << 1;
  static constexpr uint32_t kOwnerShift = 2;
  static constexpr uint32_t kOwnerMask = 31u << kOwnerShift;
  static constexpr uint32_t kSizeShift = 7;

  struct Class {
    uint32_t level;
    uint32_t index;
  };
  static Class ClassOf(uint32_t units);
  static uint32_t SizeOf(uint32_t header) { return header >> kSizeShift; }

  uint32_t* Words(uint32_t offset) const { return reinterpret_cast<uint32_t*>(Bytes(offset)); }
  // Atomic, because the mark 'the block before is free' is set by those who free that block and do not own this one.
  uint32_t Header(uint32_t offset) const {
    return std::atomic_ref<uint32_t>(*Words(offset)).load(std::memory_order_relaxed);
  }
  void StoreHeader(uint32_t offset, uint32_t header);
  void SetHeader(uint32_t offset, uint32_t header) {
    undo_.Save(Words(offset), sizeof header);
    StoreHeader(offset, header);
  }
  void MarkBeforeFree(uint32_t offset, bool before_free);
  bool IsFreeBlock(uint32_t offset) const;
  void Broken() { needs_repair_->store(1, std::memory_order_release); }

  void PushFree(uint32_t offset, uint32_t units, uint32_t before_free);
  bool RemoveFree(uint32_t offset);
  uint32_t ListHead(uint32_t level, uint32_t index);
  uint32_t FindFit(uint32_t units);
  uint32_t Take(uint32_t offset, uint32_t units);
  const char* CheckLists(uint64_t free_blocks) const;

  ArenaControl* control_;
  std::byte* base_;
  uint32_t units_;
  std::atomic<uint32_t>* needs_repair_;
  UndoLog undo_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_ARENA_H_
