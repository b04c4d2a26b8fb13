// Fuzz target: the record decoder, which reads what anybody may have stored on a node. See tests/fuzz/targets.h.
#include "src/record/record.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {

FuzzFinding FuzzRecord(std::string_view input) {
  constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";
  Result<Record> record = DecodeRecord(input, kKey);
  if (!record.ok()) {
    FUZZ_CHECK(record.error().message().size() < 200);
    // The same bytes as a payload must survive the way there and back, and no shorter copy may be believed.
    Record made;
    made.version = 1;
    made.instance = 1;
    made.vector.Advance(1, 1);
    made.payload = input;
    const std::string bytes = EncodeRecord(&made, kKey);
    Result<Record> again = DecodeRecord(bytes, kKey);
    FUZZ_CHECK(again.ok() && again->payload == input);
    FUZZ_CHECK(!DecodeRecord(std::string_view(bytes).substr(0, bytes.size() - 1), kKey).ok());
    FUZZ_CHECK(!DecodeRecord(bytes, "cs:BAAAAAAAAAAAAAAAAAAAAA").ok());
    return {};
  }
  FUZZ_CHECK(record->version != 0 && record->instance != 0);
  FUZZ_CHECK(record->payload.size() + kRecordHeaderSize == input.size());
  FUZZ_CHECK(EncodeRecord(&*record, kKey) == input);
  return {};
}

}  // namespace clustered_session
