// PoolKeys: what a key file gives to the sessions of one prefix, of each of its keys: one for their records by
// either cipher, one for the tags of their IDs, one for the marks of their items and one for their session keys. Layer:
// base. Immutable; any thread.
#ifndef CLUSTERED_SESSION_BASE_POOL_KEYS_H_
#define CLUSTERED_SESSION_BASE_POOL_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/keyring.h"
#include "src/base/secret.h"
#include "src/base/session_key.h"

namespace clustered_session {

// What an ID's tag says of its session key: that anybody can compute it from the ID, or only who has the tag's key. So
// all servers agree on it that have this key, whatever else their settings say.
enum class TagKind : uint8_t { kPlain, kKeyed };

class PoolKeys {
 public:
  struct Tag {
    size_t key;  // which one has made it
    TagKind kind;
  };

  // A tag at the end of a session ID, in hexadecimal digits, which are in the alphabet of every
  // session.sid_bits_per_character: 64 bits.
  static constexpr size_t kTagLength = 16;

  PoolKeys(const Keyring& ring, std::string_view prefix);

  size_t size() const { return record_key_ids_.size(); }  // at least 1; the first one writes

  // Keyring::kKeyBytes each.
  const unsigned char* RecordKey(size_t index) const { return keys_.data() + kPurposes * index * Keyring::kKeyBytes; }
  const unsigned char* AesKey(size_t index) const { return RecordKey(index) + 4 * Keyring::kKeyBytes; }
  // By which a record names its key. It tells nothing of it.
  uint32_t RecordKeyId(size_t index) const { return record_key_ids_[index]; }

  // Of an item that holds the record with this fingerprint; never 0.
  uint32_t Mark(size_t index, uint64_t fingerprint) const;

  // `text` and its tag by the first key.
  std::string AppendTag(std::string_view text, TagKind kind) const;

  // What `tag` is if it is one of `text`, by any key. Takes the same time wherever they differ.
  std::optional<Tag> FindTag(std::string_view text, std::string_view tag) const;

  // The session key of an ID with a tag of kKeyed by this key.
  SessionKey KeyedSessionKey(size_t index, std::string_view id) const;

 private:
  static constexpr size_t kPurposes = 5;

  // Both tags of `text`, kPlain's first.
  std::array<char, 2 * kTagLength> Tags(size_t index, std::string_view text) const;
  const unsigned char* IdKey(size_t index) const { return RecordKey(index) + Keyring::kKeyBytes; }

  const unsigned char* MarkKey(size_t index) const { return RecordKey(index) + 2 * Keyring::kKeyBytes; }

  std::string_view SessionKeySecret(size_t index) const {
    return {reinterpret_cast<const char*>(MarkKey(index) + Keyring::kKeyBytes), Keyring::kKeyBytes};
  }

  Secret keys_;  // of each key one for records, for IDs, for marks, for session keys, for records by AES
  std::vector<uint32_t> record_key_ids_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_POOL_KEYS_H_
