// SignalBlock: holds signals back while a thread is inside libmemcached. Layer: memcached.
#ifndef CLUSTERED_SESSION_MEMCACHED_SIGNAL_BLOCK_H_
#define CLUSTERED_SESSION_MEMCACHED_SIGNAL_BLOCK_H_

#include <signal.h>

namespace clustered_session {

// Blocks every signal but those of the thread's own faults, for as long as it lives. libmemcached 1.1.4 subtracts the
// time it has waited anew at each interruption: two signals in one wait can make that wait endless. What arrives is
// delivered when this ends.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_SIGNAL_BLOCK_H_
