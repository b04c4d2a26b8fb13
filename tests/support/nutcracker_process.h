// Debian's nutcracker (twemproxy) in front of nodes, as an operator may have it. Layer: tests. Ended with the object,
// by its process ID, and by the kernel should the test die first. Belongs to the thread that made it.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_NUTCRACKER_PROCESS_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_NUTCRACKER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace clustered_session {

class NutcrackerProcess {
 public:
  static bool Installed();

  // One pool of servers at these loopback ports; `more` are lines of its configuration. Returns when it listens; throws
  // std::runtime_error if it does not in 10 seconds.
  explicit NutcrackerProcess(const std::vector<uint16_t>& ports, const std::vector<std::string>& more = {});
  ~NutcrackerProcess() { Kill(); }
  NutcrackerProcess(const NutcrackerProcess&) = delete;
  NutcrackerProcess& operator=(const NutcrackerProcess&) = delete;

  uint16_t port() const { return port_; }

 private:
  bool Start(const std::vector<uint16_t>& ports, const std::vector<std::string>& more);
  void Kill();

  TempDir folder_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_NUTCRACKER_PROCESS_H_
