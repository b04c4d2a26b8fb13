// OnDemandThread: a thread beside PHP's that exists only while there is work. Layer: base.
// Start() is called whenever there may be work. The thread ends when its work is done, and the next Start() makes
// another one. It has all signals blocked. Any thread may call; a child made by fork() has no such thread, and its copy
// of the object does nothing.
#ifndef CLUSTERED_SESSION_BASE_ON_DEMAND_THREAD_H_
#define CLUSTERED_SESSION_BASE_ON_DEMAND_THREAD_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "src/base/clock.h"

namespace clustered_session {

class OnDemandThread {
 public:
  // `work` runs in the thread. It returns when there is nothing left to do, and soon once stopping() is true.
  // `wake` ends a wait of the work that is not a Pause(); it is called after stopping() has become true.
  // REQUIRES: neither throws, and what they use outlives Stop()
  explicit OnDemandThread(std::function<void()> work, std::function<void()> wake = {});
  ~OnDemandThread();
  OnDemandThread(const OnDemandThread&) = delete;
  OnDemandThread& operator=(const OnDemandThread&) = delete;

  // Makes the work run once more from its beginning, now or after it has returned.
  // False: the system has no thread, the object was stopped, or it is another process's.
  bool Start();

  // Ends the thread and waits for it. No other one is started afterwards.
  void Stop();

  // Whether the calling process is the one that made the object.
  bool Mine() const;

  bool running() const;

  // For the work.
  bool stopping() const;
  // Waits for `duration`, or until somebody calls Stop().
  void Pause(Duration duration);

 private:
  struct State;  // on the heap, so that a child can leave its copy behind as it is

  void Main();

  const std::function<void()> work_;
  const std::function<void()> wake_;
  const uint64_t process_;  // ProcessNumber() of the one that made it
  std::unique_ptr<State> state_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_ON_DEMAND_THREAD_H_
