// Takes an unfinished change back. Layer: local.
#include "src/local/undo_log.h"

namespace clustered_session {

bool UndoLog::RollBack() {
  const uint32_t used = used_->load(std::memory_order_relaxed);
  if (used > capacity_) return false;
  uint32_t starts[kRecordsMax];
  uint32_t count = 0;
  for (uint32_t from = 0; from < used; ++count) {
    Record record;
    if (count == kRecordsMax || used - from < sizeof record) return false;
    std::memcpy(&record, bytes_ + from, sizeof record);
    const bool whole = record.sum == SumOf(record) && record.size % 4 == 0 && record.at % 4 == 0 &&
                       record.size <= used - from && record.at <= size_ && record.size <= size_ - record.at;
    if (!whole || LengthOf(record.size) > used - from) return false;
    starts[count] = from;
    from += LengthOf(record.size);
  }
  while (count > 0) {
    Record record;
    --count;
    std::memcpy(&record, bytes_ + starts[count], sizeof record);
    CopyWords(bytes_ + starts[count] + sizeof record, base_ + record.at, record.size);
    FaultPoint("undo.rolled_back_one");
  }
  Commit();
  return true;
}

}  // namespace clustered_session
