// What becomes of two payloads of one session that were written beside each other: on_conflict applied. Layer: session.
// Pure but for the counters; any thread.
#ifndef CLUSTERED_SESSION_SESSION_CONFLICT_H_
#define CLUSTERED_SESSION_SESSION_CONFLICT_H_

#include <optional>
#include <string>
#include <string_view>

#include "src/session/context.h"

namespace clustered_session {

// The payload that takes the place of `mine`, or none if mine stands: by rule, or because they cannot be split and
// merged. `base` is what both were made from; empty if that is not known, and then every key of either stays. Counts
// merges and merge_collisions.
std::optional<std::string> ResolveConflict(const SessionContext& context, std::string_view base, std::string_view mine,
                                           std::string_view theirs);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_CONFLICT_H_
