// Payloads in pieces. Layer: local.
#include "src/local/payload.h"

#include <algorithm>
#include <cstring>

#include "src/base/xxh3.h"
#include "src/local/fault_point.h"

namespace clustered_session {

namespace {

// The shortest piece is kPieceBytesMin, so a payload within kPayloadMax never has more.
constexpr uint32_t kPiecesMax = static_cast<uint32_t>(kPayloadMax / kPieceBytesMin) + 2;

// Words of a piece, beside the arena's header.
constexpr size_t kSumOrNext = 1;
constexpr size_t kNextOfFirst = 2;

uint64_t UnitsOfBytes(size_t bytes) { return (bytes + kUnitBytes - 1) / kUnitBytes; }

// The seed comes last: with a seed of its own, XXH3 makes itself a secret for each payload.
uint32_t Seeded(uint64_t hash, uint64_t seed) {
  hash = (hash ^ seed) * 0x9e3779b97f4a7c15u;
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

}  // namespace

uint64_t Payloads::UnitsFor(size_t size) { return size == 0 ? 0 : UnitsOfBytes(kHeaderBytes + size); }

uint32_t Payloads::Word(uint32_t offset, size_t index) const {
  uint32_t value;
  std::memcpy(&value, arena_.Bytes(offset) + index * sizeof value, sizeof value);
  return value;
}

void Payloads::SetWord(uint32_t offset, size_t index, uint32_t value) {
  std::memcpy(arena_.Bytes(offset) + index * sizeof value, &value, sizeof value);
}

void Payloads::SaveAndSetWord(uint32_t offset, size_t index, uint32_t value) {
  arena_.undo().Save(arena_.Bytes(offset) + index * sizeof value, sizeof value);
  SetWord(offset, index, value);
}

Payloads::Piece Payloads::First(uint32_t first) const {
  if (arena_.Units(first) == 0) return {first, 0, kHeaderBytes};  // no place where a header could be
  const bool continued = (arena_.OwnerBits(first) & kContinued) != 0;
  return {first, continued ? Word(first, kNextOfFirst) : 0, continued ? kContinuedHeaderBytes : kHeaderBytes};
}

Payloads::Piece Payloads::After(const Piece& piece) const {
  if (piece.next == 0 || arena_.Units(piece.next) == 0) return {piece.next, 0, kHeaderBytes};
  return {piece.next, Word(piece.next, kSumOrNext), kHeaderBytes};
}

size_t Payloads::BytesIn(const Piece& piece) const {
  const size_t bytes = static_cast<size_t>(arena_.Units(piece.offset)) * kUnitBytes;
  if (bytes == 0) return 0;
  const size_t other = piece.header_bytes + (arena_.OwnerBits(piece.offset) & kUnusedMask);
  return bytes > other ? bytes - other : 0;
}

// One piece for up to `size` bytes, as long as can be had; `taken` receives how many go into it.
uint32_t Payloads::AllocatePiece(bool first, size_t size, size_t piece_bytes_min, size_t* taken) {
  const uint64_t units = UnitsOfBytes(kHeaderBytes + size);
  if (units <= kBlockUnitsMax) {
    if (const uint32_t whole = arena_.Allocate(static_cast<uint32_t>(units)); whole != 0) {
      arena_.SetOwnerBits(whole, static_cast<uint32_t>(units * kUnitBytes - kHeaderBytes - size));
      *taken = size;
      return whole;
    }
  }
  if (size <= piece_bytes_min) return 0;
  const size_t header_bytes = first ? kContinuedHeaderBytes : kHeaderBytes;
  const uint32_t part = arena_.AllocateLargest(static_cast<uint32_t>(UnitsOfBytes(header_bytes + piece_bytes_min)),
                                               static_cast<uint32_t>(std::min<uint64_t>(units, kBlockUnitsMax)));
  if (part == 0) return 0;
  const size_t room = static_cast<size_t>(arena_.Units(part)) * kUnitBytes - header_bytes;
  *taken = std::min(room, size);
  arena_.SetOwnerBits(part, static_cast<uint32_t>(room - *taken) | (first ? kContinued : 0));
  return part;
}

void Payloads::Allocate(size_t size, size_t piece_bytes_min, uint32_t* first) {
  if (UnitsFor(size) > arena_.free_units()) return;
  uint32_t last = 0;
  while (size > 0) {
    size_t taken = 0;
    const uint32_t piece = AllocatePiece(last == 0, size, piece_bytes_min, &taken);
    if (piece == 0) {
      arena_.undo().Commit();
      Free(first);
      return;
    }
    if (last == 0) {
      if ((arena_.OwnerBits(piece) & kContinued) != 0) SaveAndSetWord(piece, kNextOfFirst, 0);
      arena_.undo().Set(first, piece);
    } else {
      SaveAndSetWord(piece, kSumOrNext, 0);
      SaveAndSetWord(last, last == *first ? kNextOfFirst : kSumOrNext, piece);
    }
    FaultPoint("payload.allocate.linked");
    arena_.undo().Commit();
    last = piece;
    size -= taken;
    FaultPoint("payload.allocate.piece");
  }
}

void Payloads::AllocateBehind(uint32_t front_units, size_t size, uint32_t* front, uint32_t* first) {
  const uint64_t units = UnitsFor(size);
  if (front_units + units > kBlockUnitsMax) return;
  const uint32_t block = arena_.Allocate(static_cast<uint32_t>(front_units + units));
  if (block == 0) return;
  arena_.Split(block, front_units);
  const uint32_t behind = block + front_units;
  arena_.SetOwnerBits(behind, static_cast<uint32_t>(units * kUnitBytes - kHeaderBytes - size));
  arena_.undo().Set(front, block);
  arena_.undo().Set(first, behind);
  FaultPoint("payload.allocate.behind");
  arena_.undo().Commit();
}

// The first piece last, since it leads to the others.
void Payloads::Free(uint32_t* first) {
  if (*first == 0) return;
  for (uint32_t i = 0; i < kPiecesMax; ++i) {
    const Piece second = After(First(*first));
    if (second.offset == 0) break;
    SaveAndSetWord(*first, kNextOfFirst, second.next);
    arena_.Free(second.offset);
    FaultPoint("payload.free.piece");
    arena_.undo().Commit();
  }
  const uint32_t last = *first;
  arena_.undo().Set(first, 0u);
  arena_.Free(last);
  FaultPoint("payload.free.first");
  arena_.undo().Commit();
}

Payloads::Shape Payloads::ShapeOf(uint32_t first) const {
  Shape shape;
  for (Piece piece = First(first); piece.offset != 0; piece = After(piece)) {
    const size_t bytes = BytesIn(piece);
    if (bytes == 0 || shape.size + bytes > kPayloadMax || ++shape.pieces > kPiecesMax) return {};
    shape.size += bytes;
    shape.units += arena_.Units(piece.offset);
  }
  return shape;
}

void Payloads::Write(uint32_t first, std::string_view bytes, uint32_t sum) {
  SetWord(first, kSumOrNext, sum);
  for (Piece piece = First(first); piece.offset != 0 && !bytes.empty(); piece = After(piece)) {
    const size_t part = std::min(BytesIn(piece), bytes.size());
    if (part == 0) return;
    std::memcpy(arena_.Bytes(piece.offset) + piece.header_bytes, bytes.data(), part);
    FaultPoint("payload.write.piece");
    bytes.remove_prefix(part);
  }
}

std::string_view Payloads::InOnePiece(uint32_t first, uint32_t* sum) const {
  const Piece piece = First(first);
  const size_t size = piece.next == 0 ? BytesIn(piece) : 0;
  if (size == 0) return {};
  *sum = Word(first, kSumOrNext);
  return {reinterpret_cast<const char*>(arena_.Bytes(first) + piece.header_bytes), size};
}

bool Payloads::Read(uint32_t first, char* out, size_t size, uint32_t* sum) const {
  if (arena_.Units(first) == 0) return false;
  *sum = Word(first, kSumOrNext);
  for (Piece piece = First(first); piece.offset != 0 && size > 0; piece = After(piece)) {
    const size_t part = std::min(BytesIn(piece), size);
    if (part == 0) return false;
    std::memcpy(out, arena_.Bytes(piece.offset) + piece.header_bytes, part);
    out += part;
    size -= part;
  }
  return size == 0;
}

uint32_t Payloads::SumOf(std::string_view bytes, uint64_t seed) {
  return Seeded(XXH3_64bits(bytes.data(), bytes.size()), seed);
}

bool Payloads::Verify(uint32_t first, size_t size, uint64_t seed) const {
  if (arena_.Units(first) == 0) return false;
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (Piece piece = First(first); piece.offset != 0 && size > 0; piece = After(piece)) {
    const size_t part = std::min(BytesIn(piece), size);
    if (part == 0) return false;
    XXH3_64bits_update(&state, arena_.Bytes(piece.offset) + piece.header_bytes, part);
    size -= part;
  }
  return size == 0 && Seeded(XXH3_64bits_digest(&state), seed) == Word(first, kSumOrNext);
}

}  // namespace clustered_session
