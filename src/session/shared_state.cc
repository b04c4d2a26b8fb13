#include "src/session/shared_state.h"

namespace clustered_session {

bool SharedState::Init() { return flush.taken.Init() && sem_init(&flush.wake, /*pshared=*/1, 0) == 0; }

void SharedState::NotePending() {
  flush.pending.store(FlushSeat::kPending);
  int posted = 0;
  if (sem_getvalue(&flush.wake, &posted) == 0 && posted <= 0) sem_post(&flush.wake);
}

}  // namespace clustered_session
