// The bytes stored under a node's item: a header, then the payload. Layer: record. Pure; thread-safe.
// A record is input: anybody can write to a node. Decode believes nothing that its checksum does not cover, and the
// checksum is bound to the storage key, so that one session's record copied under another's key is not believed either.
//
// Layout, little-endian:                                       bytes
//   magic "CSR1"                                               0..3
//   format (1)                                                 4
//   flags (RecordFlags)                                        5
//   header size (192): where the payload begins                 6..7
//   version, epoch, instance                                   8..31
//   lifetime in seconds                                        32..35
//   payload size in bytes                                      36..39
//   life                                                       40..43
//   writers dropped from the vector, a filter                  44..55
//   version vector: 16 times (actor, version)                  56..183
//   XXH3-64 over bytes 0..183, the storage key, the payload    184..191
#ifndef CLUSTERED_SESSION_RECORD_RECORD_H_
#define CLUSTERED_SESSION_RECORD_RECORD_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/record/version_vector.h"

namespace clustered_session {

inline constexpr size_t kRecordHeaderSize = 192;
inline constexpr size_t kRecordPayloadMax = 0x7fffffff;  // bytes

enum RecordFlags : uint8_t {
  kRecordTombstone = 1u << 0,   // the session was destroyed; the payload is empty
  kRecordCompressed = 1u << 1,  // reserved: refused by this version
  kRecordEncrypted = 1u << 2,   // reserved: refused by this version
};

// Which of two branches of a session is shown first: the epoch decides, then the version. Whether two records are
// branches at all, or one was made from the other, their version vectors tell.
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
  // How often the ID was started anew after a destruction. A tombstone ends its life: whatever else is of that life or
  // an earlier one is dead, whoever wrote it when.
  uint32_t life = 0;
  VersionVector vector;      // what it was made from, itself included
  uint64_t fingerprint = 0;  // of all of it, from its checksum: set by encoding and decoding
  std::string_view payload;  // into the bytes it was decoded from, or the caller's

  bool tombstone() const { return (flags & kRecordTombstone) != 0; }
  RecordOrder order() const { return {epoch, version}; }
};

// Sets record->fingerprint. REQUIRES: record->payload.size() <= kRecordPayloadMax
std::string EncodeRecord(Record* record, std::string_view storage_key);

// What is known of a session: of one record, or of several that were merged.
struct Ancestry {
  VersionVector vector;      // empty = nothing is known
  uint64_t fingerprint = 0;  // of the record that is exactly this; 0 = none
  uint32_t life = 0;
  bool tombstone = false;
  RecordOrder order;       // only to choose between two tombstones of one life
  bool only_here = false;  // no node has acknowledged it: nobody can have made anything from it without a trace
};
Ancestry AncestryOf(const Record& record);

// How a record stands to what is known: the same, part of its past, made from it, or neither.
enum class Lineage : uint8_t { kSame, kAncestor, kDescendant, kBranch };
Lineage LineageOf(const Record& record, const Ancestry& known);

// The payload of the result views into `bytes`. Errors: kCorrupt (not a record, truncated, wrong checksum or key),
// kUnsupported (a format or flag that a later version may know).
Result<Record> DecodeRecord(std::string_view bytes, std::string_view storage_key);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_H_
