// The ciphers that records are encrypted with: XChaCha20-Poly1305, which every server has, and AES-256-GCM, which is
// several times as fast where the processor has instructions for it. Layer: record. Any thread; each keeps what AES
// works in.
#ifndef CLUSTERED_SESSION_RECORD_RECORD_CIPHER_H_
#define CLUSTERED_SESSION_RECORD_RECORD_CIPHER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clustered_session {

enum class Cipher : uint8_t { kXChaCha20, kAes256 };

inline constexpr size_t kCipherKeySize = 32;
inline constexpr size_t kCipherNonceSize = 24;  // random ones never meet
inline constexpr size_t kCipherTagSize = 16;

// What one record is encrypted with. `key` has kCipherKeySize bytes, of which each cipher has its own, `nonce`
// kCipherNonceSize. `bound` is not in the text, and authenticated with it.
struct CipherCall {
  Cipher cipher;
  const unsigned char* key;
  const unsigned char* nonce;
  std::string_view bound;
};

// Whether this server can read what this cipher has written.
bool CipherAvailable(Cipher cipher);

// Whether it can write with it, and that faster than with any other.
bool AesIsFast();

// In place: `size` bytes, behind which the tag is put. REQUIRES: AesIsFast(), if it is AES
void EncryptInPlace(const CipherCall& call, unsigned char* text, size_t size);

// In place: `size` bytes without their tag, which is behind them. False: these are not what the key has written; the
// text may then be anything. REQUIRES: CipherAvailable()
bool DecryptInPlace(const CipherCall& call, unsigned char* text, size_t size);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_CIPHER_H_
