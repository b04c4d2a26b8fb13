// PoolKeys: what a key file gives to the sessions of one prefix: a key for their records, one for their IDs and one for
// the marks of their items, of each of its keys. Layer: base. Immutable; any thread.
#ifndef CLUSTERED_SESSION_BASE_POOL_KEYS_H_
#define CLUSTERED_SESSION_BASE_POOL_KEYS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/keyring.h"
#include "src/base/secret.h"

namespace clustered_session {

class PoolKeys {
 public:
  // A tag at the end of a session ID, in hexadecimal digits, which are in the alphabet of every
  // session.sid_bits_per_character: 64 bits.
  static constexpr size_t kTagLength = 16;

  PoolKeys(const Keyring& ring, std::string_view prefix);

  size_t size() const { return record_key_ids_.size(); }  // at least 1; the first one writes

  // Keyring::kKeyBytes each.
  const unsigned char* RecordKey(size_t index) const { return keys_.data() + kPurposes * index * Keyring::kKeyBytes; }
  // By which a record names its key. It tells nothing of it.
  uint32_t RecordKeyId(size_t index) const { return record_key_ids_[index]; }

  // Of an item that holds the record with this fingerprint; never 0.
  uint32_t Mark(size_t index, uint64_t fingerprint) const;

  // `text` and its tag by the first key.
  std::string AppendTag(std::string_view text) const;

  // Whether `tag` is that of `text`, by any key. Takes the same time wherever they differ.
  bool HasTag(std::string_view text, std::string_view tag) const;

 private:
  static constexpr size_t kPurposes = 3;

  void Tag(size_t index, std::string_view text, char* tag) const;
  const unsigned char* IdKey(size_t index) const { return RecordKey(index) + Keyring::kKeyBytes; }

  const unsigned char* MarkKey(size_t index) const { return RecordKey(index) + 2 * Keyring::kKeyBytes; }

  Secret keys_;  // of each key one for records, one for IDs, one for marks
  std::vector<uint32_t> record_key_ids_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_POOL_KEYS_H_
