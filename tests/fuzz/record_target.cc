// Fuzz target: the decoders of records and of news, which read what anybody may have stored on a node. See
// tests/fuzz/targets.h.
#include "src/record/news_log.h"
#include "src/record/record.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {

FuzzFinding FuzzRecord(std::string_view input) {
  constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";
  if (const std::optional<NewsLog> log = DecodeNewsLog(input)) FUZZ_CHECK(EncodeNewsLog(*log) == input);
  Result<Record> record = DecodeRecord(input, kKey);
  if (!record.ok()) {
    FUZZ_CHECK(record.error().message().size() < 200);
    // The same bytes as a payload must survive the way there and back, and no shorter copy may be believed.
    Record made;
    made.instance = 1;
    made.ancestry.lives.Add(1);
    made.ancestry.dot = {1, 1};
    made.ancestry.context.Add(made.ancestry.dot, 1);
    made.payload = input;
    const std::string bytes = EncodeRecord(&made, kKey);
    Result<Record> again = DecodeRecord(bytes, kKey);
    FUZZ_CHECK(again.ok() && again->payload == input);
    FUZZ_CHECK(!DecodeRecord(std::string_view(bytes).substr(0, bytes.size() - 1), kKey).ok());
    FUZZ_CHECK(!DecodeRecord(bytes, "cs:BAAAAAAAAAAAAAAAAAAAAA").ok());
    return {};
  }
  FUZZ_CHECK(record->version != 0 && (record->tombstone() || record->instance != 0));
  FUZZ_CHECK(record->payload.size() + record->header_size == input.size());
  FUZZ_CHECK(input[4] == 1 || EncodeRecord(&*record, kKey) == input);
  return {};
}

}  // namespace clustered_session
