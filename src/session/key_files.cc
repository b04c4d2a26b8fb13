// Key files are read once, see key_files.h. Layer: session.
#include "src/session/key_files.h"

#include <map>
#include <mutex>

namespace clustered_session {
namespace {

struct KeyFiles {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Keyring>> by_path;
};

KeyFiles& All() {
  static KeyFiles all;
  return all;
}

}  // namespace

Result<std::shared_ptr<const Keyring>> KeysOfFile(const std::string& path) {
  const std::lock_guard<std::mutex> guard(All().mutex);
  std::shared_ptr<const Keyring>& known = All().by_path[path];
  if (known != nullptr) return std::shared_ptr<const Keyring>(known);
  Result<std::shared_ptr<const Keyring>> read = Keyring::Load(path);
  if (read.ok()) known = *read;
  return read;
}

Status ReadKeyFileAnew(const std::string& path) {
  const std::lock_guard<std::mutex> guard(All().mutex);
  Result<std::shared_ptr<const Keyring>> read = Keyring::Load(path);
  if (!read.ok()) return read.error();
  All().by_path[path] = *read;
  return Status::Ok();
}

}  // namespace clustered_session
