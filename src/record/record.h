// The bytes stored under a node's item: a header, then the payload. Layer: record. Pure; thread-safe.
// A record is input: anybody can write to a node. Decode believes nothing that its checksum does not cover, and the
// checksum is bound to the storage key, so that one session's record copied under another's key is not believed either.
//
// Layout of format 2, little-endian:                                             bytes
//   magic "CSR1"                                                                 0..3
//   format (2)                                                                   4
//   flags (RecordFlags)                                                          5
//   header size: where the payload begins                                        6..7
//   the longest lifetime of what it was made from, in seconds                    8..11
//   hash of the name of the node that the session ID names; 0 = none             12..15
//   epoch                                                                        16..23
// then in a session:
//   version, instance                                                            24..39
//   lifetime in seconds, payload size in bytes                                   40..47
//   its own write: actor, number                                                 48..59
//   how many lives, ended lives and intervals follow, and a zero                 60..63
//   lives (4 each), ended lives (4 each), intervals of the causal context (16 each)
// or in a tombstone:
//   how many ended lives follow, and three zeros                                 24..27
//   ended lives (4 each)
// and last in the header:
//   XXH3-64 over the header before it, the storage key, the payload              8 bytes
#ifndef CLUSTERED_SESSION_RECORD_RECORD_H_
#define CLUSTERED_SESSION_RECORD_RECORD_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/record/ancestry.h"

namespace clustered_session {

// Bytes. The largest header is of a session with all lives and intervals in use.
inline constexpr size_t kRecordHeaderMin = 64 + LifeSet::kLifeBytes + CausalContext::kIntervalBytes + 8;
inline constexpr size_t kRecordHeaderMax =
    64 + 2 * LifeSet::kMax * LifeSet::kLifeBytes + CausalContext::kIntervalsMax * CausalContext::kIntervalBytes + 8;
inline constexpr size_t kTombstoneSizeMin = 28 + LifeSet::kLifeBytes + 8;
inline constexpr size_t kRecordPayloadMax = 0x7fffffff;

enum RecordFlags : uint8_t {
  kRecordTombstone = 1u << 0,  // the session was destroyed; the payload is empty
  // Of sealed records alone, see record_codec.h.
  kRecordCompressed = 1u << 1,
  kRecordEncrypted = 1u << 2,
  kRecordAes = 1u << 3,  // by AES-256-GCM; without it, by XChaCha20-Poly1305
};

// Which of two branches of a session is shown first: the epoch decides, then the version. Whether two records are
// branches at all, or one was made from the other, their ancestries tell.
struct RecordOrder {
  uint64_t epoch = 0;
  uint64_t version = 0;

  friend auto operator<=>(const RecordOrder&, const RecordOrder&) = default;
};

struct Record {
  uint8_t flags = 0;         // what the ancestry does not tell
  uint64_t version = 1;      // of each write: its predecessor's + 1; not stored in a tombstone
  uint64_t epoch = 0;        // takeover counter
  uint64_t instance = 0;     // of the owner, the server that serves this session; not stored in a tombstone
  uint32_t lifetime_s = 0;   // seconds; of a tombstone ancestry.lifetime_max_s
  uint32_t home_node = 0;    // hash of the name of the node that the session ID names; 0 = none
  Ancestry ancestry;         // its fingerprint is set by encoding and decoding
  std::string_view payload;  // into the bytes it was decoded from, or the caller's
  size_t header_size = 0;    // set by encoding and decoding

  bool tombstone() const { return ancestry.tombstone; }
  RecordOrder order() const { return {epoch, version}; }
  // After the bytes that it was decoded from have moved.
  void ViewInto(std::string_view bytes) { payload = bytes.substr(header_size); }
};

// Sets the fingerprint and the header size. REQUIRES: record->payload.size() <= kRecordPayloadMax
std::string EncodeRecord(Record* record, std::string_view storage_key);

// Format 2, and format 1 of release 0.1. The payload of the result views into `bytes`. Errors: kCorrupt (not a record,
// truncated, wrong checksum or key), kUnsupported (a format or flag that a later version may know: the session exists,
// and must not be overwritten).
Result<Record> DecodeRecord(std::string_view bytes, std::string_view storage_key);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_H_
