// Which sockets of this process are connections of ours, so that none is taken for another's. Layer: cluster; for
// memcached_connection.cc and memcached_sasl.cc only. Used by all threads.
#ifndef CLUSTERED_SESSION_CLUSTER_OWNED_SOCKETS_H_
#define CLUSTERED_SESSION_CLUSTER_OWNED_SOCKETS_H_

#include <sys/types.h>

#include <cstdint>
#include <set>

#include "src/base/clock.h"
#include "src/base/process_number.h"

namespace clustered_session {

// Guards OwnedSockets(), and the time from choosing a descriptor to finding it, for the sake of threads (ZTS, and the
// one that writes in the background). Held for the time of a connect, so it is waited for no longer than the deadline. A
// fork() beside another thread's connect leaves it taken in the child, by nobody: hence not a mutex but the number of
// the process that has it.
class OpenLock {
 public:
  explicit OpenLock(TimePoint deadline);
  ~OpenLock();
  OpenLock(const OpenLock&) = delete;
  OpenLock& operator=(const OpenLock&) = delete;

  bool held() const { return held_; }

 private:
  static bool Try();

  bool held_ = false;
};

// By inode. REQUIRES: an OpenLock that is held
std::set<ino_t>& OwnedSockets();

// Of a socket that is about to be closed.
void DisownSocket(ino_t inode);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_OWNED_SOCKETS_H_
