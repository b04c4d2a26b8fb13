// Fault points: named places at which a test may kill the process. Layer: local, for it and what is above.
// Compiled to nothing unless CLUSTERED_SESSION_FAULT_POINTS is defined, for the core and its tests alike.
#ifndef CLUSTERED_SESSION_LOCAL_FAULT_POINT_H_
#define CLUSTERED_SESSION_LOCAL_FAULT_POINT_H_

#ifdef CLUSTERED_SESSION_FAULT_POINTS
#include <atomic>
#endif

namespace clustered_session {

#ifdef CLUSTERED_SESSION_FAULT_POINTS

using FaultHandler = void (*)(const char* name);
inline std::atomic<FaultHandler> fault_handler{nullptr};

inline void FaultPoint(const char* name) {
  if (FaultHandler handler = fault_handler.load(std::memory_order_relaxed)) handler(name);
}

#else

inline void FaultPoint(const char*) {}

#endif

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_LOCAL_FAULT_POINT_H_
