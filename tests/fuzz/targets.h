// The cores of the fuzzers: each takes any bytes and checks what must hold for them. tests/fuzz/libfuzzer_entry.cc
// feeds them from libFuzzer, tests/fuzz/targets_test.cc from a small random corpus in every test run.
#ifndef CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_
#define CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_

#include <string>
#include <string_view>

namespace clustered_session {

// A line of a key file, and the storage key of sealed records.
inline constexpr char kFuzzKeyLine[] = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
inline constexpr std::string_view kFuzzStorageKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";

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

// Sealed records, of any bytes and of bytes that a key has encrypted: what is believed is what was written, and any
// change of it is noticed. Byte 0 chooses what is done with the others.
FuzzFinding FuzzSealedRecord(std::string_view input);

// Key files: what is taken for one has names and keys that differ, and messages show none of its bytes.
FuzzFinding FuzzKeyFile(std::string_view input);

// The answers of nodes: never more than the bytes, and what is whole is so without what follows.
FuzzFinding FuzzReply(std::string_view input);

}  // namespace clustered_session

// In a target: return the condition itself as the finding if it does not hold.
#define FUZZ_CHECK(condition)                          \
  do {                                                 \
    if (!(condition)) return __FILE__ ": " #condition; \
  } while (false)

#endif  // CLUSTERED_SESSION_TESTS_FUZZ_TARGETS_H_
