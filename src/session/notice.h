// Notice: one line for the log or for the user, and when it happened. Layer: session. Plain values; pure.
#ifndef CLUSTERED_SESSION_SESSION_NOTICE_H_
#define CLUSTERED_SESSION_SESSION_NOTICE_H_

#include <ctime>
#include <string>

#include "src/base/clock.h"

namespace clustered_session {

// Holds no secret, payload or full session ID.
struct Notice {
  bool warning = true;  // false: for the server's log only
  std::string text;
  TimePoint at{};  // when it happened; the epoch: just now
};

// A message without the code at its end, to be part of another one: "<text> [CS-<CODE>]".
std::string WithoutCode(const std::string& message);

// The text as it is to be shown `now`, which is `wall_now` in the time of day: what happened more than a second ago, in
// a thread or before the last request of this worker, says when.
std::string TextOf(const Notice& notice, TimePoint now, std::time_t wall_now);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_NOTICE_H_
