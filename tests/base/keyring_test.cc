// Key files: what is taken for one, what is refused and why, and that keys are apart by purpose, prefix and name.
// Layer: tests.
#include "src/base/keyring.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>

#include "src/base/pool_keys.h"
#include "tests/support/temp_dir.h"

using namespace clustered_session;

namespace {

constexpr char kSomeLine[] = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr char kOtherLine[] = "k2 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

std::shared_ptr<const Keyring> Ring(const std::string& text) {
  Result<std::shared_ptr<const Keyring>> parsed = Keyring::Parse(text);
  REQUIRE(parsed.ok());
  return *parsed;
}

std::string WhyNot(const std::string& text) {
  const Result<std::shared_ptr<const Keyring>> parsed = Keyring::Parse(text);
  return parsed.ok() ? "" : parsed.error().message();
}

std::string Derived(const Keyring& ring, size_t index, std::string_view purpose, std::string_view prefix) {
  std::string key(Keyring::kKeyBytes, '\0');
  ring.Derive(index, purpose, prefix, reinterpret_cast<unsigned char*>(key.data()));
  return key;
}

struct KeyFileOnDisk {
  TempDir folder;
  std::string path = folder.path() + "/keys";

  void Write(const std::string& text, mode_t mode = 0600) {
    std::ofstream(path, std::ios::binary) << text;
    REQUIRE(chmod(path.c_str(), mode) == 0);
  }
  std::string WhyNotLoaded() {
    const Result<std::shared_ptr<const Keyring>> loaded = Keyring::Load(path);
    return loaded.ok() ? "" : loaded.error().message();
  }
};

}  // namespace

TEST_CASE("A key file has a name and 32 bytes in base64 on each line", "[keys]") {
  const auto ring = Ring(std::string("# made on Monday\n\n  ") + kSomeLine + "  \r\n" + kOtherLine);
  REQUIRE(ring->size() == 2);
  CHECK(ring->name(0) == "k1");
  CHECK(ring->name(1) == "k2");
  CHECK(Ring("k1\tAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")->SameAs(*Ring(kSomeLine)));
  CHECK_FALSE(ring->SameAs(*Ring(kSomeLine)));
}

TEST_CASE("What is no key file is refused, and the message shows nothing of a key", "[keys]") {
  const std::string key = std::string(kSomeLine).substr(3);
  const std::string good = kSomeLine;
  CHECK(WhyNot("") == "has no key: clustered_session_new_key() makes a line for it");
  CHECK(WhyNot("# nothing\n\n") == "has no key: clustered_session_new_key() makes a line for it");
  CHECK(WhyNot(key) == "line 1 has no name of 1 to 32 of A-Z, a-z, 0-9, \"_\" and \"-\"");
  CHECK(WhyNot(std::string(33, 'n') + " " + key) == "line 1 has no name of 1 to 32 of A-Z, a-z, 0-9, \"_\" and \"-\"");
  for (const std::string& bad : {std::string("k1"), std::string("k1 "), "k1 " + key.substr(1), "k1 " + key + "A",
                                 "k1 " + key + " x", "k1 " + key.substr(0, 43), "k1 " + key.substr(0, 40),
                                 "k1 " + key.substr(0, 20) + "_" + key.substr(21), "k1 " + key + key}) {
    CAPTURE(bad);
    CHECK(WhyNot(good.substr(0, 0) + bad) == "line 1 has no 32 bytes in base64 behind its name");
  }
  CHECK(WhyNot(good + "\n" + good) == "line 2 has a name that a line before has");
  CHECK(WhyNot(good + "\nk2 " + key) == "line 2 has the key of a line before");
  std::string many;
  for (int i = 0; i < 9; ++i) many += NewKeyLine("k" + std::to_string(i)) + "\n";
  CHECK(WhyNot(many) == "line 9 is one key too many: 8 are the most");
  CHECK(WhyNot(many.substr(0, many.rfind("\nk8 "))).empty());
}

TEST_CASE_METHOD(KeyFileOnDisk, "A key file is read only if nobody but its owner can", "[keys]") {
  CHECK(WhyNotLoaded() == "key file \"" + path + "\" cannot be opened (No such file or directory)");
  Write("");
  CHECK(WhyNotLoaded().find("is empty") != std::string::npos);
  Write(kSomeLine);
  CHECK(WhyNotLoaded().empty());
  for (const mode_t mode : {0640, 0620, 0604, 0602, 0644, 0610}) {
    Write(kSomeLine, mode);
    CAPTURE(mode);
    CHECK(WhyNotLoaded().find("can be read or written by others") != std::string::npos);
  }
  Write(kSomeLine, 0);
  const bool root = geteuid() == 0;  // whom no mode keeps out
  if (root) REQUIRE(seteuid(65534) == 0);
  const std::string unreadable = WhyNotLoaded();
  if (root) REQUIRE(seteuid(0) == 0);
  CHECK(unreadable == "key file \"" + path + "\" cannot be opened (Permission denied)");
  Write(std::string(Keyring::kFileSizeMax + 1, '#'));
  CHECK(WhyNotLoaded().find("is larger than 16 KB") != std::string::npos);
  path = folder.path();
  CHECK(WhyNotLoaded() == "key file \"" + path + "\" is a directory");
  path = folder.path() + "/pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);  // nobody writes there: it is not waited for
  CHECK(WhyNotLoaded().find("is no regular file") != std::string::npos);
}

TEST_CASE("A line that was made is a key that nobody has", "[keys]") {
  std::set<std::string> lines;
  for (int i = 0; i < 100; ++i) lines.insert(NewKeyLine("k1"));
  CHECK(lines.size() == 100);
  for (const std::string& line : lines) REQUIRE(Ring(line)->name(0) == "k1");
  CHECK(ValidKeyName("2026-11_a"));
  for (const std::string_view bad : {"", "a b", "a\nb", "\xc3\xa4", "a:b"}) CHECK_FALSE(ValidKeyName(bad));
}

TEST_CASE("Keys of other purposes, prefixes and lines are other keys, and the same in every release", "[keys]") {
  const auto ring = Ring(std::string(kSomeLine) + "\n" + kOtherLine);
  std::set<std::string> keys;
  for (const size_t index : {0, 1}) {
    for (const std::string_view purpose : {"record", "session ID", "mark", "session key"}) {
      for (const std::string_view prefix : {"", "cs:", "shop:"}) keys.insert(Derived(*ring, index, purpose, prefix));
    }
  }
  CHECK(keys.size() == 24);
  CHECK(Derived(*ring, 0, "record", "cs:") == Derived(*Ring(kSomeLine), 0, "record", "cs:"));
  const PoolKeys pool(*ring, "cs:");
  CHECK(pool.AppendTag("abc", TagKind::kPlain) == "abc6979e06f9139b915");
  CHECK(pool.AppendTag("abc", TagKind::kKeyed) == "abc2e9bacfe9dba3f16");
  CHECK(StorageKey("cs:", pool.KeyedSessionKey(0, "abc")) == "cs:Jl5hBOwQx_KZYi_mTYdrYA");
}

TEST_CASE("A tag holds for the text, the prefix and the keys that made it, and for nothing else", "[keys]") {
  const auto ring = Ring(std::string(kSomeLine) + "\n" + kOtherLine);
  const PoolKeys both(*ring, "cs:");
  const PoolKeys second(*Ring(kOtherLine), "cs:");
  for (const TagKind kind : {TagKind::kPlain, TagKind::kKeyed}) {
    const std::string tag = both.AppendTag("text", kind).substr(4);
    CHECK(tag.size() == PoolKeys::kTagLength);
    CHECK(tag.find_first_not_of("0123456789abcdef") == std::string::npos);
    const auto found = both.FindTag("text", tag);
    REQUIRE(found);
    CHECK((found->key == 0 && found->kind == kind));
    const auto of_second = both.FindTag("text", second.AppendTag("text", kind).substr(4));
    REQUIRE(of_second);
    CHECK((of_second->key == 1 && of_second->kind == kind));
    CHECK_FALSE(second.FindTag("text", tag));
    CHECK_FALSE(both.FindTag("texu", tag));
    CHECK_FALSE(PoolKeys(*ring, "shop:").FindTag("text", tag));
    for (size_t i = 0; i < tag.size(); ++i) {
      std::string bad = tag;
      bad[i] = bad[i] == '0' ? '1' : '0';
      CHECK_FALSE(both.FindTag("text", bad));
    }
    CHECK_FALSE(both.FindTag("text", tag.substr(1)));
  }
  CHECK_FALSE(both.FindTag("text", ""));
}
