// The key files that this process has read. Layer: session. Any thread. A file is read once: where the parent of PHP's
// workers has read it, they need not be allowed to. A start of PHP reads it anew.
#ifndef CLUSTERED_SESSION_SESSION_KEY_FILES_H_
#define CLUSTERED_SESSION_SESSION_KEY_FILES_H_

#include <memory>
#include <string>

#include "src/base/keyring.h"

namespace clustered_session {

// The keys of this file: those that were read before, or that it has now. Errors: as Keyring::Load(), each time anew.
Result<std::shared_ptr<const Keyring>> KeysOfFile(const std::string& path);

// Reads the file anew, for who asks from now on. If that fails, the keys that were read before stay.
Status ReadKeyFileAnew(const std::string& path);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_KEY_FILES_H_
