// Records are sealed and opened, see record_codec.h. Layer: record.
#include "src/record/record_codec.h"

#include <sodium.h>

#include <cstring>
#include <optional>
#include <utility>

#include "src/base/bytes.h"
#include "src/record/compression.h"
#include "src/record/record_cipher.h"

namespace clustered_session {
namespace {

constexpr char kSealMagic[4] = {'C', 'S', 'R', '1'};
constexpr uint8_t kSealedFormat = 3;
constexpr size_t kPlainHeader = 8;
constexpr size_t kNonceAt = 12;
constexpr size_t kEncryptedHeader = kNonceAt + kCipherNonceSize;
static_assert(kEncryptedHeader + kCipherTagSize == kSealMax);
static_assert(Keyring::kKeyBytes == kCipherKeySize);

unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* Bytes(const char* text) { return reinterpret_cast<const unsigned char*>(text); }

// 0: these are no record's bytes.
uint8_t FormatOf(std::string_view bytes) {
  const bool ours = bytes.size() >= kPlainHeader && std::memcmp(bytes.data(), kSealMagic, sizeof kSealMagic) == 0;
  return ours ? static_cast<uint8_t>(bytes[4]) : 0;
}

Error UnknownFlag() { return {ErrorCode::kUnsupported, "a record flag that this version does not know"}; }

void StoreSealHeader(uint8_t flags, size_t header_size, char* to) {
  std::memcpy(to, kSealMagic, sizeof kSealMagic);
  to[4] = static_cast<char>(kSealedFormat);
  to[5] = static_cast<char>(flags);
  StoreLittleEndian<uint16_t>(to + 6, static_cast<uint16_t>(header_size));
}

// What a record's bytes are bound to beside its key. The header's size is in it.
std::string AssociatedData(const char* header, std::string_view storage_key) {
  return std::string(header, kEncryptedHeader).append(storage_key);
}

CipherCall CallOf(const PoolKeys& keys, size_t key, const char* header, std::string_view bound) {
  const bool aes = (header[5] & kRecordAes) != 0;
  return {aes ? Cipher::kAes256 : Cipher::kXChaCha20, aes ? keys.AesKey(key) : keys.RecordKey(key),
          Bytes(header + kNonceAt), bound};
}

}  // namespace

uint32_t RecordCodec::MarkOf(uint64_t fingerprint) const {
  return encrypts() ? keys->Mark(0, fingerprint) : clustered_session::MarkOf(fingerprint);
}

bool RecordCodec::IsMark(uint32_t mark, uint64_t fingerprint) const {
  // A plain record is to be read, and replaced, where none is believed.
  const bool plain_is_good = keys == nullptr || encryption != EncryptionMode::kRequire;
  if (plain_is_good && mark == clustered_session::MarkOf(fingerprint)) return true;
  for (size_t i = 0; keys != nullptr && i < keys->size(); ++i) {
    if (mark == keys->Mark(i, fingerprint)) return true;
  }
  return false;
}

std::string RecordCodec::Encode(Record* record, std::string_view storage_key) const {
  return Seal(EncodeRecord(record, storage_key), storage_key);
}

std::string RecordCodec::Seal(std::string bytes, std::string_view storage_key) const {
  uint8_t flags = 0;
  const bool worth_a_try = compression_level != 0 && bytes.size() >= compression_threshold;
  if (std::optional<std::string> smaller = worth_a_try ? Compress(bytes, compression_level) : std::nullopt) {
    bytes = std::move(*smaller);
    flags = kRecordCompressed;
  }
  if (encrypts()) {
    Encrypt(flags, storage_key, &bytes);
    return bytes;
  }
  if (flags == 0) return bytes;
  char header[kPlainHeader];
  StoreSealHeader(flags, kPlainHeader, header);
  return bytes.insert(0, header, kPlainHeader);
}

// In place: the memory of a large record is not asked for twice.
void RecordCodec::Encrypt(uint8_t flags, std::string_view storage_key, std::string* bytes) const {
  const size_t inside_size = bytes->size();
  bytes->insert(0, kEncryptedHeader, '\0');
  bytes->resize(kEncryptedHeader + inside_size + kCipherTagSize);
  char* header = bytes->data();
  flags |= kRecordEncrypted;
  if (cipher == CipherChoice::kAuto && AesIsFast()) flags |= kRecordAes;
  StoreSealHeader(flags, kEncryptedHeader, header);
  StoreLittleEndian<uint32_t>(header + kPlainHeader, keys->RecordKeyId(0));
  randombytes_buf(header + kNonceAt, kCipherNonceSize);
  const std::string bound = AssociatedData(header, storage_key);
  EncryptInPlace(CallOf(*keys, 0, header, bound), Bytes(header + kEncryptedHeader), inside_size);
}

Result<Record> RecordCodec::Decode(std::string* bytes, std::string_view storage_key) const {
  const uint8_t format = FormatOf(*bytes);
  if (format > kSealedFormat) return DecodeRecord(*bytes, storage_key);  // which says that it is a later one's
  if (format == kSealedFormat) {
    if (Status status = Open(bytes, storage_key); !status.ok()) return status.error();
  } else if (keys != nullptr && encryption == EncryptionMode::kRequire) {
    return Error(ErrorCode::kForged, "not encrypted");
  }
  return DecodeRecord(*bytes, storage_key);
}

// Takes off what Seal() has put around a record. What is inside may be anything, if it is not encrypted.
Status RecordCodec::Open(std::string* bytes, std::string_view storage_key) const {
  const auto flags = static_cast<uint8_t>((*bytes)[5]);
  const bool encrypted = (flags & kRecordEncrypted) != 0;
  if (encrypted && keys == nullptr) return Error(ErrorCode::kNoKey, "encrypted");
  if (!encrypted && keys != nullptr && encryption == EncryptionMode::kRequire) {
    return Error(ErrorCode::kForged, "not encrypted");
  }
  const uint8_t known = kRecordCompressed | kRecordEncrypted | (encrypted ? kRecordAes : 0);
  if ((flags & ~known) != 0) return UnknownFlag();
  const size_t header_size = encrypted ? kEncryptedHeader : kPlainHeader;
  if (flags == 0 || LoadLittleEndian<uint16_t>(bytes->data() + 6) != header_size) {
    return Error(encrypted ? ErrorCode::kForged : ErrorCode::kCorrupt, "wrong header size");
  }
  if (encrypted) {
    if (Status status = Decrypt(bytes, storage_key); !status.ok()) return status;
  }
  if ((flags & kRecordCompressed) == 0) {
    bytes->erase(0, header_size);
    return Status::Ok();
  }
  if (!CompressionAvailable()) return UnknownFlag();
  return Decompress(bytes, header_size);
}

// Behind the header is what was compressed.
Status RecordCodec::Decompress(std::string* bytes, size_t header_size) const {
  std::optional<std::string> inside = clustered_session::Decompress(std::string_view(*bytes).substr(header_size));
  if (!inside) return Error(ErrorCode::kCorrupt, "cannot be decompressed");
  *bytes = std::move(*inside);
  return Status::Ok();
}

// The header stays in front, and the cipher's tag goes.
Status RecordCodec::Decrypt(std::string* bytes, std::string_view storage_key) const {
  constexpr size_t kAround = kEncryptedHeader + kCipherTagSize;
  if (bytes->size() < kAround) return Error(ErrorCode::kForged, "shorter than a record's header");
  char* header = bytes->data();
  const auto key_id = LoadLittleEndian<uint32_t>(header + kPlainHeader);
  const std::string bound = AssociatedData(header, storage_key);
  size_t key = 0;
  while (key < keys->size() && keys->RecordKeyId(key) != key_id) ++key;
  if (key == keys->size()) return Error(ErrorCode::kForged, "of a key that clustered_session.key_file does not have");
  const CipherCall call = CallOf(*keys, key, header, bound);
  if (!CipherAvailable(call.cipher)) return Error(ErrorCode::kNoCipher, "encrypted by AES");
  if (!DecryptInPlace(call, Bytes(header + kEncryptedHeader), bytes->size() - kAround)) {
    return Error(ErrorCode::kForged, "wrong authentication");
  }
  bytes->resize(bytes->size() - kCipherTagSize);
  return Status::Ok();
}

}  // namespace clustered_session
