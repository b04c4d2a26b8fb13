// The hash that names sessions in shared memory and on nodes. Mirrors src/base/session_key.h.
#include "src/base/session_key.h"

#include <catch2/catch.hpp>
#include <string>

namespace clustered_session {
namespace {

std::string Stored(std::string_view secret, std::string_view space, std::string_view session_id) {
  return StorageKey("cs:", Hash128(secret, space, session_id));
}

const std::string kSecret(32, 'k');

TEST_CASE("the storage key of a session is the same in every release") {
  // Checked with another implementation of BLAKE2b; a change of these literals loses every stored session.
  CHECK(Stored("", "", "a") == "cs:3xHPUEOntxsEDCiDwjpvfA");
  CHECK(Stored("", "space", "session") == "cs:5M3puo1fVFSkOlWxwe7lEw");
  CHECK(Stored(kSecret, "space", "session") == "cs:AfzH22ByUlKtwZ9SWgfWVQ");
}

TEST_CASE("a storage key is the prefix and 22 characters that need no escaping") {
  for (int i = 0; i < 500; i++) {
    const std::string key = StorageKey("p:", Hash128(kSecret, "", std::to_string(i)));
    REQUIRE(key.size() == 24);
    REQUIRE(key.substr(0, 2) == "p:");
    REQUIRE(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 2) ==
            std::string::npos);
  }
  CHECK(StorageKey("", Hash128("", "", "x")).size() == 22);
}

TEST_CASE("secret, space and session ID each make another key") {
  const SessionKey key = Hash128(kSecret, "space", "session");
  CHECK(key == Hash128(kSecret, "space", "session"));
  CHECK_FALSE(key == Hash128("", "space", "session"));
  CHECK_FALSE(key == Hash128(std::string(32, 'j'), "space", "session"));
  CHECK_FALSE(key == Hash128(kSecret, "spacf", "session"));
  CHECK_FALSE(key == Hash128(kSecret, "space", "sessioo"));
}

TEST_CASE("moving bytes between space and session ID makes another key") {
  CHECK_FALSE(Hash128("", "ab", "c") == Hash128("", "a", "bc"));
  CHECK_FALSE(Hash128("", "", "abc") == Hash128("", "abc", ""));
  CHECK_FALSE(Hash128("", "a", std::string("\0", 1)) == Hash128("", "a", ""));
}

TEST_CASE("secrets of all lengths count to their last byte") {
  for (const size_t length : {size_t{16}, size_t{64}, size_t{65}, size_t{1000}}) {
    std::string secret(length, 's');
    const SessionKey key = Hash128(secret, "", "a");
    secret.back() = 't';
    INFO(length);
    CHECK_FALSE(key == Hash128(secret, "", "a"));
  }
}

TEST_CASE("Hash64 spreads session IDs over its low and its high bits") {
  int low[16] = {};
  int high[16] = {};
  for (int i = 0; i < 16000; i++) {
    const uint64_t hash = Hash128("", "", std::to_string(i)).Hash64();
    low[hash & 15]++;
    high[hash >> 60]++;
  }
  for (int i = 0; i < 16; i++) {
    CHECK((low[i] > 800 && low[i] < 1200));
    CHECK((high[i] > 800 && high[i] < 1200));
  }
}

}  // namespace
}  // namespace clustered_session
