// Transport: how bytes get to a node and back. Layer: memcached; for meta_connection.h only. Belongs to one thread.
// Calls do not wait: one that cannot go on says so, and wanted() then says what for. (Over TLS a call that sends may
// have to wait until it can read, and connecting has a handshake: both are this interface's business, not its
// caller's.)
#ifndef CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_
#define CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_

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

class Transport {
 public:
  virtual ~Transport() = default;

  // Begins to connect, or goes on with it if it has begun. A failure closes.
  virtual Io Connect(const SocketAddress& address) = 0;

  // REQUIRES of both: connected
  virtual Io Send(std::span<const iovec> parts) = 0;
  virtual Io Receive(char* data, size_t size) = 0;

  // As Receive(), but waits for a moment if it would have to. It saves a system call where the answer comes soon. By
  // default it does not wait.
  virtual Io ReceiveSoon(char* data, size_t size) { return Receive(data, size); }

  // Without a word to the other side. Any number of times.
  virtual void Close() = 0;

  // What the last call waits for, if it returned kWait; after one that has sent all, what an answer is waited for with.
  // Without events there is nothing the kernel could tell: the call is to be made again in a moment.
  virtual pollfd wanted() const = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_
