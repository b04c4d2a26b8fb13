// Pollable: an operation that is under way and waits for descriptors, so that several are waited for at once. Layer:
// cluster. Driven by flight.h, which alone sleeps. Belongs to one thread.
#ifndef CLUSTERED_SESSION_CLUSTER_POLLABLE_H_
#define CLUSTERED_SESSION_CLUSTER_POLLABLE_H_

#include <poll.h>

#include <span>
#include <vector>

#include "src/base/clock.h"

namespace clustered_session {

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

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_POLLABLE_H_
