// Compression by zstd, see compression.h. Layer: record.
#include "src/record/compression.h"

#ifdef CLUSTERED_SESSION_ZSTD

#include <zstd.h>

#include <algorithm>
#include <memory>

namespace clustered_session {
namespace {

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

// Of this thread; null: out of memory.
ZSTD_CCtx* Compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeCompressor> kept;
  if (kept == nullptr) kept.reset(ZSTD_createCCtx());
  return kept.get();
}

}  // namespace

bool CompressionAvailable() { return true; }

std::optional<std::string> Compress(std::string_view bytes, uint32_t level) {
  ZSTD_CCtx* compressor = Compressor();
  if (compressor == nullptr || bytes.size() > kDecompressedMax) return std::nullopt;
  std::string compressed(bytes.size(), '\0');  // what takes more room is of no use
  const size_t size = ZSTD_compressCCtx(compressor, compressed.data(), compressed.size(), bytes.data(), bytes.size(),
                                        static_cast<int>(level));
  if (ZSTD_isError(size) != 0) return std::nullopt;
  // Zeros, where it has become smaller than anybody believes.
  const size_t size_min = (bytes.size() + kCompressionRatioMax - 1) / kCompressionRatioMax;
  compressed.resize(size);
  if (size < size_min) compressed.resize(size_min, '\0');
  if (compressed.size() >= bytes.size()) return std::nullopt;
  return compressed;
}

std::optional<std::string> Decompress(std::string_view compressed) {
  const unsigned long long size = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return std::nullopt;
  if (size > kDecompressedMax || size > compressed.size() * kCompressionRatioMax) return std::nullopt;
  const size_t frame = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
  if (ZSTD_isError(frame) != 0) return std::nullopt;
  const std::string_view rest = compressed.substr(frame);
  if (std::any_of(rest.begin(), rest.end(), [](char c) { return c != '\0'; })) return std::nullopt;
  std::string bytes(static_cast<size_t>(size), '\0');
  const size_t made = ZSTD_decompress(bytes.data(), bytes.size(), compressed.data(), frame);
  if (ZSTD_isError(made) != 0 || made != bytes.size()) return std::nullopt;
  return bytes;
}

}  // namespace clustered_session

#else

namespace clustered_session {

bool CompressionAvailable() { return false; }
std::optional<std::string> Compress(std::string_view, uint32_t) { return std::nullopt; }
std::optional<std::string> Decompress(std::string_view) { return std::nullopt; }

}  // namespace clustered_session

#endif
