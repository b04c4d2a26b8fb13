// Certificates and sessions of TLS, see tls_client.h. Layer: memcached.
#include "src/memcached/tls_client.h"

#ifdef CLUSTERED_SESSION_TLS

#include <openssl/err.h>

#include <atomic>
#include <chrono>
#include <list>
#include <system_error>
#include <utility>

#include "src/base/process_number.h"
#include "src/base/quote.h"

namespace clustered_session {
namespace {

constexpr size_t kTlsClientsMax = 16;    // of a process; with more settings, the one used longest ago reads anew
constexpr size_t kTlsSessionsMax = 256;  // of a context: nodes
constexpr Duration kTlsSessionAgeMax = std::chrono::hours(1);  // then the node's certificate is looked at again

struct TlsClientsOfProcess {
  const uint64_t process = ProcessNumber();
  const TlsClientsOfProcess* of_parent = nullptr;  // not lost for who looks for leaks
  std::mutex mutex;
  std::list<std::pair<NodeTls, std::shared_ptr<TlsClient>>> clients;  // the last used first
};
std::atomic<TlsClientsOfProcess*> tls_clients{nullptr};

// The parent's may have been locked by another thread when this process was forked: it is left alone. It is never
// destroyed either: OpenSSL may be gone by then.
TlsClientsOfProcess& ClientsOfProcess() {
  TlsClientsOfProcess* seen = tls_clients.load(std::memory_order_acquire);
  while (seen == nullptr || seen->process != ProcessNumber()) {
    auto made = std::make_unique<TlsClientsOfProcess>();
    made->of_parent = seen;
    if (tls_clients.compare_exchange_strong(seen, made.get(), std::memory_order_acq_rel)) return *made.release();
  }
  return *seen;
}

// A key that takes a password is refused, in place of asking for it at a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

// Called by OpenSSL: nothing may be thrown from here.
int TakeTlsSession(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsSessionSlot*>(SSL_get_app_data(ssl))->received.reset(session);
  return 1;
}

Error Unusable(const char* setting, const std::string& file) {
  return {ErrorCode::kInvalidArgument,
          std::string("clustered_session.") + setting + ": cannot use " + Quote(file) + ": " + TakeTlsErrors()};
}

Status LoadCertificate(SSL_CTX* context, const NodeTls& settings) {
  if (settings.certificate.empty()) {
    if (settings.key.empty()) return {};
    return Error(ErrorCode::kInvalidArgument, "clustered_session.tls_key needs clustered_session.tls_certificate");
  }
  if (SSL_CTX_use_certificate_chain_file(context, settings.certificate.c_str()) != 1) {
    return Unusable("tls_certificate", settings.certificate);
  }
  const std::string& key = settings.key.empty() ? settings.certificate : settings.key;
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) return Unusable("tls_key", key);
  return {};
}

Status LoadAuthorities(SSL_CTX* context, const NodeTls& settings) {
  if (!settings.verifies) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (settings.ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return Error(ErrorCode::kInvalidArgument,
                 "the system's certificate authorities cannot be read: " + TakeTlsErrors());
  }
  if (SSL_CTX_load_verify_locations(context, settings.ca_file.c_str(), nullptr) == 1) return {};
  return Unusable("tls_ca_file", settings.ca_file);
}

}  // namespace

std::string TakeTlsErrors() {
  const unsigned long error = ERR_get_error();  // NOLINT(google-runtime-int): OpenSSL's
  ERR_clear_error();
  if (error == 0) return "no reason given";
#ifdef ERR_SYSTEM_ERROR
  if (ERR_SYSTEM_ERROR(error)) return std::generic_category().message(ERR_GET_REASON(error));
#else
  if (ERR_GET_LIB(error) == ERR_LIB_SYS) return std::generic_category().message(ERR_GET_REASON(error));
#endif
  const char* const reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "error " + std::to_string(error);
}

Result<std::shared_ptr<TlsContext>> TlsContext::Load(const NodeTls& settings) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return Error(ErrorCode::kNoMemory, "no TLS: " + TakeTlsErrors());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_default_passwd_cb(context.get(), NoPassword);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), TakeTlsSession);
  if (Status status = LoadAuthorities(context.get(), settings); !status.ok()) return status.error();
  if (Status status = LoadCertificate(context.get(), settings); !status.ok()) return status.error();
  ERR_clear_error();
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(context)));
}

SslSession TlsContext::SessionOf(const std::string& peer, TimePoint now, TimePoint* checked_at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(peer);
  if (found == kept_.end() || found->second.session == nullptr) return nullptr;
  if (now - found->second.checked_at > kTlsSessionAgeMax) {
    found->second.session.reset();
    return nullptr;
  }
  *checked_at = found->second.checked_at;
  SSL_SESSION_up_ref(found->second.session.get());
  return SslSession(found->second.session.get());
}

void TlsContext::Keep(const std::string& peer, SslSession session, TimePoint checked_at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (kept_.size() >= kTlsSessionsMax && kept_.find(peer) == kept_.end()) kept_.clear();
  Kept& kept = kept_[peer];
  if (kept.refused) return;
  kept.session = std::move(session);
  kept.checked_at = checked_at;
}

void TlsContext::Refuse(const std::string& peer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Kept& kept = kept_[peer];
  kept.session.reset();
  kept.refused = true;
}

std::shared_ptr<TlsClient> TlsClient::OfProcess(const NodeTls& settings) {
  TlsClientsOfProcess& all = ClientsOfProcess();
  const std::lock_guard<std::mutex> lock(all.mutex);
  for (auto each = all.clients.begin(); each != all.clients.end(); ++each) {
    if (each->first != settings) continue;
    all.clients.splice(all.clients.begin(), all.clients, each);
    return all.clients.front().second;
  }
  all.clients.emplace_front(settings, std::make_shared<TlsClient>(settings));
  if (all.clients.size() > kTlsClientsMax) all.clients.pop_back();
  return all.clients.front().second;
}

TlsClient::FileStamps TlsClient::LookAtFiles() const {
  FileStamps stamps;
  size_t next = 0;
  for (const std::string* file : {&settings_.ca_file, &settings_.certificate, &settings_.key}) {
    FileStamp& stamp = stamps[next++];
    struct stat status = {};
    if (file->empty() || stat(file->c_str(), &status) != 0) continue;
    stamp = {status.st_dev, status.st_ino, status.st_size, status.st_mtim};
  }
  return stamps;
}

Result<std::shared_ptr<TlsContext>> TlsClient::Context() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const FileStamps stamps = LookAtFiles();  // before they are read: what changes meanwhile is read again
  if (context_ != nullptr && stamps == stamps_) return context_;
  Result<std::shared_ptr<TlsContext>> loaded = TlsContext::Load(settings_);
  if (!loaded.ok()) {
    if (context_ == nullptr) return loaded;
    stamps_ = stamps;
    return context_;
  }
  stamps_ = stamps;
  context_ = *loaded;
  return context_;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
