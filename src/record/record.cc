#include "src/record/record.h"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/base/bytes.h"

namespace clustered_session {
namespace {

constexpr char kMagic[4] = {'C', 'S', 'R', '1'};
constexpr uint8_t kFormat = 1;
constexpr size_t kChecksumOffset = 40;
constexpr size_t kChecksumSize = 16;
static_assert(kChecksumOffset + kChecksumSize == kRecordHeaderSize);

void Checksum(const char* header, std::string_view storage_key, std::string_view payload, char* out) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, header, kChecksumOffset);
  // The key's length is fixed by its prefix and hash, and the payload's is in the header: no two splits look alike.
  XXH3_128bits_update(&state, storage_key.data(), storage_key.size());
  XXH3_128bits_update(&state, payload.data(), payload.size());
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  StoreLittleEndian<uint64_t>(out, hash.low64);
  StoreLittleEndian<uint64_t>(out + 8, hash.high64);
}

Error Corrupt(const char* what) { return {ErrorCode::kCorrupt, what}; }

}  // namespace

std::string EncodeRecord(const Record& record, std::string_view storage_key) {
  std::string bytes;
  bytes.reserve(kRecordHeaderSize + record.payload.size());
  bytes.resize(kRecordHeaderSize);
  char* header = bytes.data();
  std::memcpy(header, kMagic, sizeof kMagic);
  StoreLittleEndian<uint8_t>(header + 4, kFormat);
  StoreLittleEndian<uint8_t>(header + 5, record.flags);
  StoreLittleEndian<uint16_t>(header + 6, kRecordHeaderSize);
  StoreLittleEndian<uint64_t>(header + 8, record.version);
  StoreLittleEndian<uint64_t>(header + 16, record.epoch);
  StoreLittleEndian<uint64_t>(header + 24, record.instance);
  StoreLittleEndian<uint32_t>(header + 32, record.lifetime_s);
  StoreLittleEndian<uint32_t>(header + 36, static_cast<uint32_t>(record.payload.size()));
  Checksum(header, storage_key, record.payload, header + kChecksumOffset);
  bytes.append(record.payload);
  return bytes;
}

Result<Record> DecodeRecord(std::string_view bytes, std::string_view storage_key) {
  if (bytes.size() < kRecordHeaderSize) return Corrupt("shorter than a record's header");
  const char* header = bytes.data();
  if (std::memcmp(header, kMagic, sizeof kMagic) != 0) return Corrupt("not a record of clustered_session");
  if (LoadLittleEndian<uint8_t>(header + 4) != kFormat) {
    return Error(ErrorCode::kUnsupported, "a record format that this version does not know");
  }
  if (LoadLittleEndian<uint16_t>(header + 6) != kRecordHeaderSize) return Corrupt("wrong header size");

  Record record;
  record.flags = LoadLittleEndian<uint8_t>(header + 5);
  record.version = LoadLittleEndian<uint64_t>(header + 8);
  record.epoch = LoadLittleEndian<uint64_t>(header + 16);
  record.instance = LoadLittleEndian<uint64_t>(header + 24);
  record.lifetime_s = LoadLittleEndian<uint32_t>(header + 32);
  record.payload = bytes.substr(kRecordHeaderSize);
  if (LoadLittleEndian<uint32_t>(header + 36) != record.payload.size()) return Corrupt("truncated or overlong payload");

  char checksum[kChecksumSize];
  Checksum(header, storage_key, record.payload, checksum);
  if (std::memcmp(checksum, header + kChecksumOffset, kChecksumSize) != 0) return Corrupt("wrong checksum");
  if ((record.flags & ~kRecordTombstone) != 0) {
    return Error(ErrorCode::kUnsupported, "a record flag that this version does not know");
  }
  if (record.version == 0 || record.instance == 0 || (record.tombstone() && !record.payload.empty())) {
    return Corrupt("fields that contradict each other");
  }
  return record;
}

}  // namespace clustered_session
