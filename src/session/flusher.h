// Flusher: writes what no node has acknowledged yet, for no request. Layer: session.
// A pass over the unreplicated entries of all pools in bounded steps. One object per thread; two at once do no harm.
#ifndef CLUSTERED_SESSION_SESSION_FLUSHER_H_
#define CLUSTERED_SESSION_SESSION_FLUSHER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "src/session/context.h"

namespace clustered_session {

class Flusher {
 public:
  // The context of a pool by its number; null if this process cannot write for it.
  using ContextOf = std::function<std::shared_ptr<const SessionContext>(uint8_t pool)>;

  struct Step {
    size_t written = 0;
    size_t busy = 0;     // a request has it and is going to write it
    size_t no_node = 0;  // none of its nodes answers
    size_t gone = 0;     // written or removed by others meanwhile
    size_t unknown = 0;  // of a pool that this process cannot write for
    size_t tried() const { return written + busy + no_node + gone; }
  };

  Flusher(LocalStore* store, const Clock* clock, ContextOf context_of);

  // Tries up to `limit` entries, oldest first, and passes by those of pools that this process cannot write for, however
  // many they are; stops after `deadline`, which what is written at once may exceed by its own timeouts.
  Step Run(size_t limit, TimePoint deadline);

  std::vector<Notice> TakeNotices();

 private:
  void Try(uint8_t pool, const std::vector<SessionKey>& keys, Step* step);

  LocalStore* store_;
  const Clock* clock_;
  ContextOf context_of_;
  std::vector<Notice> notices_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_FLUSHER_H_
