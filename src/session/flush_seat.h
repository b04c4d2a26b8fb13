// FlushSeat: where those who leave unreplicated entries behind meet the one thread that writes them. Layer: session.
// In shared memory. There is one for each set of credentials, as nobody can write with another's: a pool whose nodes
// fail, or whose workers are gone, then keeps no other pool's entries waiting.
#ifndef CLUSTERED_SESSION_SESSION_FLUSH_SEAT_H_
#define CLUSTERED_SESSION_SESSION_FLUSH_SEAT_H_

#include <semaphore.h>

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"
#include "src/local/shared_mutex.h"

namespace clustered_session {

struct FlushSeat {
  // Of `pending`. Not 0 while they are being written: if the writer dies over it, the next request sees that some are
  // left.
  enum : uint32_t { kNothing = 0, kPending = 1, kUnderWay = 2 };

  // REQUIRES: zeroed memory that nobody else sees yet. False: the system has no process-shared mutexes.
  bool Init();

  // Says that there are unreplicated entries, and wakes the thread that writes them, if there is one.
  void NotePending();

  // Ends the wait of the thread that writes.
  void Wake();

  // Until somebody wakes, or `wait` is over by the monotonic clock: setting the wall clock changes nothing.
  void Wait(Duration wait);

  // Takes `taken`. False: another thread of the server has it.
  [[nodiscard]] bool Take();

  SharedMutex taken;                  // held by the one thread of the server that writes them
  sem_t wake;                         // posted for that thread
  std::atomic<uint32_t> pending;      // whether there may be unreplicated entries that nobody has tried since
  std::atomic<uint64_t> credentials;  // hash of user name and password; 0 = free, or the seat of those that need none
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_FLUSH_SEAT_H_
