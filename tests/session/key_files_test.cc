// Key files are read once by a process, and anew where PHP starts again in it. Mirrors src/session/key_files.h. Layer:
// tests.
#include "src/session/key_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

using namespace clustered_session;

namespace {

struct KeyFilesFixture {
  TempDir folder;
  std::string path = folder.path() + "/keys";

  void Write(const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
    REQUIRE(chmod(path.c_str(), 0600) == 0);
  }
  std::string FirstName() {
    const Result<std::shared_ptr<const Keyring>> keys = KeysOfFile(path);
    return keys.ok() ? (*keys)->name(0) : "failed: " + keys.error().message();
  }
};

}  // namespace

TEST_CASE_METHOD(KeyFilesFixture, "A key file is read once, also where it cannot be read any more", "[keys]") {
  Write(NewKeyLine("k1"));
  CHECK(FirstName() == "k1");
  Write(NewKeyLine("k2"));
  CHECK(FirstName() == "k1");
  REQUIRE(unlink(path.c_str()) == 0);
  CHECK(FirstName() == "k1");
}

TEST_CASE_METHOD(KeyFilesFixture, "A key file that could not be read is read once it can be", "[keys]") {
  CHECK(FirstName().find("cannot be opened") != std::string::npos);
  Write(NewKeyLine("k1"));
  CHECK(FirstName() == "k1");
}

TEST_CASE_METHOD(KeyFilesFixture,
                 "A start of PHP in the same process reads the key file anew, and keeps what a bad one had", "[keys]") {
  Write(NewKeyLine("k1"));
  CHECK(FirstName() == "k1");
  Write(NewKeyLine("k2"));
  REQUIRE(ReadKeyFileAnew(path).ok());
  CHECK(FirstName() == "k2");
  Write("k3 AAAA");
  const Status bad = ReadKeyFileAnew(path);
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().message().find("line 1 has no 32 bytes") != std::string::npos);
  CHECK(FirstName() == "k2");
}
