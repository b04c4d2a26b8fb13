// RecordCodec: how the records of one pool are kept on nodes: as they are (record.h), or sealed: compressed, encrypted,
// or both. Layer: record. A value; any thread.
//
// Layout of a sealed record, format 3, little-endian:                            bytes
//   magic "CSR1", format (3)                                                     0..4
//   flags: kRecordCompressed, kRecordEncrypted, at least one of them; kRecordAes 5
//   header size: 8, or 36 if it is encrypted                                     6..7
// if it is encrypted:
//   by which key (PoolKeys::RecordKeyId)                                         8..11
//   nonce, random                                                                12..35
// then the record of format 2, whole. Compressed, it is one frame of zstd that names its size, and zeros up to a
// kCompressionRatioMax-th of that. Encrypted, it is what the cipher makes of that (record_cipher.h), with the header
// and the storage key as associated data: no byte is believed that a key of ours has not written for this session.
//
// The fingerprint is that of the record inside: two sealed records of different bytes may be the same record.
#ifndef CLUSTERED_SESSION_RECORD_RECORD_CODEC_H_
#define CLUSTERED_SESSION_RECORD_RECORD_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/pool_keys.h"
#include "src/base/result.h"
#include "src/record/record.h"

namespace clustered_session {

// What is done with the keys of a key file; without one, records are written plain, and sealed ones not read.
enum class EncryptionMode : uint8_t {
  kRead,     // records are written plain; of both kinds they are read
  kWrite,    // records are encrypted; plain ones are read as well
  kRequire,  // a record that is not encrypted is not believed
};

// Bytes that a sealed record may be longer than the one inside.
inline constexpr size_t kSealMax = 36 + 16;

// What records are encrypted with.
enum class CipherChoice : uint8_t {
  kAuto,       // AES-256-GCM where the processor has instructions for it and this build has OpenSSL, else XChaCha20
  kXChaCha20,  // for servers beside one that could not read AES
};

struct RecordCodec {
  std::shared_ptr<const PoolKeys> keys;  // null: there is no key file
  EncryptionMode encryption = EncryptionMode::kRequire;
  uint32_t compression_level = 0;         // of zstd; 0: none. Needs CompressionAvailable()
  uint32_t compression_threshold = 2048;  // bytes; smaller records are not compressed
  CipherChoice cipher = CipherChoice::kAuto;

  bool encrypts() const { return keys != nullptr && encryption != EncryptionMode::kRead; }

  // Of the item that holds the record with this fingerprint, see clustered_session::MarkOf(). One that is encrypted has
  // a keyed mark, which tells an observer nothing of its bytes.
  uint32_t MarkOf(uint64_t fingerprint) const;
  // Whether it is the one by any key; or that of a plain record, where those are believed.
  bool IsMark(uint32_t mark, uint64_t fingerprint) const;

  // As EncodeRecord(), sealed as these settings say.
  std::string Encode(Record* record, std::string_view storage_key) const;
  // What EncodeRecord() has made, or Decode() has opened.
  std::string Seal(std::string bytes, std::string_view storage_key) const;

  // As DecodeRecord(). Makes *bytes the record that was inside, into which the payload views. More errors: kForged (no
  // key of ours has written it for this storage key), kNoKey (it is encrypted, and there is no key file: the session
  // exists, and must not be overwritten), kNoCipher (likewise). kUnsupported as well where this build has no zstd.
  Result<Record> Decode(std::string* bytes, std::string_view storage_key) const;

 private:
  Status Open(std::string* bytes, std::string_view storage_key) const;
  Status Decompress(std::string* bytes, size_t header_size) const;
  void Encrypt(uint8_t flags, std::string_view storage_key, std::string* bytes) const;
  Status Decrypt(std::string* bytes, std::string_view storage_key) const;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_RECORD_CODEC_H_
