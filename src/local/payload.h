// Payloads: the bytes of a session in one or, where no free block is large enough, several pieces of the arena. Layer:
// local, only used by local. So a payload fits wherever enough long enough pieces are free, and nothing ever has
// to be moved to make room for a large one. Allocate and Free need the arena's mutex; the others the mutex of the
// entry's shard. Both commit each piece together with a word that names the blocks which are no entry's: so a death at
// any point leaves a payload that can be freed.
#ifndef CLUSTERED_SESSION_LOCAL_PAYLOAD_H_
#define CLUSTERED_SESSION_LOCAL_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/local/arena.h"

namespace clustered_session {

inline constexpr size_t kPieceBytesUsual = 512;  // of a payload in pieces, but for the last one
// Where room has been made already: such a piece fits where any entry's head was, so what gave way can be used at once.
inline constexpr size_t kPieceBytesMin = 112;
inline constexpr size_t kPayloadMax = 1u << 30;  // bytes, however large the segment is

// First piece: u32 header (arena.h), u32 checksum of all bytes, if continued u32 offset of the next piece; then the
// bytes. Other pieces: u32 header, u32 offset of the next piece or 0; then the bytes. The owner's bits in a header say
// how many bytes at the end are unused, and whether a first piece is continued: nearly none is.
class Payloads {
 public:
  explicit Payloads(Arena arena) : arena_(arena) {}

  // Units that a payload takes when it is in one piece.
  static uint64_t UnitsFor(size_t size);

  // *first is its first piece, or 0 if there is no room. REQUIRES: 0 < size <= kPayloadMax; *first is 0.
  void Allocate(size_t size, size_t piece_bytes_min, uint32_t* first);
  // A block of `front_units` and right behind it a payload in one piece; both 0 if there is no room for that.
  void AllocateBehind(uint32_t front_units, size_t size, uint32_t* front, uint32_t* first);
  // Sets *first to 0.
  void Free(uint32_t* first);

  struct Shape {
    size_t size = 0;      // bytes
    uint64_t units = 0;   // taken from the arena
    uint32_t pieces = 0;  // 0: what is there is no payload
  };
  Shape ShapeOf(uint32_t first) const;

  // One after the other: for (Piece piece = First(first); piece.offset != 0; piece = After(piece)). What the links say
  // is checked by nobody.
  struct Piece {
    uint32_t offset;
    uint32_t next;
    size_t header_bytes;
  };
  Piece First(uint32_t first) const;
  Piece After(const Piece& piece) const;

  // REQUIRES: Allocate(bytes.size()) gave `first`.
  void Write(uint32_t first, std::string_view bytes, uint32_t sum);
  // Of a payload in one piece, as nearly all are: its bytes where they lie, and its checksum. Nothing for others, nor
  // for what is no payload.
  std::string_view InOnePiece(uint32_t first, uint32_t* sum) const;
  // Copies `size` bytes out; false if there are not that many.
  bool Read(uint32_t first, char* out, size_t size, uint32_t* sum) const;
  // Whether the bytes have the checksum that was written with them.
  bool Verify(uint32_t first, size_t size, uint64_t seed) const;

  static uint32_t SumOf(std::string_view bytes, uint64_t seed);

 private:
  static constexpr size_t kHeaderBytes = 8;
  static constexpr size_t kContinuedHeaderBytes = 12;  // of a first piece that is not the last one
  static constexpr uint32_t kUnusedMask = 15;          // of the owner's bits
  static constexpr uint32_t kContinued = 16;

  uint32_t AllocatePiece(bool first, size_t size, size_t piece_bytes_min, size_t* taken);
  size_t BytesIn(const Piece& piece) const;
  uint32_t Word(uint32_t offset, size_t index) const;
  void SetWord(uint32_t offset, size_t index, uint32_t value);
  void SaveAndSetWord(uint32_t offset, size_t index, uint32_t value);

  Arena arena_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_PAYLOAD_H_
