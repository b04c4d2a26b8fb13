// HangingPort: a port of 127.0.0.1 where connecting hangs, as at a black hole. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_HANGING_PORT_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_HANGING_PORT_H_

#include <unistd.h>

#include <cstdint>
#include <vector>

#include "tests/support/free_port.h"

namespace clustered_session {

// Its queue of connections is full and nobody takes them.
class HangingPort {
 public:
  HangingPort() : listener_(ListenOnLoopback(&port_)), clients_(FillQueue(listener_)) {}
  ~HangingPort() {
    for (int client : clients_) close(client);
    close(listener_);
  }
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;
  int listener_;
  std::vector<int> clients_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_HANGING_PORT_H_
