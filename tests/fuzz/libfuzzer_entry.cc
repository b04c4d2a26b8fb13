// One libFuzzer program per target: compile with -fsanitize=fuzzer -DFUZZ_TARGET=FuzzMerge and the like.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/targets.h"

// In place of libsodium's: its guarded memory costs several system calls a run, and no sanitizer sees into it.
extern "C" void* sodium_malloc(size_t size) { return std::malloc(size); }
extern "C" void sodium_free(void* memory) { std::free(memory); }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // libFuzzer may give a null pointer for no bytes.
  const std::string_view input =
      size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data), size);
  const clustered_session::FuzzFinding finding = clustered_session::FUZZ_TARGET(input);
  if (!finding.empty()) {
    std::fprintf(stderr, "does not hold: %s\n", finding.c_str());
    std::abort();
  }
  return 0;
}
