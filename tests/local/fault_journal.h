// Ends a process at a named fault point, and notes in shared memory which points there are. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_LOCAL_FAULT_JOURNAL_H_
#define CLUSTERED_SESSION_TESTS_LOCAL_FAULT_JOURNAL_H_

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "src/local/fault_point.h"
#include "tests/support/child_process.h"

namespace clustered_session {

// Which points were met how often, by all processes that record.
struct FaultRecord {
  struct Point {
    std::atomic<const char*> name;  // a literal of the program, at the same place in all its children
    std::atomic<uint64_t> times;
  };
  std::array<Point, 128> points;
};

inline FaultRecord* fault_record = nullptr;
inline const char* fault_name = nullptr;
inline uint64_t fault_countdown = 0;

inline void RecordFault(const char* name) {
  for (FaultRecord::Point& point : fault_record->points) {
    const char* seen = point.name.load();
    if (seen == nullptr && point.name.compare_exchange_strong(seen, name)) seen = name;
    if (std::strcmp(seen, name) == 0) {
      point.times.fetch_add(1);
      return;
    }
  }
}

inline void DieAtFault(const char* name) {
  if (std::strcmp(name, fault_name) == 0 && --fault_countdown == 0) kill(getpid(), SIGKILL);
}

// For this process: record from now on; or die when `name` is met for the `nth` time.
inline void RecordFaults(FaultRecord* record) {
  fault_record = record;
  fault_handler = RecordFault;
}
inline void DieAt(const char* name, uint64_t nth) {
  fault_name = name;
  fault_countdown = nth;
  fault_handler = DieAtFault;
}
inline void ForgetFaults() { fault_handler = nullptr; }

inline std::vector<std::pair<const char*, uint64_t>> PointsOf(const FaultRecord& record) {
  std::vector<std::pair<const char*, uint64_t>> points;
  for (const FaultRecord::Point& point : record.points) {
    if (point.name.load() != nullptr) points.emplace_back(point.name.load(), point.times.load());
  }
  return points;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_LOCAL_FAULT_JOURNAL_H_
