// The keys of a key file, see keyring.h. Layer: base.
#include "src/base/keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "src/base/ascii.h"
#include "src/base/quote.h"

namespace clustered_session {
namespace {

constexpr size_t kEncodedBytes = sodium_base64_ENCODED_LEN(Keyring::kKeyBytes, sodium_base64_VARIANT_ORIGINAL) - 1;
constexpr std::string_view kBlanks = " \t\r";

Error Wrong(std::string what) { return {ErrorCode::kInvalidArgument, std::move(what)}; }

Error WrongLine(size_t number, const std::string& what) { return Wrong("line " + std::to_string(number) + " " + what); }

// Takes the next line off the front of *text, without blanks at its ends.
std::string_view TakeLine(std::string_view* text) {
  const size_t size = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, size);
  text->remove_prefix(std::min(size + 1, text->size()));
  const size_t first = std::min(line.find_first_not_of(kBlanks), line.size());
  line.remove_prefix(first);
  return line.substr(0, line.find_last_not_of(kBlanks) + 1);
}

// Of an open file, whose end the caller closes.
Result<std::unique_ptr<Secret>> ReadAll(int file) {
  struct stat status = {};
  if (fstat(file, &status) != 0) return Wrong(std::string("cannot be read (") + strerror(errno) + ")");
  if (S_ISDIR(status.st_mode)) return Wrong("is a directory");
  if (!S_ISREG(status.st_mode)) return Wrong("is no regular file");
  if ((status.st_mode & 077) != 0) return Wrong("can be read or written by others than its owner: chmod 600 it");
  if (status.st_size == 0) return Wrong("is empty: clustered_session_new_key() makes a line for it");
  if (static_cast<size_t>(status.st_size) > Keyring::kFileSizeMax) return Wrong("is larger than 16 KB");
  auto text = std::make_unique<Secret>(static_cast<size_t>(status.st_size));
  size_t filled = 0;
  while (filled < text->size()) {
    const ssize_t got = read(file, text->data() + filled, text->size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Wrong(std::string("cannot be read (") + strerror(errno) + ")");
    if (got == 0) return Wrong("became shorter while it was read");
    filled += static_cast<size_t>(got);
  }
  return text;
}

class File {
 public:
  // Not blocked by a pipe that nobody writes to.
  explicit File(const char* path) : descriptor_(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace

bool ValidKeyName(std::string_view name) {
  return !name.empty() && name.size() <= Keyring::kNameLengthMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsAlnum(c) || c == '_' || c == '-'; });
}

Result<std::shared_ptr<const Keyring>> Keyring::Load(const std::string& path) {
  const std::string where = "key file " + Quote(path) + " ";
  const File file(path.c_str());
  if (file.descriptor() < 0) return Wrong(where + "cannot be opened (" + strerror(errno) + ")");
  Result<std::unique_ptr<Secret>> text = ReadAll(file.descriptor());
  if (!text.ok()) return Wrong(where + text.error().message());
  Result<std::shared_ptr<const Keyring>> keys = Parse((*text)->view());
  if (!keys.ok()) return Wrong(where + keys.error().message());
  return keys;
}

Result<std::shared_ptr<const Keyring>> Keyring::Parse(std::string_view text) {
  if (sodium_init() < 0) return Error(ErrorCode::kUnsupported, "is of no use: libsodium does not start");
  std::vector<std::string> names;
  auto keys = std::make_unique<Secret>(kKeysMax * kKeyBytes);
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = TakeLine(&text);
    if (line.empty() || line.front() == '#') continue;
    if (names.size() == kKeysMax) return WrongLine(number, "is one key too many: 8 are the most");
    const size_t name_size = std::min(line.find_first_of(kBlanks), line.size());
    const std::string_view name = line.substr(0, name_size);
    // Not shown: it may be a key that has lost its name.
    if (!ValidKeyName(name)) return WrongLine(number, "has no name of 1 to 32 of A-Z, a-z, 0-9, \"_\" and \"-\"");
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return WrongLine(number, "has a name that a line before has");
    }
    const std::string_view encoded = line.substr(std::min(line.find_first_not_of(kBlanks, name_size), line.size()));
    unsigned char* key = keys->data() + names.size() * kKeyBytes;
    size_t size = 0;
    const bool whole =
        encoded.size() == kEncodedBytes && sodium_base642bin(key, kKeyBytes, encoded.data(), encoded.size(), nullptr,
                                                             &size, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0;
    if (!whole || size != kKeyBytes) return WrongLine(number, "has no 32 bytes in base64 behind its name");
    for (size_t before = 0; before < names.size(); ++before) {
      if (sodium_memcmp(key, keys->data() + before * kKeyBytes, kKeyBytes) == 0) {
        return WrongLine(number, "has the key of a line before");
      }
    }
    names.emplace_back(name);
  }
  if (names.empty()) return Wrong("has no key: clustered_session_new_key() makes a line for it");
  return std::shared_ptr<const Keyring>(new Keyring(std::move(names), std::move(keys)));
}

void Keyring::Derive(size_t index, std::string_view purpose, std::string_view prefix, unsigned char* to) const {
  std::string input(purpose);
  input.push_back('\0');  // in no purpose
  input.append(prefix);
  crypto_generichash(to, kKeyBytes, reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                     keys_->data() + index * kKeyBytes, kKeyBytes);
}

bool Keyring::SameAs(const Keyring& other) const {
  return names_ == other.names_ && sodium_memcmp(keys_->data(), other.keys_->data(), keys_->size()) == 0;
}

std::string NewKeyLine(std::string_view name) {
  std::array<unsigned char, Keyring::kKeyBytes> key;
  std::array<char, kEncodedBytes + 1> encoded;
  randombytes_buf(key.data(), key.size());
  sodium_bin2base64(encoded.data(), encoded.size(), key.data(), key.size(), sodium_base64_VARIANT_ORIGINAL);
  std::string line(name);
  line.append(" ").append(encoded.data(), kEncodedBytes);
  sodium_memzero(key.data(), key.size());
  sodium_memzero(encoded.data(), encoded.size());
  return line;
}

}  // namespace clustered_session
