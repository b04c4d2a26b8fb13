// What compression does to payloads, as the core compresses: size, and processor time there and back. Layer: bench,
// above record/. For bench/compression.php, which makes the payloads:
//   compression_bench PAYLOAD [SAMPLE...]     files; samples are payloads of other visitors, for a dictionary
// It prints a line for each way: its name, bytes, microseconds to compress, microseconds to decompress.
#include <zdict.h>
#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/record/compression.h"

namespace clustered_session {
namespace {

constexpr double kSecondsMin = 0.1;

[[noreturn]] void Give(const char* what) {
  std::fprintf(stderr, "compression_bench: %s\n", what);
  std::exit(1);
}

double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Microseconds that one call takes.
template <typename Call>
double Cost(Call call) {
  for (long rounds = 16;; rounds *= 2) {
    const double start = CpuSeconds();
    for (long i = 0; i < rounds; ++i) call();
    const double seconds = CpuSeconds() - start;
    if (seconds >= kSecondsMin) return seconds / static_cast<double>(rounds) * 1e6;
  }
}

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Give("a file cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

void ByCore(const std::string& payload, uint32_t level) {
  const std::optional<std::string> compressed = Compress(payload, level);
  if (!compressed) Give("a payload does not become smaller");
  const double there = Cost([&] { (void)Compress(payload, level); });
  const double back = Cost([&] { (void)Decompress(*compressed); });
  std::printf("zstd %u\t%zu\t%.2f\t%.2f\n", level, compressed->size(), there, back);
}

// What the core does not do: with a dictionary of the same application's sessions.
void ByDictionary(const std::string& payload, const std::vector<std::string>& samples) {
  std::string all;
  std::vector<size_t> sizes;
  for (const std::string& sample : samples) {
    all += sample;
    sizes.push_back(sample.size());
  }
  std::string dictionary(16384, '\0');
  const size_t size = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), all.data(), sizes.data(),
                                            static_cast<unsigned>(sizes.size()));
  if (ZDICT_isError(size) != 0) Give("no dictionary can be made");
  const std::unique_ptr<ZSTD_CDict, decltype(&ZSTD_freeCDict)> there_by(ZSTD_createCDict(dictionary.data(), size, 3),
                                                                        ZSTD_freeCDict);
  const std::unique_ptr<ZSTD_DDict, decltype(&ZSTD_freeDDict)> back_by(ZSTD_createDDict(dictionary.data(), size),
                                                                       ZSTD_freeDDict);
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compressor(ZSTD_createCCtx(), ZSTD_freeCCtx);
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompressor(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::string compressed(ZSTD_compressBound(payload.size()), '\0');
  std::string bytes(payload.size(), '\0');
  size_t made = 0;
  const double there = Cost([&] {
    made = ZSTD_compress_usingCDict(compressor.get(), compressed.data(), compressed.size(), payload.data(),
                                    payload.size(), there_by.get());
  });
  const double back = Cost([&] {
    if (ZSTD_decompress_usingDDict(decompressor.get(), bytes.data(), bytes.size(), compressed.data(), made,
                                   back_by.get()) != payload.size()) {
      Give("a dictionary that does not work");
    }
  });
  std::printf("zstd 3 with a dictionary\t%zu\t%.2f\t%.2f\n", made, there, back);
}

int Main(int argc, char** argv) {
  if (argc < 2) Give("no payload is named");
  if (!CompressionAvailable()) Give("this build has no zstd");
  const std::string payload = ReadFile(argv[1]);
  for (const uint32_t level : {1u, 3u, 9u}) ByCore(payload, level);
  std::vector<std::string> samples;
  for (int i = 2; i < argc; ++i) samples.push_back(ReadFile(argv[i]));
  if (!samples.empty()) ByDictionary(payload, samples);
  return 0;
}

}  // namespace
}  // namespace clustered_session

int main(int argc, char** argv) { return clustered_session::Main(argc, argv); }
