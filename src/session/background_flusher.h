// BackgroundFlusher: the thread that runs a Flusher for the pools of one set of credentials, in the one worker of a
// server that has taken the seat for them. Layer: session. One object per process and set of credentials. The thread
// exists only while there is something to write: it starts when a request leaves something behind and nobody has the
// seat, and ends when nothing has come for a while. It has connections of its own and calls nothing of PHP. A child
// made by fork() has no such thread, and starts its own when it needs one.
#ifndef CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_
#define CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "src/base/on_demand_thread.h"
#include "src/session/context.h"
#include "src/session/flusher.h"
#include "src/session/shared_state.h"

namespace clustered_session {

class BackgroundFlusher {
 public:
  // `store` with an initialized SharedState; `own` is where credentials come from, which are in no shared memory. It
  // writes for the pools that need these, and for no others; without credentials, for those that need none.
  // All but `own` must outlive the process's last use of the object. `log`: of this process, see event_log.h.
  // `watches`: whether this process lives long enough to watch over nodes.
  BackgroundFlusher(LocalStore* store, const Clock* clock, SessionSettings own, uint64_t log = 0, bool watches = true);
  BackgroundFlusher(const BackgroundFlusher&) = delete;
  BackgroundFlusher& operator=(const BackgroundFlusher&) = delete;

  // Starts the thread if there is something to write and no worker does so, or if nodes are to be watched: then the
  // thread stays, and takes the seat when the worker that has it dies. Cheap if there is nothing.
  void Wake();

  // Ends the thread, if it is this process's, for good.
  void Stop() { thread_.Stop(); }

  // Writes, in this thread, what is left of these pools, until `deadline`; returns how many entries of any pool no node
  // has taken by then, or 0 if another process is at it.
  size_t FlushAll(TimePoint deadline);

  // Whether the calling process is the one that made the object.
  bool Mine() const { return thread_.Mine(); }

  // Whether it writes for the pools of these credentials.
  bool IsOf(const SessionSettings& settings) const {
    return SharedPoolTable::CredentialsHash(settings) == credentials_;
  }

  // Whether there is an unreplicated entry of its pools. Looks at all of them.
  bool AnyOfOurs() const;

  // Whether nodes are to be watched: for what they lack of its pools' entries, or for news.
  bool Watches() const;

 private:
  Flusher::ContextOf MakeContextOf() const;
  void ServeWhilePending();
  void Serve(FlushSeat* seat) noexcept;
  void ServeUntilIdle(FlushSeat* seat);
  void CompareNodeLists(const Flusher::ContextOf& context_of);
  static Duration RetryAfter(const Flusher::Step& step);
  void WaitOnSeat(FlushSeat* seat, Duration wait);
  FlushSeat* TakeSeat();
  void LogNotices(const std::vector<Notice>& notices);
  SharedState& shared() const { return *static_cast<SharedState*>(store_->Extra()); }
  SharedPoolTable& pools() const { return shared().pools; }

  LocalStore* store_;
  const Clock* clock_;
  const SessionSettings own_;
  const uint64_t credentials_;  // a hash of own_'s
  const uint64_t log_;
  const bool watches_;
  OnDemandThread thread_;  // last: it ends before what it uses
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_
