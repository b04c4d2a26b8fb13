// Compression of records by zstd, where this build has it. Layer: record. Any thread; each keeps a compressor's memory.
#ifndef CLUSTERED_SESSION_RECORD_COMPRESSION_H_
#define CLUSTERED_SESSION_RECORD_COMPRESSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clustered_session {

// A record is so many times larger than its compressed bytes at most, and no larger than kDecompressedMax: what
// somebody has put on a node makes no more of our memory.
inline constexpr size_t kCompressionRatioMax = 32;
inline constexpr size_t kDecompressedMax = 128u << 20;  // bytes
inline constexpr uint32_t kCompressionLevelMax = 19;

bool CompressionAvailable();

// Smaller bytes that Decompress() makes `bytes` of; none where they would not be smaller, or are too large.
// REQUIRES: CompressionAvailable()
std::optional<std::string> Compress(std::string_view bytes, uint32_t level);

// None: these are no bytes that Compress() makes. REQUIRES: CompressionAvailable()
std::optional<std::string> Decompress(std::string_view compressed);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_COMPRESSION_H_
