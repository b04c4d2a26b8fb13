// What session.save_path may say and what it must not. Mirrors src/base/save_path.h.
#include "src/base/save_path.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

namespace clustered_session {
namespace {

using Catch::Matchers::Contains;

NodeAddress ParseOne(const std::string& text) {
  auto nodes = ParseNodeList(text);
  INFO(text << ": " << (nodes.ok() ? "" : nodes.error().message()));
  REQUIRE(nodes.ok());
  REQUIRE(nodes->size() == 1);
  return nodes->front();
}

std::string ErrorOf(const std::string& text) {
  auto nodes = ParseSavePath(text);
  INFO(text);
  REQUIRE_FALSE(nodes.ok());
  CHECK(nodes.error().code() == ErrorCode::kInvalidArgument);
  const std::string& message = nodes.error().message();
  CHECK(std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  CHECK(message.size() < 500);
  return message;
}

TEST_CASE("an empty save_path has no nodes, which is single-server mode") {
  auto lists = ParseSavePath("");
  REQUIRE(lists.ok());
  CHECK(lists->now.empty());
  CHECK(lists->before.empty());
}

TEST_CASE("every written form of an address gives its host, port, path and weight") {
  struct Row {
    const char* text;
    const char* host;
    int port;
    const char* unix_path;
    uint32_t weight;
    const char* shown;
  };
  const Row row = GENERATE(values<Row>({
      {"host:11211", "host", 11211, "", 1, "host:11211"},
      {"host:11211:1", "host", 11211, "", 1, "host:11211"},
      {"host", "host", 11211, "", 1, "host:11211"},
      {"host:1:1000", "host", 1, "", 1000, "host:1"},
      {"host:65535", "host", 65535, "", 1, "host:65535"},
      {"  host:5  ", "host", 5, "", 1, "host:5"},
      {"Web_1.Example.COM:5", "web_1.example.com", 5, "", 1, "web_1.example.com:5"},
      {"redis:6379", "redis", 6379, "", 1, "redis:6379"},
      {"10.0.0.1:7:3", "10.0.0.1", 7, "", 3, "10.0.0.1:7"},
      {"[::1]", "::1", 11211, "", 1, "[::1]:11211"},
      {"[::1]:5", "::1", 5, "", 1, "[::1]:5"},
      {"[0:0:0:0:0:0:0:1]:5:9", "::1", 5, "", 9, "[::1]:5"},
      {"[FE80::A]:5", "fe80::a", 5, "", 1, "[fe80::a]:5"},
      {"unix:/run/m.sock", "", 0, "/run/m.sock", 1, "unix:/run/m.sock"},
      {"unix:/run/m.sock:0", "", 0, "/run/m.sock", 1, "unix:/run/m.sock"},
      {"unix:/run/m.sock:0:4", "", 0, "/run/m.sock", 4, "unix:/run/m.sock"},
      {"unix:/run/m.sock:4", "", 0, "/run/m.sock", 4, "unix:/run/m.sock"},
      {"unix:///run/m.sock", "", 0, "/run/m.sock", 1, "unix:/run/m.sock"},
      {"unix:/run/a=b", "", 0, "/run/a=b", 1, "unix:/run/a=b"},
      {"tls://host", "host", 11211, "", 1, "tls://host:11211"},
      {"tls://10.0.0.1:5:7", "10.0.0.1", 5, "", 7, "tls://10.0.0.1:5"},
      {"tls://[0::1]:5", "::1", 5, "", 1, "tls://[::1]:5"},
      {"/run/m.sock:0:4", "", 0, "/run/m.sock", 4, "unix:/run/m.sock"},
      {"/run/m.sock:0", "", 0, "/run/m.sock", 1, "unix:/run/m.sock"},
  }));
  const NodeAddress node = ParseOne(row.text);
  INFO(row.text);
  CHECK(node.host == row.host);
  CHECK(node.port == row.port);
  CHECK(node.unix_path == row.unix_path);
  CHECK(node.weight == row.weight);
  CHECK(node.is_unix() == !node.unix_path.empty());
  CHECK(node.ToString() == row.shown);
}

TEST_CASE("a given name stands before any form of address") {
  CHECK(ParseOne("m1=host:5").name == "m1");
  CHECK(ParseOne("m1=host:5").host == "host");
  CHECK(ParseOne("B=[::1]:5").name == "B");
  CHECK(ParseOne("u=unix:/run/m.sock").name == "u");
  CHECK(ParseOne("u=/run/a=b:0").unix_path == "/run/a=b");
  CHECK(ParseOne("m1=tls://host:5").name == "m1");
  CHECK(ParseOne("m1=tls://host:5").tls);
  CHECK_FALSE(ParseOne("m1=host:5").tls);
  CHECK(ParseOne("abcdefgh12345678=host").name == "abcdefgh12345678");
}

TEST_CASE("a derived name is fixed by the address alone, on every server and in every release") {
  // Session IDs out there hold these names: a change of this literal loses the placement of all of them.
  CHECK(ParseOne("10.0.0.1").name == "ob4vkj");
  CHECK(ParseOne("10.0.0.1:11211:7").name == "ob4vkj");
  CHECK(ParseOne("HOST:1").name == ParseOne("host:1").name);
  CHECK(ParseOne("[0::1]:5").name == ParseOne("[::1]:5").name);
  CHECK(ParseOne("/run/m.sock:0").name == ParseOne("unix:/run/m.sock:0:3").name);
  CHECK(ParseOne("host:1").name != ParseOne("host:2").name);
  CHECK(ParseOne("tls://10.0.0.1").name == "ob4vkj");

  for (int port = 1; port < 2000; port++) {
    const std::string name = ParseOne("h:" + std::to_string(port)).name;
    REQUIRE(name.size() == 6);
    REQUIRE(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
  }
}

TEST_CASE("nodes keep the order in which they are written") {
  auto nodes = ParseNodeList(" m2=b:1 , m1=a:1,c ");
  REQUIRE(nodes.ok());
  REQUIRE(nodes->size() == 3);
  CHECK((*nodes)[0].name == "m2");
  CHECK((*nodes)[1].name == "m1");
  CHECK((*nodes)[2].host == "c");
}

TEST_CASE("a mistake is refused with the node's position, its text and what is wrong") {
  struct Row {
    std::string text;
    const char* message;
  };
  const Row row = GENERATE(values<Row>({
      {"10.0.0.2,10.0.0.1:99999", "save_path: node 2 (\"10.0.0.1:99999\"): port must be 1 to 65535"},
      {"a:65536", "node 1 (\"a:65536\"): port must be 1 to 65535"},
      {"a:0", "port must be 1 to 65535"},
      {"a:", "port must be 1 to 65535"},
      {"a:-1", "port must be 1 to 65535"},
      {"a:+1", "port must be 1 to 65535"},
      {"a:012", "port must be 1 to 65535"},
      {"a:1x", "port must be 1 to 65535"},
      {"a:99999999999999999999", "port must be 1 to 65535"},
      {"a::1", "brackets"},
      {"a:1:0", "weight must be 1 to 1000"},
      {"a:1:1001", "weight must be 1 to 1000"},
      {"a:1:", "weight must be 1 to 1000"},
      {"a:1:-5", "weight must be 1 to 1000"},
      {"unix:/s:11211", "weight must be 1 to 1000"},
      {"unix:/s:0:0", "weight must be 1 to 1000"},
      {"a,,b", "node 2 (\"\"): is empty"},
      {"a,", "node 2 (\"\"): is empty"},
      {",a", "node 1 (\"\"): is empty"},
      {",", "node 1 (\"\"): is empty"},
      {"  ", "node 1 (\"\"): is empty"},
      {"tcp://10.0.0.1:11211", "unknown scheme \"tcp\"; write host:port"},
      {"tls:host:11211", "unknown scheme \"tls\"; write host:port"},
      {"TLS://host", "unknown scheme \"TLS\"; write host:port"},
      {"tls://", "the host is missing behind \"tls://\""},
      {"tls://tls://a", "unknown scheme \"tls\""},
      {"tls:///run/m.sock:0", "a unix socket has no TLS"},
      {"tls://unix:/run/m.sock", "a unix socket has no TLS"},
      {"a:1,tls://a:1", "node 2 (\"tls://a:1\"): node 1 has the same address"},
      {"redis:host:6379", "unknown scheme \"redis\"; write host:port"},
      {"memcached://h", "unknown scheme \"memcached\"; write host:port"},
      {"UNIX:/run/m.sock", "unknown scheme \"UNIX\"; write host:port"},
      {"::1", "an IPv6 address needs brackets, such as [::1]:11211"},
      {"fe80::1:11211", "an IPv6 address needs brackets"},
      {"1:2:3:4:5:6:7:8", "an IPv6 address needs brackets"},
      {"[::1", "']' of the IPv6 address is missing"},
      {"[::g]", "take an IPv6 address"},
      {"[10.0.0.1]", "take an IPv6 address"},
      {"[fe80::1%eth0]", "without a zone"},
      {"[]", "take an IPv6 address"},
      {"[::1]5", "only :port may follow"},
      {"[::1]:0", "port must be 1 to 65535"},
      {"10.0.0.256", "an IPv4 address has four numbers"},
      {"10.1", "an IPv4 address has four numbers"},
      {"11211", "an IPv4 address has four numbers"},
      {"unix:", "a unix socket needs an absolute path"},
      {"unix:run", "a unix socket needs an absolute path"},
      {"unix", "a unix socket needs an absolute path"},
      {"Unix:11211", "a unix socket needs an absolute path"},
      {"unix:/", "a unix socket needs an absolute path"},
      {"/", "a path is no node"},
      {"/:0", "a unix socket needs an absolute path"},
      {"/var/lib/php/sessions", "a path is no node; write unix:/path for a socket, or leave session.save_path empty"},
      {"unix:/" + std::string(107, 'a'), "at most 107 bytes"},
      {":11211", "the host is missing"},
      {"m1=:11211", "the host is missing"},
      {"m1=", "the address is missing"},
      {"=a", "the name must be 1 to 16 of A-Z a-z 0-9"},
      {"m-1=a", "the name must be 1 to 16 of A-Z a-z 0-9"},
      {"abcdefgh123456789=a", "the name must be 1 to 16 of A-Z a-z 0-9"},
      {"a=b=c", "the host must be a name"},
      {"a/b", "the host must be a name"},
      {"-a", "the host must be a name"},
      {".a", "the host must be a name"},
      {"a..b", "the host must be a name"},
      {"a;b", "separate nodes by \",\""},
      {"m1=a:1;m2=b:2", "separate nodes by \",\""},
      {"2;0600;/var/lib/php/sessions", "a path is no node"},
      {"5;/tmp", "a path is no node"},
      {"5;6;7;/tmp", "separate nodes by \",\""},
      {"m1:10.0.0.1:11211", "a name ends with \"=\"; write m1=host:port"},
      {"m1:memcached:11211:2", "a name ends with \"=\"; write m1=host:port"},
      {"m1:cafe:11211", "port must be 1 to 65535"},
      {"m1=h:x.y:1", "port must be 1 to 65535"},
      {std::string(254, 'a'), "the host name must be at most 253 bytes long"},
      {"PERSISTENT=pool host:11211", "leave out php-memcached's PERSISTENT="},
      {"a:1 b:2", "separate nodes by \",\""},
      {"a\tb", "(\"a\\x09b\"): control characters are not allowed"},
      {"a\n", "control characters are not allowed"},
      {std::string("a\0b", 3), "(\"a\\x00b\"): control characters are not allowed"},
      {"unix:/run/\x7f", "control characters are not allowed"},
      {"h\xc3\xb6st", "(\"h\\xc3\\xb6st\"): the host must be a name"},
      {"m1=a,m1=b", "node 2 (\"m1=b\"): node 1 has the same name"},
      {"a:11211,b,A", "node 3 (\"A\"): node 1 has the same address"},
      {"m1=a,m2=a", "node 1 has the same address"},
      {"[::1],[0::1]", "node 1 has the same address"},
      {"/run/s:0,unix:/run/s", "node 1 has the same address"},
      {"10.0.0.1,ob4vkj=b", "node 1 has the same derived name \"ob4vkj\"; name the nodes"},
      {"ob4vkj=b,10.0.0.1", "node 1 has the same derived name \"ob4vkj\"; name the nodes"},
  }));
  CHECK_THAT(ErrorOf(row.text), Contains(row.message));
}

TEST_CASE("a path of the longest length a socket takes is accepted") {
  CHECK(ParseOne("unix:/" + std::string(106, 'a')).unix_path.size() == 107);
}

TEST_CASE("a save_path of 10,000 characters is refused by its length and is not repeated in the message") {
  const std::string message = ErrorOf(std::string(10000, 'a'));
  CHECK(message == "save_path: must be at most 8192 bytes long, has 10000");
}

TEST_CASE("a message shows at most 64 characters of the part it refuses") {
  const std::string message = ErrorOf(std::string(5000, '!'));
  CHECK(std::count(message.begin(), message.end(), '!') == 64);
  CHECK_THAT(message, Contains("!...\")"));
}

TEST_CASE("64 nodes are accepted and 65 are not") {
  std::string text = "h1";
  for (int i = 2; i <= 64; i++) text += ",h" + std::to_string(i);
  auto lists = ParseSavePath(text);
  REQUIRE(lists.ok());
  CHECK(lists->now.size() == 64);
  CHECK_THAT(ErrorOf(text + ",h65"), Contains("node 65 (\"h65\"): at most 64 nodes are allowed"));
}

TEST_CASE("while a list is being changed, the one before stands behind it") {
  auto lists = ParseSavePath("m1=a,m2=b:1:5 previously m2=b:1, m3=c");
  REQUIRE(lists.ok());
  REQUIRE(lists->now.size() == 2);
  CHECK(lists->now[1].weight == 5);
  REQUIRE(lists->before.size() == 2);
  CHECK(lists->before[0].name == "m2");
  CHECK(lists->before[0].weight == 1);
  CHECK(lists->before[1].ToString() == "c:11211");
}

TEST_CASE("of two lists each has nodes, and a name stands for one address in both") {
  CHECK_THAT(ErrorOf("m1=a previously "), Contains("no node beside \"previously\""));
  CHECK_THAT(ErrorOf(" previously m1=a"), Contains("no node beside \"previously\"") || Contains("node 1"));
  CHECK_THAT(ErrorOf("m1=a previously m1=b"), Contains("node \"m1\" (b:11211) must have the name and the address"));
  CHECK_THAT(ErrorOf("m1=a previously m2=a"), Contains("there it is \"m1\" (a:11211)"));
  CHECK_THAT(ErrorOf("m1=a previously m2=b,m2=c"), Contains("save_path: behind \"previously\", node 2"));
  CHECK_THAT(ErrorOf("m1=a previously m2=b previously m3=c"), Contains("behind \"previously\", node 1"));
}

}  // namespace
}  // namespace clustered_session
