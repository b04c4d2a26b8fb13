// The flight loop: waits for all operations that are under way at once. Layer: cluster; for node_set.cc and the
// engines. Any thread, with operations of its own.
//
// What has arrived is taken whatever the time is. So a node that hangs does not cost another node its answer, however
// large that is.
#ifndef CLUSTERED_SESSION_CLUSTER_FLIGHT_H_
#define CLUSTERED_SESSION_CLUSTER_FLIGHT_H_

#include <span>

#include "src/cluster/pollable.h"

namespace clustered_session {

// Returns when all are done: each is, by its own deadline. Signals do not end the wait and do not prolong it.
void DriveFlight(std::span<Pollable* const> pollables);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_FLIGHT_H_
