// Holds signals back, see signal_block.h. Layer: memcached.
#include "src/memcached/signal_block.h"

#include <pthread.h>

#include <initializer_list>

namespace clustered_session {

SignalBlock::SignalBlock() {
  sigset_t all;
  sigfillset(&all);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalBlock::~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace clustered_session
