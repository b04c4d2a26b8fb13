// TlsClient: what the connections of a process share that speak TLS by the same settings: certificates as they were
// read last, and a session of each node for the next connection. Layer: memcached; for tls_stream.cc only. Any thread
// of the process; a forked child has clients of its own.
#ifndef CLUSTERED_SESSION_MEMCACHED_TLS_CLIENT_H_
#define CLUSTERED_SESSION_MEMCACHED_TLS_CLIENT_H_

#ifdef CLUSTERED_SESSION_TLS

#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "src/base/clock.h"
#include "src/base/result.h"
#include "src/cluster/node_settings.h"

namespace clustered_session {

template <auto kFree>
struct TlsDeleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, TlsDeleter<SSL_CTX_free>>;
using SslSession = std::unique_ptr<SSL_SESSION, TlsDeleter<SSL_SESSION_free>>;

// Where a connection's new session is put: its app data. Whoever calls OpenSSL takes it from there.
struct TlsSessionSlot {
  SslSession received;
};

// What OpenSSL has kept of this thread's errors, as words; they are forgotten.
std::string TakeTlsErrors();

// Certificates as they were read at one time, and what was agreed on with them.
class TlsContext {
 public:
  // Errors: kInvalidArgument, a file that cannot be used, named by its setting; kNoMemory.
  static Result<std::shared_ptr<TlsContext>> Load(const NodeTls& settings);

  SSL_CTX* get() const { return context_.get(); }

  // A session that a connection to `peer` may go on with; `checked_at` receives when its certificate was looked at.
  // Null: there is none, or that was long ago.
  SslSession SessionOf(const std::string& peer, TimePoint now, TimePoint* checked_at);
  void Keep(const std::string& peer, SslSession session, TimePoint checked_at);
  // The peer does not go on with what it has offered itself: none of it is kept from now on.
  void Refuse(const std::string& peer);

 private:
  struct Kept {
    SslSession session;
    TimePoint checked_at{};
    bool refused = false;
  };

  explicit TlsContext(SslContext context) : context_(std::move(context)) {}

  const SslContext context_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, Kept> kept_;
};

class TlsClient {
 public:
  // That of these settings.
  static std::shared_ptr<TlsClient> OfProcess(const NodeTls& settings);

  explicit TlsClient(const NodeTls& settings) : settings_(settings) {}

  // With the files as they are now. Those that cannot be used while they are being renewed: with what was read before.
  Result<std::shared_ptr<TlsContext>> Context();

 private:
  struct FileStamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;  // -1: there is none
    timespec changed{};
    friend bool operator==(const FileStamp& a, const FileStamp& b) {
      return a.device == b.device && a.inode == b.inode && a.size == b.size && a.changed.tv_sec == b.changed.tv_sec &&
             a.changed.tv_nsec == b.changed.tv_nsec;
    }
  };
  using FileStamps = std::array<FileStamp, 3>;

  FileStamps LookAtFiles() const;

  const NodeTls settings_;
  std::mutex mutex_;     // guards what follows
  FileStamps stamps_{};  // of the files that were read last
  std::shared_ptr<TlsContext> context_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS

#endif  // CLUSTERED_SESSION_MEMCACHED_TLS_CLIENT_H_
