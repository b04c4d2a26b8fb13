// TLS by OpenSSL over a Socket, see tls_stream.h. Layer: memcached. Without CLUSTERED_SESSION_TLS there is none.
//
// OpenSSL's errors are per thread, and PHP's openssl uses the same: the list is empty before and after each call here.
#include "src/memcached/tls_stream.h"

#ifdef CLUSTERED_SESSION_TLS

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "src/base/quote.h"
#include "src/memcached/resolver.h"
#include "src/memcached/tls_client.h"

namespace clustered_session {
namespace {

constexpr size_t kTlsRecordMax = SSL3_RT_MAX_PLAIN_LENGTH;
// What may come beside what is for us: certificates, tickets. More is a peer that keeps a worker busy.
constexpr size_t kTlsSilentMax = 256 << 10;  // bytes of a handshake, or between two of our messages
constexpr size_t kTlsRecordExtra = 64;       // bytes around what is in a record, at most

using SslConnection = std::unique_ptr<SSL, TlsDeleter<SSL_free>>;

class OpenSslStream final : public TlsStream {
 public:
  OpenSslStream(std::shared_ptr<TlsContext> context, Socket* socket, std::string peer, std::string name, bool verifies)
      : context_(std::move(context)),
        socket_(socket),
        peer_(std::move(peer)),
        name_(std::move(name)),
        verifies_(verifies) {}
  ~OpenSslStream() override;

  Status Prepare();
  Io Handshake() override;
  Io Send(std::span<const iovec> parts) override;
  Io Receive(char* data, size_t size, bool soon) override;
  const TlsProblem& problem() const override { return problem_; }
  bool heard() const override { return heard_; }
  bool resumed() const override { return SSL_session_reused(ssl_.get()) != 0; }
  bool GiveUpResuming() override;

 private:
  static const BIO_METHOD* SocketMethod();
  static int ReadSocket(BIO* bio, char* data, int size);
  static int WriteSocket(BIO* bio, const char* data, int size);
  static long Control(BIO* bio, int command, long, void*);  // NOLINT(google-runtime-int): OpenSSL's

  void KeepSession();
  Io Judge(int result);
  std::string Explain();

  const std::shared_ptr<TlsContext> context_;
  Socket* const socket_;
  const std::string peer_;  // for whom sessions are kept
  const std::string name_;  // that the certificate must have
  const bool verifies_;
  SslConnection ssl_;
  SslSession offered_;      // is offered to the node
  TlsSessionSlot new_;      // was received and is not kept yet
  TimePoint checked_at_{};  // when the node's certificate was looked at
  std::string stage_;       // is to be sent as one record
  size_t silent_ = 0;       // bytes that came beside those for us
  bool heard_ = false;
  bool shaken_ = false;  // the handshake is over
  bool soon_ = false;    // the socket may wait for a moment
  bool closed_ = false;  // the socket is, with error_
  bool flooded_ = false;
  bool alerted_ = false;  // the node has said what it does not like
  int error_ = 0;
  TlsProblem problem_;
};

// -- The socket as OpenSSL sees it ----------------------------------------------------------------------------------

const BIO_METHOD* OpenSslStream::SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "clustered_session");
    if (made == nullptr) return made;
    BIO_meth_set_read(made, ReadSocket);
    BIO_meth_set_write(made, WriteSocket);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

int OpenSslStream::ReadSocket(BIO* bio, char* data, int size) {
  auto* const self = static_cast<OpenSslStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (self->silent_ > kTlsSilentMax) {
    self->flooded_ = true;
    return -1;
  }
  const Io io = self->socket_->Receive(data, static_cast<size_t>(size), std::exchange(self->soon_, false));
  if (io.state == Io::State::kWait) {
    BIO_set_retry_read(bio);
    return -1;
  }
  if (io.state == Io::State::kClosed) {
    self->closed_ = true;
    self->error_ = io.error;
    return io.error == 0 ? 0 : -1;
  }
  self->heard_ = true;
  self->silent_ += io.size;
  return static_cast<int>(io.size);
}

int OpenSslStream::WriteSocket(BIO* bio, const char* data, int size) {
  auto* const self = static_cast<OpenSslStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  const iovec part{const_cast<char*>(data), static_cast<size_t>(size)};
  const Io io = self->socket_->Send({&part, 1});
  if (io.state == Io::State::kDone) return static_cast<int>(io.size);
  if (io.state == Io::State::kWait) {
    BIO_set_retry_write(bio);
  } else {
    self->closed_ = true;
    self->error_ = io.error;
  }
  return -1;
}

long OpenSslStream::Control(BIO* bio, int command, long, void*) {  // NOLINT(google-runtime-int): OpenSSL's
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return static_cast<OpenSslStream*>(BIO_get_data(bio))->closed_ ? 1 : 0;
  return 0;
}

// -- The connection -------------------------------------------------------------------------------------------------

OpenSslStream::~OpenSslStream() {
  // Nothing is said to the node, and what was agreed on with it stays good for the next connection.
  if (ssl_ != nullptr) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  ssl_.reset();
  ERR_clear_error();
}

Status OpenSslStream::Prepare() {
  const Error no_memory(ErrorCode::kNoMemory, "no TLS: no memory");
  ERR_clear_error();
  ssl_.reset(SSL_new(context_->get()));
  if (ssl_ == nullptr || SocketMethod() == nullptr) return no_memory;
  BIO* const bio = BIO_new(SocketMethod());
  if (bio == nullptr) return no_memory;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_connect_state(ssl_.get());
  SSL_set_app_data(ssl_.get(), &new_);
  SSL_set_read_ahead(ssl_.get(), 1);  // a record with one call of the system

  const bool numeric = Resolver::IsNumeric(name_);
  if (!numeric && SSL_set_tlsext_host_name(ssl_.get(), name_.c_str()) != 1) return no_memory;
  if (verifies_) {
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = numeric ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name_.c_str())
                            : X509_VERIFY_PARAM_set1_host(wanted, name_.data(), name_.size());
    if (set != 1) return no_memory;
  }
  checked_at_ = std::chrono::steady_clock::now();
  TimePoint before;
  offered_ = context_->SessionOf(peer_, checked_at_, &before);
  if (offered_ != nullptr && SSL_set_session(ssl_.get(), offered_.get()) == 1) checked_at_ = before;
  ERR_clear_error();
  return {};
}

Io OpenSslStream::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) return Judge(result);
  if (!resumed()) checked_at_ = std::chrono::steady_clock::now();
  shaken_ = true;
  offered_.reset();
  stage_.reserve(kTlsRecordMax);
  silent_ = 0;
  KeepSession();
  ERR_clear_error();
  return {Io::State::kDone, 0, 0};
}

// Some servers break a handshake off that offers what they have given themselves.
bool OpenSslStream::GiveUpResuming() {
  if (offered_ == nullptr || !alerted_) return false;
  offered_.reset();
  context_->Refuse(peer_);
  return true;
}

void OpenSslStream::KeepSession() {
  if (new_.received != nullptr) context_->Keep(peer_, std::move(new_.received), checked_at_);
}

Io OpenSslStream::Send(std::span<const iovec> parts) {
  silent_ = 0;
  // What had to wait is what OpenSSL has begun to send: the same record goes on.
  if (stage_.empty()) {
    for (const iovec& part : parts) {
      const size_t room = kTlsRecordMax - stage_.size();
      stage_.append(static_cast<const char*>(part.iov_base), std::min(room, part.iov_len));
    }
  }
  ERR_clear_error();
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), stage_.data(), stage_.size(), &written);
  if (result != 1) return Judge(result);
  stage_.clear();
  return {Io::State::kDone, written, 0};
}

// OpenSSL hands over one record at a time, and may have read more from the socket than it hands over: that would be
// waited for in vain.
Io OpenSslStream::Receive(char* data, size_t size, bool soon) {
  size_t received = 0;
  soon_ = soon;
  while (received < size) {
    ERR_clear_error();
    size_t step = 0;
    const int result = SSL_read_ex(ssl_.get(), data + received, size - received, &step);
    KeepSession();
    if (result != 1) {
      const Io io = Judge(result);
      if (received > 0) break;  // what is wrong shows again at the next call
      return io;
    }
    received += step;
    silent_ -= std::min(silent_, step + kTlsRecordExtra);
    soon_ = false;
    if (SSL_has_pending(ssl_.get()) == 0) break;
  }
  return {Io::State::kDone, received, 0};
}

// -- What goes wrong ------------------------------------------------------------------------------------------------

Io OpenSslStream::Judge(int result) {
  const int error = SSL_get_error(ssl_.get(), result);
  Io io{Io::State::kClosed, 0, error_};
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    io.state = Io::State::kWait;
  } else if (problem_.failure == NodeFailure::kNone) {
    closed_ = closed_ || error == SSL_ERROR_ZERO_RETURN;
    std::string what = Explain();
    if (!what.empty()) problem_ = {NodeFailure::kTls, std::move(what)};
  }
  ERR_clear_error();
  return io;
}

// Empty: the connection was closed or broken, and TLS has no more to say about it.
std::string OpenSslStream::Explain() {
  const bool shaking = !shaken_;
  if (flooded_) return "TLS: the node sends more than an answer has";
  const long verified = SSL_get_verify_result(ssl_.get());  // NOLINT(google-runtime-int): OpenSSL's
  if (shaking && verifies_ && verified != X509_V_OK) {
    const std::string reason = X509_verify_cert_error_string(verified);
    switch (verified) {
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "TLS: its certificate is not for " + Quote(name_) + " (clustered_session.tls_server_name)";
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "TLS: no authority that this server trusts vouches for its certificate "
               "(clustered_session.tls_ca_file): " +
               reason;
      default:
        return "TLS: its certificate is refused: " + reason;
    }
  }
  const unsigned long error = ERR_peek_error();  // NOLINT(google-runtime-int): OpenSSL's
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
    return shaking ? "TLS: answered something else (has this port TLS?)" : "TLS: answered something else";
  }
  if (reason > SSL_AD_REASON_OFFSET) {
    alerted_ = true;
    const bool of_certificate = reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
                                reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
                                reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED ||
                                reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN;
    const char* const hint = of_certificate ? " (clustered_session.tls_certificate)" : "";
    return "TLS: the node refuses: " + TakeTlsErrors() + hint;
  }
  if (closed_) {
    if (!shaking) return {};
    const std::string why = error_ == 0 ? "" : ": " + std::generic_category().message(error_);
    return "TLS: closed the connection in the handshake (has this port TLS?)" + why;
  }
  return "TLS: " + TakeTlsErrors();
}

}  // namespace

bool TlsBuiltIn() { return true; }

const char* TlsLibraryVersion() { return OpenSSL_version(OPENSSL_VERSION); }

Result<std::unique_ptr<TlsStream>> MakeTlsStream(const NodeTls& settings, const NodeAddress& node, Socket* socket) {
  Result<std::shared_ptr<TlsContext>> context = TlsClient::OfProcess(settings)->Context();
  if (!context.ok()) return context.error();
  std::string name = settings.server_name.empty() ? node.host : settings.server_name;
  if (name.ends_with('.')) name.pop_back();  // of a name that is whole; certificates and SNI go without
  auto stream =
      std::make_unique<OpenSslStream>(std::move(*context), socket, node.Place(), std::move(name), settings.verifies);
  if (Status status = stream->Prepare(); !status.ok()) return status.error();
  return std::unique_ptr<TlsStream>(std::move(stream));
}

}  // namespace clustered_session

#else

namespace clustered_session {

bool TlsBuiltIn() { return false; }

const char* TlsLibraryVersion() { return nullptr; }

Result<std::unique_ptr<TlsStream>> MakeTlsStream(const NodeTls&, const NodeAddress&, Socket*) {
  return Error(ErrorCode::kUnsupported, "this clustered_session was built without TLS");
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
