// SessionKey: the 128-bit hash of namespace and session ID under which a session is stored, here and on nodes. Layer:
// base. A dump of a node's keys or of the shared memory gives no session ID away. Value type.
#ifndef CLUSTERED_SESSION_BASE_SESSION_KEY_H_
#define CLUSTERED_SESSION_BASE_SESSION_KEY_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace clustered_session {

struct SessionKey {
  std::array<uint8_t, 16> bytes{};

  friend bool operator==(const SessionKey&, const SessionKey&) = default;

  // Uniformly distributed; choose shards and buckets with its bits.
  uint64_t Hash64() const {
    uint64_t hash;
    std::memcpy(&hash, bytes.data(), sizeof hash);
    return hash;
  }
};

// BLAKE2b-128 of `space` and `text` (both length-prefixed), keyed with `secret` (0 or 16..64 bytes). See SessionKeyOf()
// in session/signed_id.h for a session's.
SessionKey Hash128(std::string_view secret, std::string_view space, std::string_view text);

// `prefix` + 22 characters of unpadded base64url: the item's key on every node.
std::string StorageKey(std::string_view prefix, const SessionKey& key);

// The key whose StorageKey() this is; none, if it is none of this prefix.
std::optional<SessionKey> SessionKeyIn(std::string_view storage_key, std::string_view prefix);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_SESSION_KEY_H_
