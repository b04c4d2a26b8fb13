// For how long a session's records stay on the nodes, and how often an unchanged session is written again. Layer:
// session. Pure.
// A record has to outlive the session's last use by its lifetime, and not by much more: whoever finds one believes it.
// Nodes count whole seconds, so an item goes up to a second before its time to live is over, and never after it.
#ifndef CLUSTERED_SESSION_SESSION_LIFETIME_H_
#define CLUSTERED_SESSION_SESSION_LIFETIME_H_

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

inline constexpr std::chrono::seconds kNodeClockTick{1};

inline int64_t SecondsAfter(TimePoint now, uint32_t seconds) { return ToNanos(now + std::chrono::seconds(seconds)); }

// How long after a record was written an unchanged session is written again: ten times in a lifetime, or each second.
inline std::chrono::seconds RefreshInterval(uint32_t lifetime_s) {
  return std::max(std::chrono::seconds(lifetime_s) / 10 - kNodeClockTick, std::chrono::seconds(1));
}

// A tenth more than the lifetime; two seconds, if those are more. A record that names lives which have ended outlives
// what is left of them, as a tombstone does: `of_ended_s` is Ancestry::LifetimeOfEnded().
inline std::chrono::seconds RecordTimeToLive(uint32_t lifetime_s, uint32_t of_ended_s = 0) {
  lifetime_s = std::max(lifetime_s, of_ended_s);
  return std::chrono::seconds(lifetime_s) + RefreshInterval(lifetime_s) + kNodeClockTick;
}

// Longer than any record of the session that a node may still hold. `lifetime_s` is the longest with which one was
// written; a request that has read the session before its end may write it for two minutes after.
inline std::chrono::seconds TombstoneTimeToLive(uint32_t lifetime_s) {
  return RecordTimeToLive(lifetime_s) + std::chrono::minutes(2);
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_LIFETIME_H_
