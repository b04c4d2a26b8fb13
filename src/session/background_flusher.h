// BackgroundFlusher: the thread that runs a Flusher, in the one worker of a server that has taken the seat for it.
// Layer: session. One object per process. The thread exists only while there is something to write: it starts when a
// request leaves something behind and nobody has the seat, and ends when nothing has come for a while. It blocks all
// signals, has connections of its own and calls nothing of PHP. A child made by fork() has no such thread, and starts
// its own when it needs one.
#ifndef CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_
#define CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "src/session/context.h"
#include "src/session/flusher.h"
#include "src/session/shared_state.h"

namespace clustered_session {

class BackgroundFlusher {
 public:
  // `store` with an initialized SharedState; `own` is where credentials come from, which are in no shared memory.
  // All but `own` must outlive the process's last use of the object.
  BackgroundFlusher(LocalStore* store, const Clock* clock, SessionSettings own);
  ~BackgroundFlusher();
  BackgroundFlusher(const BackgroundFlusher&) = delete;
  BackgroundFlusher& operator=(const BackgroundFlusher&) = delete;

  // Starts the thread if there is something to write and no worker does so. Cheap if there is nothing.
  void Wake();

  // Ends the thread, if it is this process's.
  void Stop();

  // Writes, in this thread, what is left, until `deadline`; returns how many entries no node has taken by then, or 0 if
  // another process is at it.
  size_t FlushAll(TimePoint deadline);

  // What happened since the last call, for the log.
  std::vector<Notice> TakeNotices();
  bool HasNotices() const { return has_notices_.load(std::memory_order_relaxed); }

  // Whether the calling process is the one that made the object.
  bool Mine() const;

 private:
  std::unique_ptr<Flusher> MakeFlusher() const;
  void Main();
  void Serve(Flusher* flusher);
  void Pause(const Flusher::Step& step);
  void WaitForWork(Duration wait);
  bool TakeSeat();
  void KeepNotices(Flusher* flusher);
  FlushSeat& seat() const { return static_cast<SharedState*>(store_->Extra())->flush; }

  LocalStore* store_;
  const Clock* clock_;
  const SessionSettings own_;
  const pid_t pid_;
  std::mutex mutex_;  // of thread_
  std::thread thread_;
  std::mutex notices_mutex_;
  std::vector<Notice> notices_;
  std::atomic<bool> has_notices_{false};
  std::atomic<bool> running_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_BACKGROUND_FLUSHER_H_
