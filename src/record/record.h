// The bytes stored under a node's item: a header, then the payload. Layer: record. Pure; thread-safe.
// A record is input: anybody can write to a node. Decode believes nothing that its checksum does not cover, and the checksum
// is bound to the storage key, so that one session's record copied under another's key is not believed either.
//
// Layout, little-endian:                                       bytes
//   magic "CSR1"                                               0..3
//   format (1)                                                 4
//   flags (RecordFlags)                                        5
//   header size (56): where the payload begins                 6..7
//   version, epoch, instance                                   8..31
//   lifetime in seconds                                        32..35
//   payload size in bytes                                      36..39
//   XXH3-128 over bytes 0..39, the storage key, the payload    40..55
#ifndef CLUSTERED_SESSION_RECORD_RECORD_H_
#define CLUSTERED_SESSION_RECORD_RECORD_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"

namespace clustered_session {

inline constexpr size_t kRecordHeaderSize = 56;
inline constexpr size_t kRecordPayloadMax = 0x7fffffff;  // bytes

enum RecordFlags : uint8_t {
  kRecordTombstone = 1u << 0,   // the session was destroyed; the payload is empty
  kRecordCompressed = 1u << 1,  // reserved: refused by this version
  kRecordEncrypted = 1u << 2,   // reserved: refused by this version
};

// Which of two records of a session is the later one: the epoch decides, then the version.
struct RecordOrder {
  uint64_t epoch = 0;
  uint64_t version = 0;

  friend auto operator<=>(const RecordOrder&, const RecordOrder&) = default;
};

struct Record {
  uint8_t flags = 0;
  uint64_t version = 0;     // of each write: its predecessor's + 1
  uint64_t epoch = 0;       // takeover counter
  uint64_t instance = 0;    // of the owner, the server that serves this session
  uint32_t lifetime_s = 0;  // seconds
  std::string_view payload; // into the bytes it was decoded from, or the caller's

  bool tombstone() const { return (flags & kRecordTombstone) != 0; }
  RecordOrder order() const { return {epoch, version}; }
};

// REQUIRES: record.payload.size() <= kRecordPayloadMax
std::string EncodeRecord(const Record& record, std::string_view storage_key);

// The payload of the result views into `bytes`. Errors: kCorrupt (not a record, truncated, wrong checksum or key),
// kUnsupported (a format or flag that a later version may know).
Result<Record> DecodeRecord(std::string_view bytes, std::string_view storage_key);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_H_
