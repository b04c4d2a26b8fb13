// Three-way merge of serialized $_SESSION payloads by top-level key, at byte level. Layer: record. Pure; thread-safe.
// Why: two servers, or two tabs without a lock, that each change another key of one session must not lose either
// change.
#ifndef CLUSTERED_SESSION_RECORD_MERGE_H_
#define CLUSTERED_SESSION_RECORD_MERGE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/record/payload_split.h"

namespace clustered_session {

struct MergeOutcome {
  std::string payload;
  uint32_t collisions = 0;  // keys changed on both sides to different values: mine was taken
};

// A key changed (added, removed, set) on one side is taken from that side; changed on both sides: mine. The keys come
// in mine's order, then those that only theirs has. An empty payload is an empty session. If one side did not change at
// all, or both are the same, no splitting is needed: the other side's bytes are the outcome, in every format.
// Errors: as SplitPayload.
Result<MergeOutcome> MergePayloads(PayloadFormat format, std::string_view base, std::string_view mine,
                                   std::string_view theirs);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_MERGE_H_
