// ProcessNumber: tells a forked child from its parent without asking the kernel. Layer: base. Any thread.
#ifndef CLUSTERED_SESSION_BASE_PROCESS_NUMBER_H_
#define CLUSTERED_SESSION_BASE_PROCESS_NUMBER_H_

#include <cstdint>

namespace clustered_session {

// Another number in a child than in the process that forked it.
uint64_t ProcessNumber();

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_PROCESS_NUMBER_H_
