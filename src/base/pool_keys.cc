// The subkeys of one prefix, see pool_keys.h. Layer: base.
#include "src/base/pool_keys.h"

#include "src/base/bytes.h"

namespace clustered_session {

PoolKeys::PoolKeys(const Keyring& ring, std::string_view prefix) : keys_(kPurposes * ring.size() * Keyring::kKeyBytes) {
  for (size_t i = 0; i < ring.size(); ++i) {
    unsigned char* record_key = keys_.data() + kPurposes * i * Keyring::kKeyBytes;
    ring.Derive(i, "record", prefix, record_key);
    ring.Derive(i, "session ID", prefix, record_key + Keyring::kKeyBytes);
    ring.Derive(i, "mark", prefix, record_key + 2 * Keyring::kKeyBytes);
    ring.Derive(i, "session key", prefix, record_key + 3 * Keyring::kKeyBytes);
    ring.Derive(i, "record by AES", prefix, record_key + 4 * Keyring::kKeyBytes);
    const std::string_view secret(reinterpret_cast<const char*>(record_key), Keyring::kKeyBytes);
    record_key_ids_.push_back(static_cast<uint32_t>(Hash128(secret, "number", {}).Hash64()));
  }
}

uint32_t PoolKeys::Mark(size_t index, uint64_t fingerprint) const {
  char text[sizeof fingerprint];
  StoreLittleEndian<uint64_t>(text, fingerprint);
  unsigned char hash[crypto_shorthash_BYTES];
  static_assert(crypto_shorthash_KEYBYTES <= Keyring::kKeyBytes);
  crypto_shorthash(hash, reinterpret_cast<const unsigned char*>(text), sizeof text, MarkKey(index));
  const auto mark = LoadLittleEndian<uint32_t>(reinterpret_cast<const char*>(hash));
  return mark != 0 ? mark : 1;
}

std::string PoolKeys::AppendTag(std::string_view text, TagKind kind) const {
  const std::array<char, 2 * kTagLength> tags = Tags(0, text);
  return std::string(text).append(tags.data() + (kind == TagKind::kPlain ? 0 : kTagLength), kTagLength);
}

std::optional<PoolKeys::Tag> PoolKeys::FindTag(std::string_view text, std::string_view tag) const {
  std::optional<Tag> found;
  if (tag.size() != kTagLength) return found;
  for (size_t i = 0; i < size(); ++i) {
    const std::array<char, 2 * kTagLength> tags = Tags(i, text);
    for (const TagKind kind : {TagKind::kPlain, TagKind::kKeyed}) {
      const char* right = tags.data() + (kind == TagKind::kPlain ? 0 : kTagLength);
      if (sodium_memcmp(right, tag.data(), kTagLength) == 0) found = {i, kind};
    }
  }
  return found;
}

SessionKey PoolKeys::KeyedSessionKey(size_t index, std::string_view id) const {
  return Hash128(SessionKeySecret(index), "session key", id);
}

// The halves of one hash: from one tag nobody comes to the other.
std::array<char, 2 * PoolKeys::kTagLength> PoolKeys::Tags(size_t index, std::string_view text) const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string_view secret(reinterpret_cast<const char*>(IdKey(index)), Keyring::kKeyBytes);
  const SessionKey hash = Hash128(secret, "tag", text);
  std::array<char, 2 * kTagLength> tags;
  static_assert(sizeof hash.bytes == kTagLength);
  for (size_t i = 0; i < tags.size(); ++i) tags[i] = kDigits[(hash.bytes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
  return tags;
}

}  // namespace clustered_session
