// Connections to nodes, see transport.h. Layer: memcached.
#include "src/memcached/transport.h"

namespace clustered_session {

Io Transport::Connect(const SocketAddress& address) {
  problem_ = TlsProblem();
  for (;;) {
    if (tls_ == nullptr) {
      const Io io = socket_.Connect(address);
      if (io.state != Io::State::kDone || !target_.address.tls) return io;
    }
    const Io io = ShakeHands();
    if (io.state != Io::State::kClosed) return io;
    if (tls_ != nullptr) problem_ = tls_->problem();
    const bool again = tls_ != nullptr && tls_->GiveUpResuming();
    Close();
    if (!again) return io;
    problem_ = TlsProblem();
  }
}

Io Transport::ShakeHands() {
  if (tls_ == nullptr) {
    Result<std::unique_ptr<TlsStream>> made = MakeTlsStream(target_.tls, target_.address, &socket_);
    if (!made.ok()) {
      problem_ = {NodeFailure::kPermission, made.error().message()};
      return {Io::State::kClosed, 0, 0};
    }
    tls_ = std::move(*made);
  }
  return tls_->Handshake();
}

void Transport::Close() {
  tls_.reset();
  socket_.Close();
}

const char* Transport::ConnectTimeoutText() const {
  if (tls_ == nullptr) return "connect timed out";
  return tls_->heard() ? "TLS handshake timed out" : "no answer to TLS: the node hangs, or this port has no TLS";
}

}  // namespace clustered_session
