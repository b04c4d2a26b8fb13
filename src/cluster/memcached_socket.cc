// Finds, watches and drops the socket of a libmemcached connection, see memcached_socket.h. Layer: cluster.
#include "src/cluster/memcached_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace clustered_session {
namespace {

constexpr int kDescriptorsMax = 65536;
constexpr size_t kPeekSizeMin = 16 << 10;
constexpr size_t kPeekSizeKept = 256 << 10;
// The room that the kernel is asked for, so that a default memcached's largest item arrives whole before it is read.
constexpr int kReceiveRoom = 2 << 20;
// A unix socket holds about 200 KB and cannot be asked for more: an answer that has filled this much is read as it
// comes. (In pieces of a few bytes it holds less; memcached sends an answer in one piece.)
constexpr size_t kUnixRoom = 64 << 10;
constexpr int kUnixNapMs = 1;

union AnyAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

uint16_t PortOf(const AnyAddress& address) {
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  if (address.any.sa_family == AF_INET6) return ntohs(address.v6.sin6_port);
  return 0;
}

int Option(int descriptor, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

bool IsConnection(int descriptor, uint16_t local_port, const std::string& unix_path) {
  AnyAddress address;
  std::memset(&address, 0, sizeof address);
  socklen_t length = sizeof address;
  if (unix_path.empty()) {
    if (getsockname(descriptor, &address.any, &length) != 0 || PortOf(address) != local_port) return false;
    // Having a peer is not asked for: the node may have closed already, which the first wait will tell.
    return Option(descriptor, SO_TYPE) == SOCK_STREAM && Option(descriptor, SO_ACCEPTCONN) == 0;
  }
  length = sizeof address.local - 1;  // so that the path ends with a zero
  if (getpeername(descriptor, &address.any, &length) != 0 || address.any.sa_family != AF_UNIX) return false;
  return unix_path == address.local.sun_path;
}

// Sleeps until `events`, a hang-up, or the deadline. Whatever signals arrive, the deadline stays where it is.
short PollUntil(int descriptor, short events, TimePoint deadline) {
  for (;;) {
    const auto left = std::max(deadline - std::chrono::steady_clock::now(), Duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    timespec timeout;
    timeout.tv_sec = seconds.count();
    timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count();
    pollfd item{descriptor, events, 0};
    const int ready = ppoll(&item, 1, &timeout, nullptr);
    if (ready > 0) return item.revents;
    if (ready == 0) return 0;
    if (errno != EINTR) return POLLERR;
  }
}

}  // namespace

int MemcachedSocket::NextDescriptor() {
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0) close(descriptor);
  return descriptor;
}

bool MemcachedSocket::Find(int first, uint16_t local_port, const std::string& unix_path,
                           const std::function<bool(ino_t)>& taken) {
  const int end = static_cast<int>(std::min<long>(sysconf(_SC_OPEN_MAX), kDescriptorsMax));
  // Upwards from the likely one, which is the right one unless another thread or the resolver came in between.
  for (int i = 0; i < end; ++i) {
    const int candidate = (std::max(first, 0) + i) % end;
    if (!IsConnection(candidate, local_port, unix_path)) continue;
    struct stat status;
    if (fstat(candidate, &status) != 0 || taken(status.st_ino)) continue;
    descriptor_ = candidate;
    is_unix_ = !unix_path.empty();
    device_ = status.st_dev;
    inode_ = status.st_ino;
    low_water_ = 1;
    patience_ = Duration::zero();
    if (!is_unix_) {
      SetLowWater(kReceiveRoom);  // makes the receive buffer twice as large for good, without turning off its tuning
      room_ = low_water_;         // the kernel may allow less
      SetLowWater(1);
    } else {
      room_ = kUnixRoom;
    }
    return true;
  }
  return false;
}

bool MemcachedSocket::Make(sa_family_t family) {
  descriptor_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct stat status;
  if (descriptor_ < 0) return false;
  if (fstat(descriptor_, &status) != 0) {
    close(descriptor_);
    return false;
  }
  is_unix_ = family == AF_UNIX;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  low_water_ = 1;
  // Two small commands in a row must not wait for each other's acknowledgement.
  const int one = 1;
  if (!is_unix_) setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return true;
}

int MemcachedSocket::Connect(const sockaddr* address, socklen_t length, TimePoint deadline) {
  for (;;) {
    if (connect(descriptor_, address, length) == 0 || errno == EISCONN) return 0;
    if (errno == EINTR) continue;
    if (errno == EINPROGRESS || errno == EALREADY) break;
    if (errno != EAGAIN || !is_unix_) return errno;
    // The node has not yet accepted those who were there before.
    if (std::chrono::steady_clock::now() >= deadline) return ETIMEDOUT;
    poll(nullptr, 0, kUnixNapMs);
  }
  if (PollUntil(descriptor_, POLLOUT, deadline) == 0) return ETIMEDOUT;
  return std::max(Option(descriptor_, SO_ERROR), 0);
}

bool MemcachedSocket::StillOurs() const {
  struct stat status;
  return descriptor_ >= 0 && fstat(descriptor_, &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

bool MemcachedSocket::Idle() const {
  char byte;
  const ssize_t size = recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void MemcachedSocket::SetLowWater(size_t bytes) {
  if (is_unix_ || bytes == low_water_) return;
  const int value = static_cast<int>(std::min<size_t>(bytes, kReceiveRoom));
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
  low_water_ = static_cast<size_t>(std::max(Option(descriptor_, SO_RCVLOWAT), 1));
}

ssize_t MemcachedSocket::Peek(size_t wanted) {
  int available = 0;
  if (wanted > kPeekSizeMin && ioctl(descriptor_, FIONREAD, &available) == 0) {
    wanted = std::max<size_t>(wanted, static_cast<size_t>(std::max(available, 0)) + 1);
  }
  if (buffer_size_ < wanted) {
    buffer_size_ = std::max(wanted, kPeekSizeMin);
    buffer_ = std::make_unique_for_overwrite<char[]>(buffer_size_);
  }
  for (;;) {
    const ssize_t size = recv(descriptor_, buffer_.get(), buffer_size_, MSG_PEEK | MSG_DONTWAIT);
    if (size >= 0 || errno != EINTR) return size;
  }
}

WaitResult MemcachedSocket::WaitAnswer(TimePoint deadline, const Scan& scan) {
  WaitResult result;
  const auto finish = [&](WaitOutcome outcome) {
    result.outcome = outcome;
    SetLowWater(1);
    if (buffer_size_ > kPeekSizeKept) {
      buffer_.reset();
      buffer_size_ = 0;
    }
    return result;
  };
  size_t wanted = 1;
  for (;;) {
    const short events = PollUntil(descriptor_, POLLIN | POLLRDHUP, deadline);
    if (events == 0) return finish(WaitOutcome::kTimeout);
    const ssize_t size = Peek(wanted + 1);  // a byte more than is needed, to see what must not be there
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    if (size < 0) result.message = std::generic_category().message(errno);
    if (size <= 0) return finish(WaitOutcome::kClosed);
    result.received = static_cast<size_t>(size);

    const AnswerScan seen = scan({buffer_.get(), result.received});
    if (seen.state == AnswerState::kComplete) return finish(WaitOutcome::kComplete);
    if (seen.state == AnswerState::kGarbage) return finish(WaitOutcome::kGarbage);
    if (seen.state == AnswerState::kRefused) {
      result.message = seen.message;
      return finish(WaitOutcome::kRefused);
    }
    // Data may be behind what was peeked only if the buffer was full; then the next look is a larger one.
    const bool more = result.received == buffer_size_;
    if (!more && (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0) return finish(WaitOutcome::kClosed);
    wanted = std::max(seen.size, result.received + 1);
    if (more) continue;
    // Woken below the mark that was set, the kernel is out of room: the rest will not come before this is read.
    const bool full = result.received >= room_ || (result.received >= kUnixRoom && result.received < low_water_);
    if (full) return finish(WaitOutcome::kLarge);
    if (std::chrono::steady_clock::now() >= deadline) return finish(WaitOutcome::kTimeout);
    SetLowWater(wanted);
    if (is_unix_ || low_water_ <= result.received) poll(nullptr, 0, kUnixNapMs);
  }
}

WaitResult MemcachedSocket::ReadAnswer(TimePoint deadline, const Scan& scan, std::string* bytes) {
  WaitResult result;
  const auto finish = [&](WaitOutcome outcome) {
    result.outcome = outcome;
    return result;
  };
  bytes->clear();
  size_t wanted = kPeekSizeKept;
  for (;;) {
    // No faster than it comes: what a node announces is only believed when it is there.
    bytes->resize(std::min(wanted, 2 * result.received + kPeekSizeKept));
    const WaitResult read = Read(bytes->data() + result.received, bytes->size() - result.received, deadline);
    result.message = read.message;
    if (read.outcome != WaitOutcome::kComplete) return finish(read.outcome);
    result.received += read.received;

    const AnswerScan seen = scan(std::string_view(*bytes).substr(0, result.received));
    if (seen.state == AnswerState::kIncomplete) {
      // Also where bytes never stop coming, one by one.
      if (std::chrono::steady_clock::now() >= deadline) return finish(WaitOutcome::kTimeout);
      wanted = seen.size + 1;  // a byte more, to see what must not be there
      continue;
    }
    if (seen.state != AnswerState::kComplete) return finish(WaitOutcome::kGarbage);
    bytes->resize(result.received);
    return finish(WaitOutcome::kComplete);
  }
}

bool MemcachedSocket::FeedInstead(std::string_view bytes, const std::function<void()>& read) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return false;
  const int ours = fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  const bool fed = ours >= 0 && write(pair[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                   dup3(pair[0], descriptor_, O_CLOEXEC) >= 0;
  if (fed) read();
  // Onto a number that is open: there is nothing this could fail for.
  const bool back = !fed || dup3(ours, descriptor_, O_CLOEXEC) >= 0;
  for (const int descriptor : {pair[0], pair[1], ours}) {
    if (descriptor >= 0) close(descriptor);
  }
  return fed && back;
}

void MemcachedSocket::Cork(bool on) {
  if (is_unix_) return;
  const int value = on ? 1 : 0;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
}

bool MemcachedSocket::SendAll(std::string_view bytes) {
  return send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

bool MemcachedSocket::Send(std::span<iovec> parts, TimePoint deadline) {
  while (!parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t size = sendmsg(descriptor_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (size < 0 && PollUntil(descriptor_, POLLOUT, deadline) == 0) {
      errno = ETIMEDOUT;
      return false;
    }
    size_t sent = size < 0 ? 0 : static_cast<size_t>(size);
    while (!parts.empty() && sent >= parts.front().iov_len) {
      sent -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (sent == 0) continue;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + sent;
    parts.front().iov_len -= sent;
  }
  return true;
}

void MemcachedSocket::ReadPatiently(Duration patience) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
  timeval limit;
  limit.tv_sec = us / 1'000'000;
  limit.tv_usec = us % 1'000'000;
  const int flags = fcntl(descriptor_, F_GETFL);
  if (us <= 0 || flags < 0 || setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) return;
  if (fcntl(descriptor_, F_SETFL, flags & ~O_NONBLOCK) == 0) patience_ = patience;
}

WaitResult MemcachedSocket::Read(char* data, size_t size, TimePoint deadline) {
  WaitResult result;
  // A signal ends the first wait early, and its limit may: the second has the deadline's own.
  bool patient = patience_ > Duration::zero() && std::chrono::steady_clock::now() + patience_ <= deadline;
  for (;;) {
    if (!patient && PollUntil(descriptor_, POLLIN, deadline) == 0) return result;
    const ssize_t read = recv(descriptor_, data, size, patient ? 0 : MSG_DONTWAIT);
    patient = false;
    if (read < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) continue;
    if (read < 0) result.message = std::generic_category().message(errno);
    result.outcome = read <= 0 ? WaitOutcome::kClosed : WaitOutcome::kComplete;
    result.received = read <= 0 ? 0 : static_cast<size_t>(read);
    return result;
  }
}

bool MemcachedSocket::Discard(size_t size) {
  char buffer[4096];
  while (size > 0) {
    const ssize_t part = recv(descriptor_, buffer, std::min(size, sizeof buffer), MSG_DONTWAIT);
    if (part <= 0) return false;
    size -= static_cast<size_t>(part);
  }
  return true;
}

bool MemcachedSocket::Detach() {
  if (!StillOurs()) {  // libmemcached closed it by itself
    descriptor_ = -1;
    return true;
  }
  const int blank = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (blank < 0) return false;
  const bool replaced = dup3(blank, descriptor_, O_CLOEXEC) >= 0;
  close(blank);
  if (replaced) descriptor_ = -1;
  return replaced;
}

void MemcachedSocket::Close() {
  if (StillOurs()) close(descriptor_);
  descriptor_ = -1;
}

}  // namespace clustered_session
