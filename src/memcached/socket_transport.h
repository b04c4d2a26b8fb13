// SocketTransport: a node over TCP or a unix socket. Layer: memcached; see transport.h.
#ifndef CLUSTERED_SESSION_MEMCACHED_SOCKET_TRANSPORT_H_
#define CLUSTERED_SESSION_MEMCACHED_SOCKET_TRANSPORT_H_

#include "src/memcached/transport.h"

namespace clustered_session {

class SocketTransport final : public Transport {
 public:
  SocketTransport() = default;
  ~SocketTransport() override { Close(); }
  SocketTransport(const SocketTransport&) = delete;
  SocketTransport& operator=(const SocketTransport&) = delete;

  Io Connect(const SocketAddress& address) override;
  Io Send(std::span<const iovec> parts) override;
  Io Receive(char* data, size_t size) override;
  Io ReceiveSoon(char* data, size_t size) override;
  void Close() override;
  pollfd wanted() const override { return {descriptor_, events_, 0}; }

 private:
  Io Wait(short events);
  Io Fail(int error);
  Io Read(char* data, size_t size, int flags);
  bool Make(sa_family_t family);

  int descriptor_ = -1;
  short events_ = 0;
  bool connecting_ = false;  // the kernel has been asked to
  bool blocks_ = false;      // for a moment, in a call that is not told otherwise
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_SOCKET_TRANSPORT_H_
