// The ciphers of records, see record_cipher.h. Layer: record. AES is OpenSSL's, where this build has it, as libsodium's
// is slower; to read, libsodium's will do.
//
// AES-256-GCM takes a nonce of 96 bits, too few to draw them at random for as many records as a site writes. So each
// record has a key of its own, the keyed hash (BLAKE2b) of its long nonce, and with this key the nonce is always 0.
#include "src/record/record_cipher.h"

#include <sodium.h>

#include <memory>
#include <new>

#ifdef CLUSTERED_SESSION_TLS
#include <openssl/err.h>
#include <openssl/evp.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace clustered_session {
namespace {

static_assert(kCipherKeySize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(kCipherNonceSize == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kCipherTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(kCipherKeySize == crypto_aead_aes256gcm_KEYBYTES);
static_assert(kCipherTagSize == crypto_aead_aes256gcm_ABYTES);

constexpr unsigned char kZeroNonce[crypto_aead_aes256gcm_NPUBBYTES] = {};

const unsigned char* BytesOf(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// The key of one record.
class RecordKey {
 public:
  explicit RecordKey(const CipherCall& call) {
    crypto_generichash(bytes_, sizeof bytes_, call.nonce, kCipherNonceSize, call.key, kCipherKeySize);
  }
  ~RecordKey() { sodium_memzero(bytes_, sizeof bytes_); }
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;
  const unsigned char* bytes() const { return bytes_; }

 private:
  unsigned char bytes_[kCipherKeySize];
};

#ifdef CLUSTERED_SESSION_TLS

struct FreeAes {
  void operator()(EVP_CIPHER_CTX* aes) const { EVP_CIPHER_CTX_free(aes); }
};

// Of this thread, for either direction; null: this system's OpenSSL has no AES, or memory is out. The key of the last
// record stays in it, beside whose content it opens nothing.
EVP_CIPHER_CTX* Aes() {
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeAes> kept = [] {
    std::unique_ptr<EVP_CIPHER_CTX, FreeAes> made(EVP_CIPHER_CTX_new());
    if (made && EVP_CipherInit_ex(made.get(), EVP_aes_256_gcm(), nullptr, nullptr, nullptr, 1) != 1) made.reset();
    return made;
  }();
  return kept.get();
}

bool Begin(const CipherCall& call, int encrypts) {
  const RecordKey key(call);
  int size = 0;
  return EVP_CipherInit_ex(Aes(), nullptr, nullptr, key.bytes(), kZeroNonce, encrypts) == 1 &&
         EVP_CipherUpdate(Aes(), nullptr, &size, BytesOf(call.bound), static_cast<int>(call.bound.size())) == 1;
}

bool ProcessorHasAes() {
#if defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return sodium_init() >= 0 && crypto_aead_aes256gcm_is_available() != 0;  // of x86, this says no more than that
#endif
}

#endif

bool Encrypts(const CipherCall& call, unsigned char* text, size_t size) {
  if (call.cipher == Cipher::kXChaCha20) {
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, nullptr, text, size, BytesOf(call.bound), call.bound.size(),
                                               nullptr, call.nonce, call.key);
    return true;
  }
#ifdef CLUSTERED_SESSION_TLS
  int done = 0;
  return Begin(call, 1) && EVP_CipherUpdate(Aes(), text, &done, text, static_cast<int>(size)) == 1 &&
         EVP_CipherFinal_ex(Aes(), text + size, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(Aes(), EVP_CTRL_AEAD_GET_TAG, kCipherTagSize, text + size) == 1;
#else
  return false;
#endif
}

}  // namespace

bool CipherAvailable(Cipher cipher) {
#ifdef CLUSTERED_SESSION_TLS
  if (cipher == Cipher::kAes256 && Aes() != nullptr) return true;
#endif
  return cipher == Cipher::kXChaCha20 || (sodium_init() >= 0 && crypto_aead_aes256gcm_is_available() != 0);
}

bool AesIsFast() {
#ifdef CLUSTERED_SESSION_TLS
  static const bool processor_has_aes = ProcessorHasAes();
  return processor_has_aes && Aes() != nullptr;
#else
  return false;
#endif
}

void EncryptInPlace(const CipherCall& call, unsigned char* text, size_t size) {
  if (!Encrypts(call, text, size)) throw std::bad_alloc();  // nothing else can go wrong
}

bool DecryptInPlace(const CipherCall& call, unsigned char* text, size_t size) {
  if (call.cipher == Cipher::kXChaCha20) {
    return crypto_aead_xchacha20poly1305_ietf_decrypt(text, nullptr, nullptr, text, size + kCipherTagSize,
                                                      BytesOf(call.bound), call.bound.size(), call.nonce,
                                                      call.key) == 0;
  }
#ifdef CLUSTERED_SESSION_TLS
  if (Aes() != nullptr) {
    int done = 0;
    ERR_set_mark();  // whoever else uses OpenSSL here is not to find this one's errors
    const bool right = Begin(call, 0) && EVP_CipherUpdate(Aes(), text, &done, text, static_cast<int>(size)) == 1 &&
                       EVP_CIPHER_CTX_ctrl(Aes(), EVP_CTRL_AEAD_SET_TAG, kCipherTagSize, text + size) == 1 &&
                       EVP_CipherFinal_ex(Aes(), text + size, &done) == 1;
    ERR_pop_to_mark();
    return right;
  }
#endif
  const RecordKey key(call);
  return crypto_aead_aes256gcm_decrypt(text, nullptr, nullptr, text, size + kCipherTagSize, BytesOf(call.bound),
                                       call.bound.size(), kZeroNonce, key.bytes()) == 0;
}

}  // namespace clustered_session
