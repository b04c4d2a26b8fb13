// Ports of the loopback interface that nobody listens on. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FREE_PORT_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FREE_PORT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace clustered_session {

// A port that was free a moment ago, and that no other test is likely to take; whoever uses it must be ready to find it
// taken all the same.
uint16_t FreePort();

// Listens on a free port of 127.0.0.1 or ::1 (if `v6`): a descriptor, and the port. `backlog` as for listen().
int ListenOnLoopback(uint16_t* port, bool v6 = false, int backlog = 64);

int ListenOnUnix(const std::string& path);

// Connections that fill the queue of a TCP `listener` from which nobody takes: connecting hangs from now on. The
// caller closes them.
std::vector<int> FillQueue(int listener);

// A connected socket, or -1.
int ConnectToLoopback(uint16_t port, bool v6 = false);
int ConnectToUnix(const std::string& path);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FREE_PORT_H_
