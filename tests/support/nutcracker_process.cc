// Starts and ends nutcracker. Layer: tests.
#include "tests/support/nutcracker_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/free_port.h"

namespace clustered_session {
namespace {

std::string Program() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path != nullptr ? path : "") + ":/usr/sbin");  // where Debian has it
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((folder + "/nutcracker").c_str(), X_OK) == 0) return folder + "/nutcracker";
  }
  return "";
}

}  // namespace

bool NutcrackerProcess::Installed() { return !Program().empty(); }

NutcrackerProcess::NutcrackerProcess(const std::vector<uint16_t>& ports, const std::vector<std::string>& more) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (Start(ports, more)) return;
    Kill();
  }
  throw std::runtime_error("nutcracker does not start");
}

bool NutcrackerProcess::Start(const std::vector<uint16_t>& ports, const std::vector<std::string>& more) {
  port_ = FreePort();
  const std::string statistics = std::to_string(FreePort());
  const std::string configuration = folder_.path() + "/nutcracker.yml";
  std::ofstream file(configuration);
  file << "pool:\n  listen: 127.0.0.1:" << port_ << "\n  hash: md5\n  distribution: ketama\n";
  for (const std::string& line : more) file << "  " << line << '\n';
  file << "  servers:\n";
  for (const uint16_t port : ports) file << "   - 127.0.0.1:" << port << ":1\n";
  file.close();
  const std::string log = folder_.path() + "/log";
  const std::string pid_file = folder_.path() + "/pid";
  const std::string program = Program();

  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(null, descriptor);
    execl(program.c_str(), "nutcracker", "-c", configuration.c_str(), "-a", "127.0.0.1", "-s", statistics.c_str(), "-o",
          log.c_str(), "-p", pid_file.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (pid_ > 0 && std::chrono::steady_clock::now() < end) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      return false;
    }
    const int descriptor = ConnectToLoopback(port_);
    if (descriptor >= 0) {
      close(descriptor);
      return true;
    }
    poll(nullptr, 0, 2);
  }
  return false;
}

void NutcrackerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace clustered_session
