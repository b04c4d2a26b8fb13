#include "src/record/record.h"

#include <cstring>

#include "src/base/bytes.h"
#include "src/base/protocol_fault.h"
#include "src/base/xxh3.h"

namespace clustered_session {
namespace {

constexpr char kMagic[4] = {'C', 'S', 'R', '1'};
constexpr uint8_t kFormat = 1;
constexpr size_t kDroppedOffset = 44;
constexpr size_t kVectorOffset = kDroppedOffset + VersionVector::kDroppedBytes;
constexpr size_t kChecksumOffset = kVectorOffset + VersionVector::kBytes;
constexpr size_t kChecksumSize = 8;
static_assert(kChecksumOffset + kChecksumSize == kRecordHeaderSize);

uint64_t Checksum(const char* header, std::string_view storage_key, std::string_view payload) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, header, kChecksumOffset);
  // The key's length is fixed by its prefix and hash, and the payload's is in the header: no two splits look alike.
  XXH3_64bits_update(&state, storage_key.data(), storage_key.size());
  XXH3_64bits_update(&state, payload.data(), payload.size());
  return XXH3_64bits_digest(&state);
}

Error Corrupt(const char* what) { return {ErrorCode::kCorrupt, what}; }

}  // namespace

std::string EncodeRecord(Record* to_encode, std::string_view storage_key) {
  Record& record = *to_encode;
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
  StoreLittleEndian<uint32_t>(header + 40, record.life);
  record.vector.StoreDropped(header + kDroppedOffset);
  record.vector.Store(header + kVectorOffset);
  record.fingerprint = Checksum(header, storage_key, record.payload);
  StoreLittleEndian<uint64_t>(header + kChecksumOffset, record.fingerprint);
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
  record.life = LoadLittleEndian<uint32_t>(header + 40);
  record.vector = VersionVector::Load(header + kVectorOffset);
  record.vector.LoadDropped(header + kDroppedOffset);
  record.fingerprint = LoadLittleEndian<uint64_t>(header + kChecksumOffset);
  record.payload = bytes.substr(kRecordHeaderSize);
  if (LoadLittleEndian<uint32_t>(header + 36) != record.payload.size()) return Corrupt("truncated or overlong payload");

  if (Checksum(header, storage_key, record.payload) != record.fingerprint) return Corrupt("wrong checksum");
  if ((record.flags & ~kRecordTombstone) != 0) {
    return Error(ErrorCode::kUnsupported, "a record flag that this version does not know");
  }
  if (record.version == 0 || record.instance == 0 || record.vector.empty() ||
      (record.tombstone() && !record.payload.empty())) {
    return Corrupt("fields that contradict each other");
  }
  return record;
}

Ancestry AncestryOf(const Record& record) {
  return {record.vector, record.fingerprint, record.life, record.tombstone(), record.order(), false};
}

Lineage LineageOf(const Record& record, const Ancestry& known) {
  if (record.fingerprint == known.fingerprint) return Lineage::kSame;
  if (record.life != known.life && !HasFault(ProtocolFault::kLivesIgnored)) {
    return record.life < known.life ? Lineage::kAncestor : Lineage::kDescendant;
  }
  if (record.tombstone() && known.tombstone) {  // destroyed is destroyed: any rule that all servers share will do
    return record.order() < known.order || (record.order() == known.order && record.fingerprint < known.fingerprint)
               ? Lineage::kAncestor
               : Lineage::kDescendant;
  }
  if (record.tombstone() != known.tombstone && !HasFault(ProtocolFault::kTombstoneIsBranch)) {
    return record.tombstone() ? Lineage::kDescendant : Lineage::kAncestor;
  }
  if (HasFault(ProtocolFault::kVersionsAlone)) {
    return record.order() <= known.order ? Lineage::kAncestor : Lineage::kDescendant;
  }
  const bool ancestor = known.vector.Covers(record.vector);
  const bool descendant = record.vector.Covers(known.vector, known.only_here);
  // Equal vectors and other bytes: two workers of one server have written at once. A merge that has no record yet
  // (fingerprint 0) covers all it was made of.
  if (ancestor && descendant && known.fingerprint != 0) return Lineage::kBranch;
  if (ancestor) return Lineage::kAncestor;
  return descendant ? Lineage::kDescendant : Lineage::kBranch;
}

}  // namespace clustered_session
