// The subkeys of one prefix, see pool_keys.h. Layer: base.
#include "src/base/pool_keys.h"

#include <array>

#include "src/base/bytes.h"
#include "src/base/session_key.h"

namespace clustered_session {

PoolKeys::PoolKeys(const Keyring& ring, std::string_view prefix) : keys_(kPurposes * ring.size() * Keyring::kKeyBytes) {
  for (size_t i = 0; i < ring.size(); ++i) {
    unsigned char* record_key = keys_.data() + kPurposes * i * Keyring::kKeyBytes;
    ring.Derive(i, "record", prefix, record_key);
    ring.Derive(i, "session ID", prefix, record_key + Keyring::kKeyBytes);
    ring.Derive(i, "mark", prefix, record_key + 2 * Keyring::kKeyBytes);
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

std::string PoolKeys::AppendTag(std::string_view text) const {
  std::string tagged(text);
  tagged.resize(text.size() + kTagLength);
  Tag(0, text, tagged.data() + text.size());
  return tagged;
}

bool PoolKeys::HasTag(std::string_view text, std::string_view tag) const {
  if (tag.size() != kTagLength) return false;
  bool found = false;
  for (size_t i = 0; i < size(); ++i) {
    std::array<char, kTagLength> right;
    Tag(i, text, right.data());
    found |= sodium_memcmp(right.data(), tag.data(), kTagLength) == 0;
  }
  return found;
}

void PoolKeys::Tag(size_t index, std::string_view text, char* tag) const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string_view secret(reinterpret_cast<const char*>(IdKey(index)), Keyring::kKeyBytes);
  const SessionKey hash = Hash128(secret, "tag", text);
  for (size_t i = 0; i < kTagLength; ++i) {
    tag[i] = kDigits[(hash.bytes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
  }
}

}  // namespace clustered_session
