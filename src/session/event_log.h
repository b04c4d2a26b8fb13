// SharedEventLog: the lines that a server has for its logs, in the order in which things happened. Layer: session. In
// shared memory; any thread of any worker adds. Only a worker's request can write to PHP's log: the next one of any
// worker takes the lines, the earliest first.
//
// The last different lines are kept beside that for the status, each with how often it came.
//
// Lines belong to a log: workers that write to different files, or as different users, take only their own. The log is
// bounded. Where it is full, the oldest line of the same log goes, or else the oldest of all.
#ifndef CLUSTERED_SESSION_SESSION_EVENT_LOG_H_
#define CLUSTERED_SESSION_SESSION_EVENT_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/local/shared_mutex.h"
#include "src/session/notice.h"

namespace clustered_session {

struct SharedEventLog {
  static constexpr uint32_t kLines = 32;
  static constexpr uint32_t kKept = 16;    // recent ones, for the status
  static constexpr size_t kTextMax = 472;  // bytes; what is longer is cut

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  // `at`: when it happened. `log`: whose it is.
  void Add(uint64_t log, TimePoint at, std::string_view text);

  // A warning that a script was given: it is in no log of ours, but among the recent ones.
  void NoteWarning(uint64_t log, TimePoint at, std::string_view text);

  // The recent lines of `log` that came last at `since` or later, the latest first.
  struct Recent {
    TimePoint at;  // the last time
    uint32_t times = 0;
    std::string text;
  };
  std::vector<Recent> RecentLines(uint64_t log, TimePoint since);

  // Takes the earliest line of `log`, if there is one.
  std::optional<Notice> Take(uint64_t log);

 private:
  struct Line {
    uint64_t log;
    int64_t at_ns;
    uint64_t number;  // of all lines that were ever added: of two at the same time, the lower is first
    uint32_t size;    // bytes of the text; 0 = free
    uint32_t reserved;
    char text[kTextMax];
  };
  struct Kept {
    Line line;
    uint32_t times;
    uint32_t reserved;
  };
  class Access;

  Line* Earliest(const uint64_t* log);
  void Keep(uint64_t log, TimePoint at, std::string_view text);

  SharedMutex change_;         // of all below
  std::atomic<uint32_t> any_;  // whether there may be lines of any log: also read without the mutex
  uint64_t added_;
  Line lines_[kLines];
  Kept kept_[kKept];
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_EVENT_LOG_H_
