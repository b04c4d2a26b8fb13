// Sockets to nodes, see socket.h. Layer: memcached.
#include "src/memcached/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace clustered_session {
namespace {

// How long a receiving call waits by itself.
constexpr timeval kMoment = {0, 4000};

// A connection that nobody uses shows the firewalls on its way that it lives, and is found broken within half a minute.
constexpr int kKeepAliveIdleSeconds = 15;
constexpr int kKeepAliveIntervalSeconds = 5;
constexpr int kKeepAliveProbes = 3;
// The same for what was sent and is not acknowledged.
constexpr unsigned kUserTimeoutMs = 15000;

template <typename T>
void SetOption(int descriptor, int level, int name, const T& value) {
  (void)setsockopt(descriptor, level, name, &value, sizeof value);  // without it, the connection works as well
}

Io Fail(int error) { return {Io::State::kClosed, 0, error}; }

}  // namespace

Result<SocketAddress> ParseSocketAddress(const NodeAddress& node, const std::string& host) {
  SocketAddress parsed;
  std::memset(&parsed.storage, 0, sizeof parsed.storage);
  if (node.is_unix()) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    if (host.size() >= sizeof local.sun_path) {
      return Error(ErrorCode::kInvalidArgument, "cannot connect: the path of a unix socket has at most " +
                                                    std::to_string(sizeof local.sun_path - 1) + " bytes");
    }
    std::memcpy(local.sun_path, host.c_str(), host.size() + 1);
    std::memcpy(&parsed.storage, &local, sizeof local);
    parsed.length = sizeof local;
    return parsed;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(node.port).c_str(), &hints, &list) != 0) {
    return Error(ErrorCode::kInvalidArgument, "cannot connect: not an address");
  }
  std::memcpy(&parsed.storage, list->ai_addr, list->ai_addrlen);
  parsed.length = list->ai_addrlen;
  freeaddrinfo(list);
  return parsed;
}

Io Socket::Wait(short events) {
  events_ = events;
  return {Io::State::kWait, 0, 0};
}

bool Socket::Make(sa_family_t family) {
  descriptor_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) return false;
  connecting_ = false;
  blocks_ = false;
  if (family == AF_UNIX) return true;
  // Two small commands in a row must not wait for each other's acknowledgement.
  SetOption(descriptor_, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(descriptor_, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  SetOption(descriptor_, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  SetOption(descriptor_, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  SetOption(descriptor_, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
  return true;
}

Io Socket::Connect(const SocketAddress& address) {
  if (descriptor_ < 0 && !Make(address.storage.ss_family)) return Fail(errno);
  const bool is_unix = address.storage.ss_family == AF_UNIX;
  int error = 0;
  if (connecting_) {
    socklen_t length = sizeof error;
    if (getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  } else {
    int result = 0;
    do {
      result = connect(descriptor_, reinterpret_cast<const sockaddr*>(&address.storage), address.length);
    } while (result != 0 && errno == EINTR && is_unix);
    if (result != 0) error = errno;
    // TCP goes on connecting after a signal.
    if (error == EINPROGRESS || error == EINTR) {
      connecting_ = true;
      return Wait(POLLOUT);
    }
    // The node has not yet accepted those who were there before.
    if (error == EAGAIN && is_unix) return Wait(0);
  }
  if (error == 0) return {Io::State::kDone, 0, 0};
  Close();
  return Fail(error);
}

Io Socket::Send(std::span<const iovec> parts) {
  events_ = POLLIN;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  for (;;) {
    const ssize_t size = sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) return {Io::State::kDone, static_cast<size_t>(size), 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Wait(POLLOUT);
    if (errno != EINTR) return Fail(errno);
  }
}

Io Socket::Receive(char* data, size_t size, bool soon) {
  if (soon && !blocks_) {
    const int flags = fcntl(descriptor_, F_GETFL);
    SetOption(descriptor_, SOL_SOCKET, SO_RCVTIMEO, kMoment);
    blocks_ = flags >= 0 && fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK) == 0;
  }
  for (;;) {
    const ssize_t received = recv(descriptor_, data, size, soon ? 0 : MSG_DONTWAIT);
    if (received > 0) return {Io::State::kDone, static_cast<size_t>(received), 0};
    if (received == 0) return Fail(0);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Wait(POLLIN);
    if (errno != EINTR) return Fail(errno);
    soon = false;  // a signal has ended the moment
  }
}

void Socket::Close() {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
}

}  // namespace clustered_session
