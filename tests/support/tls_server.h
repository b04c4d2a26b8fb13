// TlsServer: speaks TLS on a free port of 127.0.0.1 and relays what is in it to a plain port. Layer: tests. Only where
// TLS is built in. Runs on threads of its own, which end with it.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_TLS_SERVER_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_TLS_SERVER_H_

#ifdef CLUSTERED_SESSION_TLS

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace clustered_session {

class TlsServer {
 public:
  struct Options {
    std::string certificate;   // a file with the key
    uint16_t target_port = 0;  // on 127.0.0.1
    int version_max = TLS1_3_VERSION;
    // Is called after each handshake, in place of relaying: what it does is the whole connection.
    std::function<void(SSL*)> instead{};
    bool breaks_resuming = false;  // as a server that asks for certificates and names no context
    size_t record_max = 0;         // bytes of each record; 0: as many as fit
  };

  explicit TlsServer(Options options);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  uint16_t port() const { return port_; }
  // Handshakes that came to their end.
  int full() const { return full_.load(); }
  int resumed() const { return resumed_.load(); }
  std::string asked_name();  // by the last client, "" if it named none

 private:
  void Accept();
  void Serve(int descriptor);
  void Relay(SSL* ssl, int client);

  const Options options_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::atomic<int> full_{0};
  std::atomic<int> resumed_{0};
  std::mutex mutex_;  // guards asked_name_
  std::string asked_name_;
  std::list<std::thread> serving_;
  std::thread accepting_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_TLS_SERVER_H_
