// What clients may send as session ID and affinity cookie. Mirrors src/base/session_id.h.
#include "src/base/session_id.h"

#include <catch2/catch.hpp>
#include <string>

namespace clustered_session {
namespace {

TEST_CASE("a session ID is 1 to 256 of letters, digits, comma and dash, and no other byte") {
  CHECK(ValidSessionId("a"));
  CHECK(ValidSessionId("Az09,-"));
  CHECK(ValidSessionId(std::string(256, 'a')));
  CHECK_FALSE(ValidSessionId(""));
  CHECK_FALSE(ValidSessionId(std::string(257, 'a')));
  CHECK_FALSE(ValidSessionId(std::string(10000, 'a')));

  const std::string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,-";
  for (int byte = 0; byte < 256; byte++) {
    const char c = static_cast<char>(byte);
    const bool expected = allowed.find(c) != std::string::npos;
    INFO(byte);
    CHECK(ValidSessionId(std::string(1, c)) == expected);
    CHECK(ValidSessionId(std::string("a") + c) == expected);
    CHECK(ValidSessionId(std::string("a") + c + "b") == expected);
  }
}

TEST_CASE("an ID of earlier releases names what follows its last dash, if that is a node name by grammar") {
  struct Row {
    std::string session_id;
    const char* name;
  };
  const Row row = GENERATE(values<Row>({
      {"", ""},
      {"abc", ""},
      {"-", ""},
      {"-m1", ""},
      {"abc-", ""},
      {"abc--m1", "m1"},
      {"a-m1-", ""},
      {"a-m1-m2", "m2"},
      {"a-b,c-m1", "m1"},
      {"a-m,1", ""},
      {"a-m/1", ""},
      {"a-" + std::string("m\0", 2), ""},
      {"a-abcdefgh12345678", "abcdefgh12345678"},
      {"a-abcdefgh123456789", ""},
      {std::string(10000, '-') + "m1", "m1"},
  }));
  INFO(row.session_id);
  CHECK(NodeNameOf(row.session_id) == row.name);
}

TEST_CASE("a message shows at most 4 characters and at most a quarter of a session ID, on one line") {
  CHECK(RedactSessionId("") == "...");
  CHECK(RedactSessionId("abc") == "...");
  CHECK(RedactSessionId("abcd") == "a...");
  CHECK(RedactSessionId("abcdefgh") == "ab...");
  CHECK(RedactSessionId(std::string("abcdefghijklmnop")) == "abcd...");
  CHECK(RedactSessionId("abcde" + std::string(5000, 'x')) == "abcd...");
  CHECK(RedactSessionId(std::string("\0\n\xff\"", 4) + std::string(100, 'x')) == "\\x00\\x0a\\xff\\\"...");
}

TEST_CASE("an affinity cookie comes back as it was sent") {
  const uint64_t epoch = GENERATE(as<uint64_t>(), 0, 1, 10, 18446744073709551615ULL);
  const AffinityCookie cookie{"web-1_A", epoch};
  const auto parsed = ParseAffinity(FormatAffinity(cookie));
  REQUIRE(parsed);
  CHECK(*parsed == cookie);
}

TEST_CASE("the affinity cookie is server_id, dot, epoch") { CHECK(FormatAffinity({"web-1", 7}) == "web-1.7"); }

TEST_CASE("an affinity cookie that was not made by FormatAffinity is no affinity") {
  const std::string value = GENERATE(values<std::string>({
      "",
      ".",
      "a",
      "a.",
      ".1",
      "a.-1",
      "a.+1",
      "a. 1",
      "a.1 ",
      " a.1",
      "a.01",
      "a.00",
      "a.1x",
      "a.x",
      "a.0x1",
      "a.1.2",
      "a.b.1",
      "a b.1",
      "a/b.1",
      "a.18446744073709551616",
      "a.99999999999999999999999",
      "a.1\n",
      std::string("a.1\0", 4),
      std::string("a\0.1", 4),
      "\xc3\xa4.1",
      std::string(65, 'a') + ".1",
      std::string(10000, 'a'),
      "a." + std::string(10000, '1'),
  }));
  INFO(value);
  CHECK_FALSE(ParseAffinity(value));
}

TEST_CASE("a server_id of 64 characters is the longest") {
  CHECK(ParseAffinity(std::string(64, 'a') + ".1"));
  CHECK(ValidServerId(std::string(64, 'a')));
  CHECK_FALSE(ValidServerId(std::string(65, 'a')));
  CHECK_FALSE(ValidServerId("a.b"));
  CHECK_FALSE(ValidServerId(""));
}

TEST_CASE("every host name gives a valid server_id") {
  struct Row {
    std::string host_name;
    std::string server_id;
  };
  const Row row = GENERATE(values<Row>({
      {"web-1.example.com", "web-1"},
      {"web-1", "web-1"},
      {"Web_2.local", "Web_2"},
      {"10.0.0.1", "10-0-0-1"},
      {"42", "42"},
      {"", "server"},
      {".", "server"},
      {".example.com", "server"},
      {"---", "server"},
      {"\xc3\xa4.example", "server"},
      {"w\xc3\xa4", "w--"},
      {"a b;c\n", "a-b-c-"},
      {std::string(100, 'a'), std::string(64, 'a')},
      {std::string("a\0b", 3), "a-b"},
  }));
  INFO(row.host_name);
  CHECK(SanitizeServerId(row.host_name) == row.server_id);
  CHECK(ValidServerId(SanitizeServerId(row.host_name)));
}

}  // namespace
}  // namespace clustered_session
