// Transport: a connection to a node, plain or with TLS as its address says. Layer: memcached; for meta_connection.h
// only. Belongs to one thread. It is used as a Socket is, see socket.h.
#ifndef CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_
#define CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_

#include <memory>
#include <span>

#include "src/memcached/node_engine.h"
#include "src/memcached/socket.h"
#include "src/memcached/tls_stream.h"

namespace clustered_session {

class Transport {
 public:
  explicit Transport(const NodeTarget& target) : target_(target) {}  // lives longer

  // With TLS it is done when the hands are shaken.
  Io Connect(const SocketAddress& address);
  Io Send(std::span<const iovec> parts) { return tls_ != nullptr ? tls_->Send(parts) : socket_.Send(parts); }
  Io Receive(char* data, size_t size, bool soon) {
    return tls_ != nullptr ? tls_->Receive(data, size, soon) : socket_.Receive(data, size, soon);
  }
  void Close();
  pollfd wanted() const { return socket_.wanted(); }

  // After kClosed, until the next Connect(): what TLS has failed at; kNone: it has not.
  TlsProblem problem() const { return tls_ != nullptr ? tls_->problem() : problem_; }
  // Whether opening it took a TLS handshake that went on with no session of before.
  bool whole_handshake() const { return tls_ != nullptr && !tls_->resumed(); }
  // What Connect() waits for, for a message: the connection, or TLS.
  const char* ConnectTimeoutText() const;

 private:
  Io ShakeHands();

  const NodeTarget& target_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;  // from the moment the socket is connected
  TlsProblem problem_;              // of Connect()
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_TRANSPORT_H_
