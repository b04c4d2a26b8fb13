// Ports for tests: no two processes get the same one. Mirrors tests/support/free_port.h.
#include "tests/support/free_port.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "tests/support/child_process.h"

namespace clustered_session {
namespace {

struct Ports {
  std::atomic<int> of[2];  // 0: not yet; -1: there are no containers here
  std::atomic<bool> compared;
};

// In a container, whose first process has ID 1, takes a port, and lives until they are compared.
int TakePortAsFirstProcess(Ports* ports, int place) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
    ports->of[place] = -1;
    return 1;
  }
  const pid_t first = fork();
  if (first == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ports->of[place] = FreePort();
    _exit(WaitUntil([&] { return ports->compared.load(); }) ? 0 : 1);
  }
  return first > 0 && waitpid(first, nullptr, 0) == first ? 0 : 1;
}

TEST_CASE("processes in different containers take different ports, whatever their ids") {
  Shared<Ports> ports;
  ChildProcess one([&] { return TakePortAsFirstProcess(&*ports, 0); });
  REQUIRE(WaitUntil([&] { return ports->of[0] != 0; }));
  ChildProcess other([&] { return TakePortAsFirstProcess(&*ports, 1); });
  REQUIRE(WaitUntil([&] { return ports->of[1] != 0; }));
  if (ports->of[0] == -1 || ports->of[1] == -1) {
    WARN("no container can be made here; skipped");
    return;
  }
  CHECK(ports->of[0] != ports->of[1]);
  ports->compared = true;
  CHECK(one.Wait().ended);
  CHECK(other.Wait().ended);
}

}  // namespace
}  // namespace clustered_session
