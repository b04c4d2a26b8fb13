// The cores of the fuzzers: each takes any bytes and checks what must hold for them. tests/fuzz/libfuzzer_entry.cc
// feeds them from libFuzzer, tests/fuzz/targets_test.cc from a small random corpus in every test run.
#ifndef CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_
#define CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_

#include <string>
#include <string_view>

namespace clustered_session {

// What does not hold, in words; empty if all does.
using FuzzFinding = std::string;

// session.save_path: whatever is accepted is canonical, unique and read again as the same nodes.
FuzzFinding FuzzSavePath(std::string_view input);

// Session IDs, the affinity cookie, server names and settings with units.
FuzzFinding FuzzClientInput(std::string_view input);

// Splitting and merging, beside a merge over maps. Byte 0 chooses the format and whether the other bytes are three raw
// payloads (between bytes 0xfe) or a script that makes three valid ones.
FuzzFinding FuzzMerge(std::string_view input);

// The record decoder: what it believes is what the encoder makes, whatever the bytes.
FuzzFinding FuzzRecord(std::string_view input);

// The answers of nodes: never more than the bytes, and what is whole is so without what follows.
FuzzFinding FuzzReply(std::string_view input);

}  // namespace clustered_session

// In a target: return the condition itself as the finding if it does not hold.
#define FUZZ_CHECK(condition)                          \
  do {                                                 \
    if (!(condition)) return __FILE__ ": " #condition; \
  } while (false)

#endif  // CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_
