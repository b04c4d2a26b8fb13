// Records of format 2: encoding and decoding. Layer: record.
#include "src/record/record.h"

#include <algorithm>
#include <cstring>

#include "src/base/bytes.h"
#include "src/base/xxh3.h"
#include "src/record/record_format1.h"

namespace clustered_session {
namespace {

constexpr char kMagic[4] = {'C', 'S', 'R', '1'};
constexpr uint8_t kFormat = 2;
constexpr size_t kCommonSize = 24;          // of what sessions and tombstones share
constexpr size_t kSessionFixedSize = 64;    // up to the lives
constexpr size_t kTombstoneFixedSize = 28;  // up to the ended lives
constexpr size_t kChecksumSize = 8;
constexpr size_t kSealRoom = 64;  // so that what is put around a record needs no other memory (record_codec.h)

uint64_t Checksum(std::string_view header, std::string_view storage_key, std::string_view payload) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, header.data(), header.size());
  // The key's length is fixed by its prefix and hash, and the header's is in it: no two splits look alike.
  XXH3_64bits_update(&state, storage_key.data(), storage_key.size());
  XXH3_64bits_update(&state, payload.data(), payload.size());
  return XXH3_64bits_digest(&state);
}

Error Corrupt(const char* what) { return {ErrorCode::kCorrupt, what}; }

size_t HeaderSizeOf(const Ancestry& ancestry) {
  const size_t ends = ancestry.ended.stored_size() + kChecksumSize;
  if (ancestry.tombstone) return kTombstoneFixedSize + ends;
  return kSessionFixedSize + ancestry.lives.stored_size() + ancestry.context.stored_size() + ends;
}

void StoreSession(const Record& record, char* header) {
  const Ancestry& ancestry = record.ancestry;
  StoreLittleEndian<uint64_t>(header + 24, record.version);
  StoreLittleEndian<uint64_t>(header + 32, record.instance);
  StoreLittleEndian<uint32_t>(header + 40, record.lifetime_s);
  StoreLittleEndian<uint32_t>(header + 44, static_cast<uint32_t>(record.payload.size()));
  StoreLittleEndian<uint32_t>(header + 48, ancestry.dot.actor);
  StoreLittleEndian<uint64_t>(header + 52, ancestry.dot.number);
  header[60] = static_cast<char>(ancestry.lives.size());
  header[61] = static_cast<char>(ancestry.ended.size());
  header[62] = static_cast<char>(ancestry.context.size());
  char* to = header + kSessionFixedSize;
  ancestry.lives.Store(to);
  ancestry.ended.Store(to + ancestry.lives.stored_size());
  ancestry.context.Store(to + ancestry.lives.stored_size() + ancestry.ended.stored_size());
}

// `header` has at least kSessionFixedSize bytes. False: fields that contradict each other.
bool LoadSession(std::string_view header, Record* record) {
  Ancestry& ancestry = record->ancestry;
  record->version = LoadLittleEndian<uint64_t>(header.data() + 24);
  record->instance = LoadLittleEndian<uint64_t>(header.data() + 32);
  record->lifetime_s = LoadLittleEndian<uint32_t>(header.data() + 40);
  ancestry.dot = {LoadLittleEndian<uint32_t>(header.data() + 48), LoadLittleEndian<uint64_t>(header.data() + 52)};
  const size_t lives = static_cast<uint8_t>(header[60]);
  const size_t ended = static_cast<uint8_t>(header[61]);
  const size_t intervals = static_cast<uint8_t>(header[62]);
  const char* from = header.data() + kSessionFixedSize;
  const char* ended_from = from + lives * LifeSet::kLifeBytes;
  const char* intervals_from = ended_from + ended * LifeSet::kLifeBytes;
  const size_t size =
      static_cast<size_t>(intervals_from - header.data()) + intervals * CausalContext::kIntervalBytes + kChecksumSize;
  return header[63] == 0 && size == header.size() && ancestry.lives.Load(from, lives) &&
         ancestry.ended.Load(ended_from, ended) && ancestry.context.Load(intervals_from, intervals) &&
         !ancestry.lives.empty() && !ancestry.ended.Meets(ancestry.lives) && ancestry.dot.known() &&
         ancestry.context.Contains(ancestry.dot) && record->version != 0 && record->instance != 0 &&
         record->lifetime_s <= ancestry.lifetime_max_s;
}

// `header` has at least kTombstoneFixedSize bytes.
bool LoadTombstone(std::string_view header, Record* record) {
  const size_t ended = static_cast<uint8_t>(header[24]);
  record->lifetime_s = record->ancestry.lifetime_max_s;
  return header[25] == 0 && header[26] == 0 && header[27] == 0 && ended != 0 &&
         kTombstoneFixedSize + ended * LifeSet::kLifeBytes + kChecksumSize == header.size() &&
         record->ancestry.ended.Load(header.data() + kTombstoneFixedSize, ended);
}

}  // namespace

std::string EncodeRecord(Record* to_encode, std::string_view storage_key) {
  Record& record = *to_encode;
  record.header_size = HeaderSizeOf(record.ancestry);
  std::string bytes;
  bytes.reserve(record.header_size + record.payload.size() + kSealRoom);
  bytes.resize(record.header_size);
  char* header = bytes.data();
  std::memcpy(header, kMagic, sizeof kMagic);
  StoreLittleEndian<uint8_t>(header + 4, kFormat);
  StoreLittleEndian<uint8_t>(header + 5,
                             static_cast<uint8_t>(record.flags | (record.tombstone() ? kRecordTombstone : 0)));
  StoreLittleEndian<uint16_t>(header + 6, static_cast<uint16_t>(record.header_size));
  StoreLittleEndian<uint32_t>(header + 8, record.ancestry.lifetime_max_s);
  StoreLittleEndian<uint32_t>(header + 12, record.home_node);
  StoreLittleEndian<uint64_t>(header + 16, record.epoch);
  if (record.tombstone()) {
    header[24] = static_cast<char>(record.ancestry.ended.size());
    record.ancestry.ended.Store(header + kTombstoneFixedSize);
  } else {
    StoreSession(record, header);
  }
  const std::string_view summed(header, record.header_size - kChecksumSize);
  record.ancestry.fingerprint = Checksum(summed, storage_key, record.payload);
  StoreLittleEndian<uint64_t>(header + summed.size(), record.ancestry.fingerprint);
  bytes.append(record.payload);
  return bytes;
}

Result<Record> DecodeRecord(std::string_view bytes, std::string_view storage_key) {
  if (bytes.size() < kCommonSize) return Corrupt("shorter than a record's header");
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) return Corrupt("not a record of clustered_session");
  const auto format = LoadLittleEndian<uint8_t>(bytes.data() + 4);
  if (format == 1) return DecodeFormat1(bytes, storage_key);
  if (format != kFormat) return Error(ErrorCode::kUnsupported, "a record format that this version does not know");
  const size_t header_size = LoadLittleEndian<uint16_t>(bytes.data() + 6);
  if (header_size < kTombstoneSizeMin || header_size > bytes.size()) return Corrupt("wrong header size");
  const std::string_view header = bytes.substr(0, header_size);
  const std::string_view summed = header.substr(0, header_size - kChecksumSize);

  Record record;
  record.header_size = header_size;
  record.payload = bytes.substr(header_size);
  record.flags = LoadLittleEndian<uint8_t>(header.data() + 5);
  record.epoch = LoadLittleEndian<uint64_t>(header.data() + 16);
  record.home_node = LoadLittleEndian<uint32_t>(header.data() + 12);
  record.ancestry.lifetime_max_s = LoadLittleEndian<uint32_t>(header.data() + 8);
  record.ancestry.tombstone = (record.flags & kRecordTombstone) != 0;
  record.ancestry.fingerprint = LoadLittleEndian<uint64_t>(header.data() + summed.size());
  if (Checksum(summed, storage_key, record.payload) != record.ancestry.fingerprint) return Corrupt("wrong checksum");
  record.flags &= static_cast<uint8_t>(~kRecordTombstone);
  if (record.flags != 0) {
    return Error(ErrorCode::kUnsupported, "a record flag that this version does not know");
  }
  if (record.tombstone()) {
    if (!record.payload.empty() || !LoadTombstone(header, &record)) return Corrupt("fields that contradict each other");
    return record;
  }
  if (header_size < kRecordHeaderMin || LoadLittleEndian<uint32_t>(header.data() + 44) != record.payload.size() ||
      !LoadSession(header, &record)) {
    return Corrupt("fields that contradict each other");
  }
  return record;
}

}  // namespace clustered_session
