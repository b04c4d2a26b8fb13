// A server of TLS, see tls_server.h. Layer: tests.
#include "tests/support/tls_server.h"

#ifdef CLUSTERED_SESSION_TLS

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "tests/support/free_port.h"

namespace clustered_session {
namespace {

constexpr int kTlsServerTickMs = 20;

// All of it, to where nobody may listen any more.
bool SendWhole(int descriptor, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(descriptor, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace

TlsServer::TlsServer(Options options)
    : options_(std::move(options)), context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_max_proto_version(context, options_.version_max);
  if (options_.record_max > 0) SSL_CTX_set_max_send_fragment(context, static_cast<long>(options_.record_max));
  const auto accepts_any = [](int, X509_STORE_CTX*) { return 1; };
  if (options_.breaks_resuming) SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accepts_any);
  if (SSL_CTX_use_certificate_chain_file(context, options_.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, options_.certificate.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("no certificate for a server of TLS");
  }
  listener_ = ListenOnLoopback(&port_);
  accepting_ = std::thread([this] { Accept(); });
}

TlsServer::~TlsServer() {
  stop_ = true;
  accepting_.join();
  for (std::thread& each : serving_) each.join();
  close(listener_);
}

std::string TlsServer::asked_name() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return asked_name_;
}

void TlsServer::Accept() {
  while (!stop_) {
    pollfd item{listener_, POLLIN, 0};
    if (poll(&item, 1, kTlsServerTickMs) <= 0) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) serving_.emplace_back([this, client] { Serve(client); });
  }
}

void TlsServer::Serve(int client) {
  // What is sent to a client that is gone is no signal to the test.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  // So that a client that hangs is left at the end.
  const timeval moment{0, kTlsServerTickMs * 1000};
  setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
  SSL* const ssl = SSL_new(context_.get());
  BIO* const bio = BIO_new_socket(client, BIO_NOCLOSE);
  SSL_set_bio(ssl, bio, bio);
  int result = 0;
  do {
    result = SSL_accept(ssl);
  } while (result != 1 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ && !stop_);
  if (result == 1) {
    ++(SSL_session_reused(ssl) != 0 ? resumed_ : full_);
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      asked_name_ = name != nullptr ? name : "";
    }
    if (options_.instead) {
      options_.instead(ssl);
    } else {
      Relay(ssl, client);
    }
  }
  SSL_free(ssl);
  close(client);
}

void TlsServer::Relay(SSL* ssl, int client) {
  const int target = ConnectToLoopback(options_.target_port, false);
  char data[16384];
  while (target >= 0 && !stop_) {
    pollfd items[2] = {{client, POLLIN, 0}, {target, POLLIN, 0}};
    if (SSL_pending(ssl) == 0 && poll(items, 2, kTlsServerTickMs) <= 0) continue;
    if (SSL_pending(ssl) > 0 || items[0].revents != 0) {
      const int size = SSL_read(ssl, data, sizeof data);
      if (size <= 0 && SSL_get_error(ssl, size) == SSL_ERROR_WANT_READ) continue;
      if (size <= 0 || !SendWhole(target, data, static_cast<size_t>(size))) break;
    }
    if (items[1].revents != 0) {
      const ssize_t size = recv(target, data, sizeof data, 0);
      if (size <= 0 || SSL_write(ssl, data, static_cast<int>(size)) <= 0) break;
    }
  }
  if (target >= 0) close(target);
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
