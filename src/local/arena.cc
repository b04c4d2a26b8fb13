// Segregated free lists with boundary tags. Layer: local.
#include "src/local/arena.h"

#include <bit>
#include <cstring>

#include "src/local/fault_point.h"

namespace clustered_session {

namespace {

// How many blocks of the class that may or may not fit are looked at.
constexpr int kSameClassTries = 16;

}  // namespace

Arena::Class Arena::ClassOf(uint32_t units) {
  if (units < kArenaClasses) return {0, units};
  const uint32_t log = 31u - static_cast<uint32_t>(std::countl_zero(units));
  return {log - 3, (units >> (log - 4)) & (kArenaClasses - 1)};
}

void Arena::StoreHeader(uint32_t offset, uint32_t header) {
  std::atomic_ref<uint32_t>(*Words(offset)).store(header, std::memory_order_relaxed);
}

void Arena::Clear() {
  std::memset(control_, 0, sizeof *control_);
  StoreHeader(0, 1u << kSizeShift);
  StoreHeader(units_ - 1, 1u << kSizeShift);
}

void Arena::AddFree(uint32_t offset, uint32_t units) {
  uint32_t before_free = 0;
  while (units > 0) {
    const uint32_t part = units < kBlockUnitsMax ? units : kBlockUnitsMax;
    PushFree(offset, part, before_free);
    undo_.Commit();
    offset += part;
    units -= part;
    before_free = kBeforeFree;
  }
  SetBeforeFree(offset, true);
}

void Arena::SetOwnerBits(uint32_t offset, uint32_t bits) {
  SetHeader(offset, (Header(offset) & ~kOwnerMask) | ((bits << kOwnerShift) & kOwnerMask));
}

void Arena::SetBeforeFree(uint32_t offset, bool before_free) {
  const uint32_t header = Header(offset);
  StoreHeader(offset, before_free ? header | kBeforeFree : header & ~kBeforeFree);
}

void Arena::MarkBeforeFree(uint32_t offset, bool before_free) {
  undo_.Save(Words(offset), sizeof(uint32_t));
  SetBeforeFree(offset, before_free);
}

bool Arena::IsFreeBlock(uint32_t offset) const {
  if (offset == 0 || offset >= units_ - 1) return false;
  const uint32_t header = Header(offset);
  const uint32_t units = SizeOf(header);
  return (header & kFree) != 0 && units > 0 && units <= units_ - 1 - offset && Words(offset + units - 1)[3] == units;
}

// Writes the block's tags and puts it in front of its list. The block after it is not told.
void Arena::PushFree(uint32_t offset, uint32_t units, uint32_t before_free) {
  const Class size_class = ClassOf(units);
  uint32_t* head = &control_->heads[size_class.level][size_class.index];
  SetHeader(offset, (units << kSizeShift) | kFree | before_free);
  uint32_t* words = Words(offset);
  undo_.Save(words + 1, 2 * sizeof(uint32_t));
  words[1] = *head;
  words[2] = 0;
  undo_.Set(&Words(offset + units - 1)[3], units);
  if (*head != 0) {
    if (!IsFreeBlock(*head)) return Broken();
    undo_.Set(&Words(*head)[2], offset);
  }
  FaultPoint("arena.push.half");
  undo_.Set(head, offset);
  uint32_t* class_map = &control_->class_maps[size_class.level];
  undo_.Set(class_map, *class_map | 1u << size_class.index);
  undo_.Set(&control_->level_map, control_->level_map | 1u << size_class.level);
  undo_.Set(&control_->free_units, control_->free_units + units);
}

bool Arena::RemoveFree(uint32_t offset) {
  if (!IsFreeBlock(offset)) {
    Broken();
    return false;
  }
  uint32_t* words = Words(offset);
  const uint32_t units = SizeOf(Header(offset));
  const uint32_t next = words[1];
  const uint32_t previous = words[2];
  const Class size_class = ClassOf(units);
  uint32_t* head = &control_->heads[size_class.level][size_class.index];
  const bool next_good = next == 0 || (IsFreeBlock(next) && Words(next)[2] == offset);
  const bool previous_good = previous == 0 ? *head == offset : IsFreeBlock(previous) && Words(previous)[1] == offset;
  if (!next_good || !previous_good) {
    Broken();
    return false;
  }
  if (next != 0) undo_.Set(&Words(next)[2], previous);
  FaultPoint("arena.remove.half");
  if (previous != 0) {
    undo_.Set(&Words(previous)[1], next);
  } else {
    undo_.Set(head, next);
    if (next == 0) {
      uint32_t* class_map = &control_->class_maps[size_class.level];
      undo_.Set(class_map, *class_map & ~(1u << size_class.index));
      if (*class_map == 0) undo_.Set(&control_->level_map, control_->level_map & ~(1u << size_class.level));
    }
  }
  undo_.Set(&control_->free_units, control_->free_units - units);
  return true;
}

// The first block of a list that its maps say is not empty.
uint32_t Arena::ListHead(uint32_t level, uint32_t index) {
  const uint32_t offset = index < kArenaClasses ? control_->heads[level][index] : 0;
  if (offset == 0) Broken();
  return offset;
}

// The head of the first list whose blocks are all large enough; else one of the list whose blocks may be.
uint32_t Arena::FindFit(uint32_t units) {
  uint32_t rounded = units;
  if (units >= kArenaClasses) {
    const uint32_t log = 31u - static_cast<uint32_t>(std::countl_zero(units));
    rounded += (1u << (log - 4)) - 1;
  }
  if (rounded <= kBlockUnitsMax) {
    const Class from = ClassOf(rounded);
    const uint32_t classes = control_->class_maps[from.level] & (~0u << from.index) & ((1u << kArenaClasses) - 1);
    if (classes != 0) return ListHead(from.level, static_cast<uint32_t>(std::countr_zero(classes)));
    const uint32_t levels = control_->level_map & (~0u << (from.level + 1)) & ((1u << kArenaLevels) - 1);
    if (levels != 0) {
      const uint32_t level = static_cast<uint32_t>(std::countr_zero(levels));
      const uint32_t found = control_->class_maps[level] & ((1u << kArenaClasses) - 1);
      return ListHead(level, static_cast<uint32_t>(std::countr_zero(found)));
    }
  }
  const Class same = ClassOf(units);
  uint32_t offset = control_->heads[same.level][same.index];
  for (int i = 0; i < kSameClassTries && offset != 0; ++i) {
    if (!IsFreeBlock(offset)) {
      Broken();
      return 0;
    }
    if (SizeOf(Header(offset)) >= units) return offset;
    offset = Words(offset)[1];
  }
  return 0;
}

// Removes the free block from its list and gives the rest behind `units` back.
uint32_t Arena::Take(uint32_t offset, uint32_t units) {
  if (!RemoveFree(offset)) return 0;
  FaultPoint("arena.take.removed");
  const uint32_t header = Header(offset);
  const uint32_t all = SizeOf(header);
  if (all < units) {
    Broken();
    return 0;
  }
  if (all == units) {
    MarkBeforeFree(offset + units, false);
  } else {
    PushFree(offset + units, all - units, 0);
  }
  FaultPoint("arena.take.split");
  SetHeader(offset, (units << kSizeShift) | (header & kBeforeFree));
  return offset;
}

uint32_t Arena::Allocate(uint32_t units) {
  if (units == 0 || units > kBlockUnitsMax || units > control_->free_units) return 0;
  const uint32_t offset = FindFit(units);
  return offset == 0 ? 0 : Take(offset, units);
}

uint32_t Arena::AllocateLargest(uint32_t units_min, uint32_t units_max) {
  const uint32_t levels = control_->level_map & ((1u << kArenaLevels) - 1);
  if (levels == 0) return 0;
  const uint32_t level = 31u - static_cast<uint32_t>(std::countl_zero(levels));
  const uint32_t classes = control_->class_maps[level] & ((1u << kArenaClasses) - 1);
  const uint32_t offset = ListHead(level, 31u - static_cast<uint32_t>(std::countl_zero(classes)));
  if (offset == 0) return 0;
  if (!IsFreeBlock(offset)) {
    Broken();
    return 0;
  }
  const uint32_t units = SizeOf(Header(offset));
  if (units < units_min) return 0;
  return Take(offset, units < units_max ? units : units_max);
}

void Arena::Split(uint32_t offset, uint32_t units) {
  const uint32_t header = Header(offset);
  SetHeader(offset + units, (SizeOf(header) - units) << kSizeShift);
  SetHeader(offset, (units << kSizeShift) | (header & kBeforeFree));
}

void Arena::Free(uint32_t offset) {
  uint32_t units = Units(offset);
  if (units == 0) return Broken();
  uint32_t before_free = Header(offset) & kBeforeFree;
  if (before_free != 0) {
    const uint32_t before_units = Words(offset - 1)[3];
    if (before_units == 0 || before_units >= offset || !IsFreeBlock(offset - before_units) ||
        SizeOf(Header(offset - before_units)) != before_units) {
      return Broken();
    }
    if (units + before_units <= kBlockUnitsMax) {
      if (!RemoveFree(offset - before_units)) return;
      offset -= before_units;
      units += before_units;
      before_free = Header(offset) & kBeforeFree;
      FaultPoint("arena.free.merged_before");
    }
  }
  uint32_t after = offset + units;
  const uint32_t after_header = Header(after);
  if ((after_header & kFree) != 0 && units + SizeOf(after_header) <= kBlockUnitsMax) {
    if (!RemoveFree(after)) return;
    units += SizeOf(after_header);
    after = offset + units;
    FaultPoint("arena.free.merged_after");
  }
  MarkBeforeFree(after, true);
  PushFree(offset, units, before_free);
}

const char* Arena::Check() const {
  uint64_t free_units = 0;
  uint64_t free_blocks = 0;
  uint32_t before_units = 0;  // of the block before, if it is free
  for (uint32_t offset = 1; offset < units_;) {
    const uint32_t header = Header(offset);
    const uint32_t units = SizeOf(header);
    if (units == 0 || units > units_ - offset) return "a block does not fit into the arena";
    if (((header & kBeforeFree) != 0) != (before_units != 0)) return "a block's mark of the block before it is wrong";
    if ((header & kFree) != 0) {
      if (!IsFreeBlock(offset)) return "a free block is not whole";
      if (before_units != 0 && before_units + units <= kBlockUnitsMax) return "two free neighbours are not merged";
      free_units += units;
      ++free_blocks;
    }
    before_units = (header & kFree) != 0 ? units : 0;
    offset += units;
  }
  if (free_units != control_->free_units) return "the sum of free memory is wrong";
  return CheckLists(free_blocks);
}

const char* Arena::CheckLists(uint64_t free_blocks) const {
  uint64_t listed = 0;
  for (uint32_t level = 0; level < kArenaLevels; ++level) {
    if (((control_->level_map >> level) & 1) != (control_->class_maps[level] != 0)) return "the map of levels is wrong";
    for (uint32_t index = 0; index < kArenaClasses; ++index) {
      uint32_t offset = control_->heads[level][index];
      if (((control_->class_maps[level] >> index) & 1) != (offset != 0)) return "a map of classes is wrong";
      uint32_t previous = 0;
      while (offset != 0) {
        if (++listed > free_blocks) return "a free list has too many blocks";
        if (!IsFreeBlock(offset)) return "a free list leads to a block that is not free";
        const Class size_class = ClassOf(SizeOf(Header(offset)));
        if (size_class.level != level || size_class.index != index) return "a free block is in the wrong list";
        if (Words(offset)[2] != previous) return "a free list does not lead back";
        previous = offset;
        offset = Words(offset)[1];
      }
    }
  }
  return listed == free_blocks ? nullptr : "a free block is in no list";
}

}  // namespace clustered_session
