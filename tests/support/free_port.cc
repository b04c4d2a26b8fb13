// Sockets of the loopback interface for tests. Layer: tests.
#include "tests/support/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace clustered_session {
namespace {

// Each process has a window of its own, below what the system gives to those who ask for any port: that of a server
// which a test has killed, and will start again, is taken by no other test meanwhile.
constexpr int kFirstPort = 10240;
constexpr int kWindow = 32;
constexpr int kWindows = 700;

socklen_t Fill(sockaddr_storage* storage, uint16_t port, bool v6) {
  std::memset(storage, 0, sizeof *storage);
  if (v6) {
    auto* address = reinterpret_cast<sockaddr_in6*>(storage);
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(port);
    address->sin6_addr = in6addr_loopback;
    return sizeof *address;
  }
  auto* address = reinterpret_cast<sockaddr_in*>(storage);
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return sizeof *address;
}

sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("the path is too long for a socket: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

int Connect(int family, const sockaddr* address, socklen_t length) {
  const int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0 && connect(descriptor, address, length) == 0) return descriptor;
  if (descriptor >= 0) close(descriptor);
  return -1;
}

// The window of this process. It has it for as long as it lives, by a name that only one socket can have. Such names
// belong to a network, as ports do: processes of another container or chroot see each other's.
int OwnWindow() {
  static pid_t owner = 0;
  static int window = 0;
  if (owner == getpid()) return window;  // not of a process that was forked since
  for (int tries = 0; tries < kWindows; ++tries) {
    window = (getpid() + tries) % kWindows;
    const std::string name = "clustered_session_test_ports_" + std::to_string(window);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());  // after a zero: no file
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0) {
      owner = getpid();
      return window;  // the descriptor is left open
    }
    if (descriptor >= 0) close(descriptor);
  }
  throw std::runtime_error("no window of ports is free");
}

}  // namespace

int ListenOnLoopback(uint16_t* port, bool v6, int backlog) {
  const int descriptor = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage storage;
  socklen_t length = Fill(&storage, 0, v6);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (descriptor < 0 || bind(descriptor, address, length) != 0 || listen(descriptor, backlog) != 0 ||
      getsockname(descriptor, address, &length) != 0) {
    if (descriptor >= 0) close(descriptor);
    throw std::runtime_error("cannot listen on the loopback interface");
  }
  // The port is at the same place for both families.
  *port = ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  return descriptor;
}

uint16_t FreePort() {
  static int used = 0;
  for (int tries = 0; tries < kWindow; ++tries) {
    const auto port = static_cast<uint16_t>(kFirstPort + OwnWindow() * kWindow + used++ % kWindow);
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage storage;
    const socklen_t length = Fill(&storage, port, false);
    const int on = 1;  // as servers do it: connections of before that are not forgotten yet are in nobody's way
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool free = descriptor >= 0 && bind(descriptor, reinterpret_cast<sockaddr*>(&storage), length) == 0;
    if (descriptor >= 0) close(descriptor);
    if (free) return port;
  }
  throw std::runtime_error("no port is free");
}

int ConnectToLoopback(uint16_t port, bool v6) {
  sockaddr_storage storage;
  const socklen_t length = Fill(&storage, port, v6);
  return Connect(v6 ? AF_INET6 : AF_INET, reinterpret_cast<sockaddr*>(&storage), length);
}

int ConnectToUnix(const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  return Connect(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int ListenOnUnix(const std::string& path) {
  const sockaddr_un address = UnixAddress(path);
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0 || bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(descriptor, 64) != 0) {
    if (descriptor >= 0) close(descriptor);
    throw std::runtime_error("cannot listen on a unix socket");
  }
  return descriptor;
}

std::vector<int> FillQueue(int listener) {
  sockaddr_storage storage;
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (listen(listener, 0) != 0 || getsockname(listener, address, &length) != 0) {
    throw std::runtime_error("cannot shorten a queue of connections");
  }
  std::vector<int> clients;
  for (int i = 0; i < 4; ++i) {  // the queue holds one; those that follow hang already
    clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)!connect(clients.back(), address, length);
  }
  return clients;
}

}  // namespace clustered_session
