// Records of format 1, which release 0.1 has written: read, never written. Layer: record. Pure.
// To go with the release after 0.2: no record of format 1 outlives a session's lifetime by more than a tenth.
#ifndef CLUSTERED_SESSION_RECORD_RECORD_FORMAT1_H_
#define CLUSTERED_SESSION_RECORD_RECORD_FORMAT1_H_

#include <string_view>

#include "src/record/record.h"

namespace clustered_session {

inline constexpr size_t kFormat1HeaderSize = 192;  // bytes

// Errors: as DecodeRecord.
Result<Record> DecodeFormat1(std::string_view bytes, std::string_view storage_key);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_FORMAT1_H_
