// Socket: how bytes get to a node and back, over TCP or a unix socket. Layer: memcached; for meta_connection.h only.
// Belongs to one thread. Calls do not wait: one that cannot go on says so, and wanted() then says what for.
#ifndef CLUSTERED_SESSION_MEMCACHED_SOCKET_H_
#define CLUSTERED_SESSION_MEMCACHED_SOCKET_H_

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "src/base/result.h"
#include "src/base/save_path.h"

namespace clustered_session {

struct SocketAddress {
  sockaddr_storage storage;
  socklen_t length = 0;
};

// The address of `node` at `host`, which is a path or an address in numbers. No name server is asked.
Result<SocketAddress> ParseSocketAddress(const NodeAddress& node, const std::string& host);

// How far a call has come.
struct Io {
  enum class State : uint8_t {
    kDone,    // connected; sent or received `size` bytes, at least one
    kWait,    // wanted() says for what
    kClosed,  // the other side has closed, or the connection is broken: then `error` is the system's number
  };
  State state = State::kWait;
  size_t size = 0;
  int error = 0;
};

class Socket {
 public:
  Socket() = default;
  ~Socket() { Close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Begins to connect, or goes on with it if it has begun. A failure closes.
  Io Connect(const SocketAddress& address);
  // REQUIRES of both: connected. `soon`: waits for a moment if it has to, which saves a system call where the answer
  // comes soon.
  Io Send(std::span<const iovec> parts);
  Io Receive(char* data, size_t size, bool soon);
  // Without a word to the other side. Any number of times. In a forked child it leaves the parent's connection alone.
  void Close();

  // What the last call waits for, if it returned kWait; after one that has sent all, what an answer is waited for with.
  // Without events there is nothing the kernel could tell: the call is to be made again in a moment.
  pollfd wanted() const { return {descriptor_, events_, 0}; }

 private:
  Io Wait(short events);
  bool Make(sa_family_t family);

  int descriptor_ = -1;
  short events_ = 0;
  bool connecting_ = false;  // the kernel has been asked to
  bool blocks_ = false;      // for a moment, in a call that is not told otherwise
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_SOCKET_H_
