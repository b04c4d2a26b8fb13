// Makes certificates, see tls_authority.h. Layer: tests.
#include "tests/support/tls_authority.h"

#ifdef CLUSTERED_SESSION_TLS

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>
#include <stdexcept>

namespace clustered_session {
namespace {

EVP_PKEY* MakeTlsKey() {
  EVP_PKEY* key = nullptr;
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nullptr);
  const bool made = EVP_PKEY_keygen_init(context) == 1 &&
                    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1 &&
                    EVP_PKEY_keygen(context, &key) == 1;
  EVP_PKEY_CTX_free(context);
  if (!made) throw std::runtime_error("OpenSSL makes no key");
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int which, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
  if (extension == nullptr) throw std::runtime_error("OpenSSL takes no extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Who reads it finds the file of before or the whole new one. A memcached that was started by root reads it as nobody.
void WriteTlsFile(const std::string& path, X509* certificate, EVP_PKEY* key) {
  const std::string made = path + ".new";
  FILE* const file = fopen(made.c_str(), "we");
  if (file == nullptr) throw std::runtime_error("cannot write " + made);
  bool written = PEM_write_X509(file, certificate) == 1;
  if (key != nullptr) written &= PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1;
  written &= fclose(file) == 0;
  if (!written || chmod(made.c_str(), 0644) != 0 || rename(made.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("cannot write " + path);
  }
}

}  // namespace

TlsAuthority::TlsAuthority(const std::string& name)
    : name_(name),
      key_(MakeTlsKey(), EVP_PKEY_free),
      certificate_(nullptr, X509_free),
      file_(folder_.path() + "/authority.pem") {
  Wanted wanted;
  wanted.names = "";
  certificate_ = Make(name, wanted, key_.get());
  WriteTlsFile(file_, certificate_.get(), nullptr);
}

TlsAuthority::Certificate TlsAuthority::Make(const std::string& name, const Wanted& wanted, EVP_PKEY* key) {
  Certificate made(X509_new(), X509_free);
  X509* const certificate = made.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
  X509_time_adj_ex(X509_getm_notBefore(certificate), 0, static_cast<long>(wanted.valid_from.count()), nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate), 0, static_cast<long>(wanted.valid_until.count()), nullptr);
  X509_set_pubkey(certificate, key);
  const auto* const text = reinterpret_cast<const unsigned char*>(name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, text, -1, -1, 0);
  X509* const issuer = certificate_ == nullptr ? certificate : certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  AddExtension(certificate, issuer, NID_basic_constraints, issuer == certificate ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.names.empty()) AddExtension(certificate, issuer, NID_subject_alt_name, wanted.names);
  if (X509_sign(certificate, key_.get(), EVP_sha256()) == 0) throw std::runtime_error("OpenSSL signs nothing");
  return made;
}

std::string TlsAuthority::Issue(const std::string& file_name, const Wanted& wanted) {
  const Key key(MakeTlsKey(), EVP_PKEY_free);
  const Certificate certificate = Make(file_name, wanted, key.get());
  std::string path = folder_.path() + "/" + file_name;
  WriteTlsFile(path, certificate.get(), key.get());
  return path;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TLS
