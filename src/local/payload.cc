// Payloads in pieces. Layer: local.
#include "src/local/payload.h"

#ifdef CLUSTERED_SESSION_XXH_DISPATCH
// The library's functions that choose the widest instructions this processor has, under the usual names: a usual
// session's checksum, which is half of what a Lookup takes, in half the time.
#define XXH_STATIC_LINKING_ONLY
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

#include <algorithm>
#include <cstring>

#include "src/local/fault_point.h"

namespace clustered_session {

namespace {

// The shortest piece is kPieceBytesMin, so a payload within kPayloadMax never has more.
constexpr uint32_t kPiecesMax = static_cast<uint32_t>(kPayloadMax / kPieceBytesMin) + 2;

uint64_t UnitsOfBytes(size_t bytes) { return (bytes + kUnitBytes - 1) / kUnitBytes; }

}  // namespace

uint64_t Payloads::UnitsFor(size_t size) { return size == 0 ? 0 : UnitsOfBytes(kFirstHeaderBytes + size); }

uint32_t Payloads::Next(uint32_t offset) const {
  uint32_t next;
  std::memcpy(&next, arena_.Bytes(offset) + 4, sizeof next);
  return next;
}

void Payloads::SetNext(uint32_t offset, uint32_t next) { std::memcpy(arena_.Bytes(offset) + 4, &next, sizeof next); }

size_t Payloads::BytesIn(uint32_t offset, size_t header_bytes) const {
  const size_t bytes = static_cast<size_t>(arena_.Units(offset)) * kUnitBytes;
  if (bytes == 0) return 0;  // no place where a header could be
  const size_t unused = header_bytes + arena_.Slack(offset);
  return bytes > unused ? bytes - unused : 0;
}

// Of a piece that is as short as it can be for `size` bytes.
void Payloads::SetUnused(uint32_t offset, size_t header_bytes, size_t size) {
  const uint64_t units = UnitsOfBytes(header_bytes + size);
  arena_.SetSlack(offset, static_cast<uint32_t>(units * kUnitBytes - header_bytes - size));
}

// One piece for up to `size` bytes, as long as can be had; `taken` receives how many go into it.
uint32_t Payloads::AllocatePiece(size_t header_bytes, size_t size, size_t* taken) {
  const uint64_t units = UnitsOfBytes(header_bytes + size);
  if (units <= kBlockUnitsMax) {
    if (const uint32_t whole = arena_.Allocate(static_cast<uint32_t>(units)); whole != 0) {
      SetUnused(whole, header_bytes, size);
      *taken = size;
      return whole;
    }
  }
  if (size <= kPieceBytesMin) return 0;
  const uint32_t part = arena_.AllocateLargest(static_cast<uint32_t>(UnitsOfBytes(header_bytes + kPieceBytesMin)),
                                               static_cast<uint32_t>(std::min<uint64_t>(units, kBlockUnitsMax)));
  if (part == 0) return 0;
  const size_t room = static_cast<size_t>(arena_.Units(part)) * kUnitBytes - header_bytes;
  *taken = std::min(room, size);
  arena_.SetSlack(part, static_cast<uint32_t>(room - *taken));
  return part;
}

uint32_t Payloads::Allocate(size_t size) {
  if (UnitsFor(size) > arena_.free_units()) return 0;
  uint32_t first = 0;
  uint32_t last = 0;
  while (size > 0) {
    size_t taken = 0;
    const uint32_t piece = AllocatePiece(first == 0 ? kFirstHeaderBytes : kHeaderBytes, size, &taken);
    if (piece == 0) {
      if (first != 0) Free(first);
      return 0;
    }
    SetNext(piece, 0);
    if (first == 0) {
      first = piece;
    } else {
      SetNext(last, piece);
    }
    last = piece;
    size -= taken;
    FaultPoint("payload.allocate.piece");
  }
  return first;
}

uint32_t Payloads::AllocateBehind(uint32_t front_units, size_t size, uint32_t* first) {
  const uint64_t units = front_units + UnitsFor(size);
  if (units > kBlockUnitsMax) return 0;
  const uint32_t front = arena_.Allocate(static_cast<uint32_t>(units));
  if (front == 0) return 0;
  arena_.Split(front, front_units);
  *first = front + front_units;
  SetUnused(*first, kFirstHeaderBytes, size);
  SetNext(*first, 0);
  FaultPoint("payload.allocate.behind");
  return front;
}

void Payloads::Free(uint32_t first) {
  for (uint32_t i = 0; first != 0 && i < kPiecesMax; ++i) {
    const uint32_t next = arena_.Units(first) == 0 ? 0 : Next(first);
    arena_.Free(first);
    FaultPoint("payload.free.piece");
    first = next;
  }
}

Payloads::Shape Payloads::ShapeOf(uint32_t first) const {
  Shape shape;
  size_t header_bytes = kFirstHeaderBytes;
  for (uint32_t offset = first; offset != 0; offset = Next(offset)) {
    const size_t bytes = BytesIn(offset, header_bytes);
    if (bytes == 0 || shape.size + bytes > kPayloadMax || ++shape.pieces > kPiecesMax) return {};
    shape.size += bytes;
    shape.units += arena_.Units(offset);
    header_bytes = kHeaderBytes;
  }
  return shape;
}

void Payloads::Write(uint32_t first, std::string_view bytes, uint64_t sum) {
  std::memcpy(arena_.Bytes(first) + 8, &sum, sizeof sum);
  size_t header_bytes = kFirstHeaderBytes;
  for (uint32_t offset = first; offset != 0 && !bytes.empty(); offset = Next(offset)) {
    const size_t part = std::min(BytesIn(offset, header_bytes), bytes.size());
    if (part == 0) return;
    std::memcpy(arena_.Bytes(offset) + header_bytes, bytes.data(), part);
    FaultPoint("payload.write.piece");
    bytes.remove_prefix(part);
    header_bytes = kHeaderBytes;
  }
}

std::string_view Payloads::InOnePiece(uint32_t first, uint64_t* sum) const {
  const size_t size = BytesIn(first, kFirstHeaderBytes);
  if (size == 0 || Next(first) != 0) return {};
  const std::byte* bytes = arena_.Bytes(first);
  std::memcpy(sum, bytes + 8, sizeof *sum);
  return {reinterpret_cast<const char*>(bytes + kFirstHeaderBytes), size};
}

bool Payloads::Read(uint32_t first, char* out, size_t size, uint64_t* sum) const {
  if (arena_.Units(first) == 0) return false;
  std::memcpy(sum, arena_.Bytes(first) + 8, sizeof *sum);
  size_t header_bytes = kFirstHeaderBytes;
  for (uint32_t offset = first; offset != 0 && size > 0; offset = Next(offset)) {
    const size_t part = std::min(BytesIn(offset, header_bytes), size);
    if (part == 0) return false;
    std::memcpy(out, arena_.Bytes(offset) + header_bytes, part);
    out += part;
    size -= part;
    header_bytes = kHeaderBytes;
  }
  return size == 0;
}

uint64_t Payloads::SumOf(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

bool Payloads::Verify(uint32_t first, size_t size, uint64_t seed) const {
  if (arena_.Units(first) == 0) return false;
  uint64_t sum;
  std::memcpy(&sum, arena_.Bytes(first) + 8, sizeof sum);
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, seed);
  size_t header_bytes = kFirstHeaderBytes;
  for (uint32_t offset = first; offset != 0 && size > 0; offset = Next(offset)) {
    const size_t part = std::min(BytesIn(offset, header_bytes), size);
    if (part == 0) return false;
    XXH3_64bits_update(&state, arena_.Bytes(offset) + header_bytes, part);
    size -= part;
    header_bytes = kHeaderBytes;
  }
  return size == 0 && XXH3_64bits_digest(&state) == sum;
}

}  // namespace clustered_session
