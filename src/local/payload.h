// Payloads: the bytes of a session in one or, where no free block is large enough, several pieces of the arena. Layer:
// local, only used by local. So a payload fits wherever enough pieces of kPieceBytesMin are free, and nothing ever has
// to be moved to make room for a large one. Allocate and Free need the arena's mutex; the others the mutex of the
// entry's shard.
#ifndef CLUSTERED_SESSION_LOCAL_PAYLOAD_H_
#define CLUSTERED_SESSION_LOCAL_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/local/arena.h"

namespace clustered_session {

inline constexpr size_t kPieceBytesMin = 512;     // of a payload in pieces, but for the last one
inline constexpr size_t kPayloadMax = 1u << 30;   // bytes, however large the segment is

// Piece: u32 header (arena.h; slack = bytes unused at its end), u32 offset of the next piece or 0; first piece only:
// u64 checksum of all bytes; then the bytes.
class Payloads {
 public:
  explicit Payloads(Arena arena) : arena_(arena) {}

  // Units that a payload takes when it is in one piece.
  static uint64_t UnitsFor(size_t size);

  // The first piece, or 0 if there is no room. REQUIRES: 0 < size <= kPayloadMax.
  uint32_t Allocate(size_t size);
  // A block of `front_units` and right behind it a payload in one piece; 0 if there is no room for that.
  uint32_t AllocateBehind(uint32_t front_units, size_t size, uint32_t* first);
  void Free(uint32_t first);

  struct Shape {
    size_t size = 0;      // bytes
    uint64_t units = 0;   // taken from the arena
    uint32_t pieces = 0;  // 0: what is there is no payload
  };
  Shape ShapeOf(uint32_t first) const;

  // The offset of the piece after the one at `offset`, or 0. Checked by nobody.
  uint32_t Next(uint32_t offset) const;

  // REQUIRES: Allocate(bytes.size()) gave `first`.
  void Write(uint32_t first, std::string_view bytes, uint64_t sum);
  // Of a payload in one piece, as nearly all are: its bytes where they lie, and its checksum. Nothing for others, nor
  // for what is no payload.
  std::string_view InOnePiece(uint32_t first, uint64_t* sum) const;
  // Copies `size` bytes out; false if there are not that many.
  bool Read(uint32_t first, char* out, size_t size, uint64_t* sum) const;
  // Whether the bytes have the checksum that was written with them.
  bool Verify(uint32_t first, size_t size, uint64_t seed) const;

  static uint64_t SumOf(std::string_view bytes, uint64_t seed);

 private:
  static constexpr size_t kFirstHeaderBytes = 16;
  static constexpr size_t kHeaderBytes = 8;

  uint32_t AllocatePiece(size_t header_bytes, size_t size, size_t* taken);
  size_t BytesIn(uint32_t offset, size_t header_bytes) const;
  void SetUnused(uint32_t offset, size_t header_bytes, size_t size);
  void SetNext(uint32_t offset, uint32_t next);

  Arena arena_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_PAYLOAD_H_
