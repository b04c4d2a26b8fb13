// Keyring: the keys of a key file (clustered_session.key_file). Layer: base. Immutable; any thread.
// A line of the file is a name, a space, and 32 random bytes in base64, as NewKeyLine() makes it. The first key writes,
// all read. Empty lines and lines that begin with '#' are left out.
#ifndef CLUSTERED_SESSION_BASE_KEYRING_H_
#define CLUSTERED_SESSION_BASE_KEYRING_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/base/secret.h"

namespace clustered_session {

class Keyring {
 public:
  static constexpr size_t kKeyBytes = 32;
  static constexpr size_t kKeysMax = 8;          // each is tried on an ID that no key has made
  static constexpr size_t kNameLengthMax = 32;   // bytes
  static constexpr size_t kFileSizeMax = 16384;  // bytes

  // Of a regular file that nobody but its owner can read or write. Errors: kInvalidArgument, whose message names the
  // file and what is wrong with it, and nothing of a key.
  static Result<std::shared_ptr<const Keyring>> Load(const std::string& path);

  // Of what stands in a file. Errors as Load(), without the file's name.
  static Result<std::shared_ptr<const Keyring>> Parse(std::string_view text);

  size_t size() const { return names_.size(); }  // at least 1
  const std::string& name(size_t index) const { return names_[index]; }

  // Writes kKeyBytes into `to`: a key for this purpose and prefix alone. From one nobody comes to another, nor back.
  void Derive(size_t index, std::string_view purpose, std::string_view prefix, unsigned char* to) const;

  // Where key file and keyring have come apart.
  bool SameAs(const Keyring& other) const;

 private:
  Keyring(std::vector<std::string> names, std::unique_ptr<Secret> keys)
      : names_(std::move(names)), keys_(std::move(keys)) {}

  const std::vector<std::string> names_;
  const std::unique_ptr<Secret> keys_;  // one behind the other
};

// 1 to kNameLengthMax of A-Z a-z 0-9 '_' '-'.
bool ValidKeyName(std::string_view name);

// A line for a key file, without its end, with a key that nobody has. REQUIRES: ValidKeyName(name)
std::string NewKeyLine(std::string_view name);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_KEYRING_H_
