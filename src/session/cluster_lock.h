// The item that a cluster lock is on its node: its key, and what it says of who holds it. Layer: session. Pure; any
// thread. See docs/protocol.md, 'Cluster lock'.
#ifndef CLUSTERED_SESSION_SESSION_CLUSTER_LOCK_H_
#define CLUSTERED_SESSION_SESSION_CLUSTER_LOCK_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "src/base/clock.h"

namespace clustered_session {

// How long a lock outlives a holder that died. A third of it is the time between two renewals, so that nodes which do
// not answer for some seconds cost nobody his lock; and it is half of lock_wait's default, so that who waits for the
// lock of a server that died gets it.
inline constexpr std::chrono::seconds kLockLease{15};

// No session's key, of whatever prefix: those end in 22 characters among which there is no colon.
std::string LockKey(std::string_view storage_key);

// Who holds a lock. Two claims are never equal.
struct LockHolder {
  uint64_t realm = 0;   // the workers among whom one session lock of their server decides: of one instance and space
  uint64_t number = 0;  // random: of one claim
  uint32_t process = 0;
  std::string server_id;

  std::string Format() const;
  // None if it is not exactly what Format() makes.
  static std::optional<LockHolder> Parse(std::string_view text);

  // "process <number> of server <server_id>", for messages.
  std::string ToString() const;
};

// The pauses between the tries for a lock that another server has: nobody is told when it comes free. From 2 ms, the
// next twice as long, up to 100 ms; each shortened by up to a half at random, so that those who wait do not march in
// step.
class LockPauses {
 public:
  explicit LockPauses(uint64_t seed) : random_(static_cast<uint32_t>(seed ^ (seed >> 32))) {}
  Duration Next();

 private:
  std::minstd_rand random_;
  Duration longest_ = std::chrono::milliseconds(2);
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_CLUSTER_LOCK_H_
