// The flight loop: waits for all operations that are under way at once. Layer: cluster; for node_set.cc and the
// engines. Any thread, with operations of its own.
//
// What has arrived is taken whatever the time is. So a node that hangs does not cost another node its answer, however
// large that is.
#ifndef CLUSTERED_SESSION_CLUSTER_FLIGHT_H_
#define CLUSTERED_SESSION_CLUSTER_FLIGHT_H_

#include <poll.h>

#include <span>
#include <vector>

#include "src/base/clock.h"

namespace clustered_session {

// An operation that is under way and waits for descriptors. Belongs to one thread.
class Pollable {
 public:
  virtual ~Pollable() = default;

  // Whether the operation has come to its end, with an answer or without.
  virtual bool done() const = 0;

  // The wait begins at `now`: the operation's own time counts from here.
  virtual void WaitBegins(TimePoint now) = 0;

  // If the operation waits for nothing but an answer on a connection that is used already: waits for it for a moment,
  // without asking the kernel first whether it is there. False if the operation is not done after that.
  virtual bool WaitBriefly() = 0;

  // Appends what is waited for, and says until when at the latest. REQUIRES: !done()
  virtual TimePoint AddWaits(std::vector<pollfd>* waits) = 0;

  // Goes on as far as it can without waiting. `waits` are those that it has added, with what the kernel said of each.
  // The kernel was asked at `polled_at` or later: what had not arrived then, has not arrived by that time.
  // REQUIRES: !done()
  virtual void Advance(std::span<const pollfd> waits, TimePoint polled_at) = 0;
};

// Returns when all are done: each is, by its own deadline. Signals do not end the wait and do not prolong it.
// When each was seen to be done is written to `done_at`, unless that is empty.
void DriveFlight(std::span<Pollable* const> pollables, std::span<TimePoint> done_at = {});

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_FLIGHT_H_
