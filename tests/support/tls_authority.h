// TlsAuthority: makes certificates for a test, as files of a folder of its own. Layer: tests. Only where TLS is built
// in.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_TLS_AUTHORITY_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_TLS_AUTHORITY_H_

#ifdef CLUSTERED_SESSION_TLS

#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"

namespace clustered_session {

class TlsAuthority {
 public:
  struct Wanted {
    std::string names = "DNS:localhost,IP:127.0.0.1";  // subjectAltName
    std::chrono::seconds valid_from{-60};              // from now
    std::chrono::seconds valid_until{3600};
  };

  explicit TlsAuthority(const std::string& name = "authority");

  // Its own certificate.
  const std::string& file() const { return file_; }

  // A file with a certificate and its key, replaced as a whole if it is there.
  std::string Issue(const std::string& file_name, const Wanted& wanted);
  std::string Issue(const std::string& file_name) { return Issue(file_name, Wanted()); }

  const std::string& folder() const { return folder_.path(); }

  // Of -o for a memcached that shows a certificate.
  static std::vector<std::string> Options(const std::string& file) {
    return {"ssl_chain_cert=" + file, "ssl_key=" + file};
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
  using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

  Certificate Make(const std::string& name, const Wanted& wanted, EVP_PKEY* key);

  TempDir folder_;
  const std::string name_;
  Key key_;
  Certificate certificate_;
  std::string file_;
  int serial_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_TLS_AUTHORITY_H_
