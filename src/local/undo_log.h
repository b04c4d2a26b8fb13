// UndoLog: how the memory that a mutex guards was before the change that is under way, so that whoever gets the mutex
// of a dead owner takes the change back in a bounded number of steps. Layer: local, only used by local.
// Each word is saved before it is written. Commit() makes the change final; RollBack() undoes what was not committed.
// The log lies in the memory that it guards, and is used under the same mutex. A killed thread has done its stores in
// their order up to some instruction, and the kernel passes its mutex on only afterwards: so no barrier is needed but
// the compiler's.
#ifndef CLUSTERED_SESSION_LOCAL_UNDO_LOG_H_
#define CLUSTERED_SESSION_LOCAL_UNDO_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "src/local/fault_point.h"

namespace clustered_session {

// In shared memory; zeroed = empty.
template <size_t kBytes>
struct UndoRecords {
  static_assert(kBytes % 8 == 0);
  std::atomic<uint32_t> used;  // bytes
  uint32_t reserved;
  std::byte bytes[kBytes];
};

// A process's view of one.
class UndoLog {
 public:
  // The memory that may be saved is [base, base + size).
  template <size_t kBytes>
  UndoLog(UndoRecords<kBytes>* records, std::byte* base, size_t size)
      : used_(&records->used), bytes_(records->bytes), capacity_(kBytes), base_(base), size_(size) {}

  // REQUIRES: `at` and `size` are multiples of 4.
  void Save(const void* at, uint32_t size) {
    const uint32_t used = used_->load(std::memory_order_relaxed);
    const uint32_t length = LengthOf(size);
    // What does not fit is not saved, and the log never rolled back: the repair builds all anew then.
    if (used > capacity_ || length > capacity_ - used) return used_->store(kOverflow, std::memory_order_relaxed);
    Record record;
    record.at = static_cast<uint64_t>(static_cast<const std::byte*>(at) - base_);
    record.size = size;
    record.sum = SumOf(record);
    std::memcpy(bytes_ + used, &record, sizeof record);
    CopyWords(at, bytes_ + used + sizeof record, size);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    used_->store(used + length, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    FaultPoint("undo.saved");
  }

  template <typename T>
  void Set(T* at, T value) {
    Save(at, sizeof *at);
    *at = value;
  }

  void Commit() {
    if (used_->load(std::memory_order_relaxed) == 0) return;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    used_->store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    FaultPoint("undo.committed");
  }

  // Writes back what was saved, the last first. May be killed and begun again. False: the log is not whole, and nothing
  // is known of what it guards.
  bool RollBack();

 private:
  static constexpr uint32_t kOverflow = UINT32_MAX;
  static constexpr uint32_t kRecordsMax = 64;

  struct Record {
    uint64_t at;  // bytes from the base
    uint32_t size;
    uint32_t sum;
  };
  static uint32_t LengthOf(uint32_t size) { return static_cast<uint32_t>(sizeof(Record)) + (size + 7) / 8 * 8; }
  static uint32_t SumOf(const Record& record) {
    return static_cast<uint32_t>((record.at * 0x9e3779b97f4a7c15u + record.size) >> 32) ^ 0x5e551065u;
  }
  // Word by word, since some of them are read without the mutex.
  static void CopyWords(const void* from, void* to, uint32_t size) {
    for (uint32_t i = 0; i < size / 4; ++i) {
      auto* word = const_cast<uint32_t*>(static_cast<const uint32_t*>(from)) + i;
      const uint32_t value = std::atomic_ref<uint32_t>(*word).load(std::memory_order_relaxed);
      std::atomic_ref<uint32_t>(static_cast<uint32_t*>(to)[i]).store(value, std::memory_order_relaxed);
    }
  }

  std::atomic<uint32_t>* used_;
  std::byte* bytes_;
  uint32_t capacity_;
  std::byte* base_;
  size_t size_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_UNDO_LOG_H_
