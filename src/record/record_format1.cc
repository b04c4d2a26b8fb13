// Records of format 1. Layer: record.
//
// Layout, little-endian:                                       bytes
//   magic "CSR1", format (1), flags (1 = tombstone)            0..5
//   header size (192)                                          6..7
//   version, epoch, instance                                   8..31
//   lifetime in seconds, payload size in bytes                 32..39
//   life: how many lives of the ID have ended                  40..43
//   writers dropped from the vector, a filter                  44..55
//   version vector: 16 times (actor, version), last one first  56..183
//   XXH3-64 over bytes 0..183, the storage key, the payload    184..191
#include "src/record/record_format1.h"

#include <algorithm>

#include "src/base/bytes.h"
#include "src/base/xxh3.h"

namespace clustered_session {
namespace {

constexpr size_t kVectorOffset = 56;
constexpr size_t kSlots = 16;
constexpr size_t kSlotBytes = 8;
constexpr size_t kChecksumOffset = kVectorOffset + kSlots * kSlotBytes;
static_assert(kChecksumOffset + 8 == kFormat1HeaderSize);

Error CorruptFormat1(const char* what) { return {ErrorCode::kCorrupt, what}; }

uint64_t Checksum(std::string_view bytes, std::string_view storage_key) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, bytes.data(), kChecksumOffset);
  XXH3_64bits_update(&state, storage_key.data(), storage_key.size());
  XXH3_64bits_update(&state, bytes.data() + kFormat1HeaderSize, bytes.size() - kFormat1HeaderSize);
  return XXH3_64bits_digest(&state);
}

// Lives were counted: those before this one have ended. Names of later formats are never as low (NewLife()).
LifeSet LivesBefore(uint32_t life) {
  LifeSet ended;
  const uint32_t kept = std::min<uint32_t>(life, LifeSet::kMax);
  for (uint32_t past = life - kept; past < life; ++past) ended.Add(past + 1);
  return ended;
}

// A slot stands for all versions of its actor up to this one. The last slots first, so that the last writer leads.
void LoadVector(const char* slots, Ancestry* ancestry) {
  for (size_t i = kSlots; i > 0; --i) {
    const char* slot = slots + (i - 1) * kSlotBytes;
    const Dot dot{LoadLittleEndian<uint32_t>(slot), LoadLittleEndian<uint32_t>(slot + 4)};
    if (!dot.known()) continue;
    ancestry->context.Add(dot, 0);
    ancestry->dot = dot;
  }
}

}  // namespace

Result<Record> DecodeFormat1(std::string_view bytes, std::string_view storage_key) {
  if (bytes.size() < kFormat1HeaderSize) return CorruptFormat1("shorter than a record's header");
  const char* header = bytes.data();
  if (LoadLittleEndian<uint16_t>(header + 6) != kFormat1HeaderSize) return CorruptFormat1("wrong header size");
  Record record;
  record.header_size = kFormat1HeaderSize;
  record.payload = bytes.substr(kFormat1HeaderSize);
  record.flags = LoadLittleEndian<uint8_t>(header + 5);
  record.version = LoadLittleEndian<uint64_t>(header + 8);
  record.epoch = LoadLittleEndian<uint64_t>(header + 16);
  record.instance = LoadLittleEndian<uint64_t>(header + 24);
  record.lifetime_s = LoadLittleEndian<uint32_t>(header + 32);
  if (LoadLittleEndian<uint32_t>(header + 36) != record.payload.size())
    return CorruptFormat1("truncated or overlong payload");
  const auto life = LoadLittleEndian<uint32_t>(header + 40);
  Ancestry& ancestry = record.ancestry;
  ancestry.fingerprint = LoadLittleEndian<uint64_t>(header + kChecksumOffset);
  if (Checksum(bytes, storage_key) != ancestry.fingerprint) return CorruptFormat1("wrong checksum");
  if ((record.flags & ~kRecordTombstone) != 0) {
    return Error(ErrorCode::kUnsupported, "a record flag that this version does not know");
  }
  ancestry.tombstone = (record.flags & kRecordTombstone) != 0;
  ancestry.lifetime_max_s = record.lifetime_s;
  ancestry.ended = LivesBefore(life);
  LoadVector(header + kVectorOffset, &ancestry);
  const bool named = ancestry.dot.known() && life < UINT32_MAX;
  if (record.version == 0 || record.instance == 0 || !named || (record.tombstone() && !record.payload.empty())) {
    return CorruptFormat1("fields that contradict each other");
  }
  (ancestry.tombstone ? ancestry.ended : ancestry.lives).Add(life + 1);
  if (ancestry.tombstone) {
    ancestry.dot = Dot();
    ancestry.context = CausalContext();
    record.version = 1;
  }
  return record;
}

}  // namespace clustered_session
