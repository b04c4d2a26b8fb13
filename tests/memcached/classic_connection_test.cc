// Answers that are none, where libmemcached would take them for one. Mirrors src/memcached/classic_connection.h.
#include "src/memcached/classic_connection.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/memcached/node_fixture.h"
#include "tests/memcached/proxied_node.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

struct ClassicProxiedNode : ProxiedNode {
  ClassicProxiedNode() : ProxiedNode(Engine::kClassic) {}
};

struct SaslProxiedNode : ProxiedNode {
  SaslProxiedNode() : ProxiedNode(Engine::kClassic, kLongTimeouts, kSaslUser) {}
};

// libmemcached takes such an answer for one without items.
TEST_CASE_METHOD(ClassicProxiedNode, "an error line of a classic node is never taken for a miss") {
  for (const char* answer : {"ERROR\r\n", "SERVER_ERROR out of memory writing get response\r\n",
                             "SERVER_ERROR object too large for cache\r\n", "SERVER_ERROR\r\n",
                             "SERVER_ERROR Host is down\r\n", "CLIENT_ERROR bad command line format\r\n", "STORED\r\n",
                             "NOT_FOUND\r\n", "END\r\n", "EXISTS\r\n", "OK\r\n", "123\r\n"}) {
    INFO(answer);
    for (const bool fresh : {false, true}) {
      CHECK(client.Read("k").value == "v");
      if (fresh) proxy.CloseConnections();
      AnswerInstead(answer);
      const NodeReply reply = client.Read("k");
      INFO(reply.error);
      CHECK(reply.status == NodeStatus::kError);
      CHECK((reply.failure == NodeFailure::kErrorAnswer || reply.failure == NodeFailure::kGarbage));
      CHECK(client.Write("k", "w", {1, 1}).status == NodeStatus::kError);
      if (std::string(answer).find("Host is down") != std::string::npos) {
        CHECK(reply.error.find("): answered: SERVER_ERROR Host is down") != std::string::npos);
      }
      proxy.Heal();
    }
  }
  CHECK(client.Read("k").value == "v");
}

TEST_CASE_METHOD(ClassicProxiedNode,
                 "a classic node's answer with another key, twice the same, or too much announced is an error") {
  const std::string sentinel = "VALUE cs:node-incarnation 0 1 7\r\ns\r\n";
  for (const std::string& answer :
       {"VALUE l 0 1 7\r\nv\r\n" + sentinel + "END\r\n",
        sentinel + "VALUE k 0 1 7\r\nv\r\nVALUE k 0 1 7\r\nv\r\nEND\r\n",
        sentinel + "VALUE " + std::string(300, 'k') + " 0 1 7\r\nv\r\nEND\r\n",
        sentinel + "VALUE " + std::string(5000, 'k'), "VALUE " + std::string(340, '\xff') + " 0 1 7\r\nv\r\nEND\r\n",
        sentinel + "VALUE k 0 134230000 7\r\nv\r\nEND\r\n", sentinel + "VALUE k 0 99999999999999 7\r\nv\r\nEND\r\n",
        sentinel + "VALUE k 0 1 7\r\nvvvvv\r\nEND\r\n", sentinel + "HTTP/1.1 400 Bad Request\r\n\r\n",
        std::string("\x81\x01", 2) + std::string(22, '\0')}) {
    INFO(answer.substr(0, 80));
    for (int i = 0; i < 2; ++i) {
      AnswerInstead(answer);
      CHECK(client.Read("k", milliseconds(300)).status == NodeStatus::kError);
      proxy.Heal();
      CHECK(client.Read("k").value == "v");
    }
  }
}

TEST_CASE_METHOD(SaslProxiedNode, "a key of any length from a classic node with SASL overwrites nothing") {
  using namespace std::string_literals;
  for (const size_t length : {251u, 300u, 65535u}) {
    INFO(length);
    CHECK(client.Read("k").value == "v");
    std::string answer = "\x81\x0d\xff\xff\x04\0\0\0\0\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0"s;
    answer[2] = static_cast<char>(length >> 8);
    answer[3] = static_cast<char>(length);
    AnswerInstead(answer + std::string(length + 100'000, 'k'));
    CHECK(client.Read("k", milliseconds(300)).status == NodeStatus::kError);
    proxy.Heal();
  }
  CHECK(client.Read("k").value == "v");
}

TEST_CASE("noise for an answer of a classic node is survived, and is never another item") {
  using namespace std::string_literals;
  const bool sasl = GENERATE(false, true);
  INFO("SASL " << sasl);
  ProxiedNode node(Engine::kClassic, kLongTimeouts, sasl ? kSaslUser : NodeCredentials{});
  REQUIRE(node.server.Set("other", "value of other"));
  std::string answer = "VALUE k 0 5 7\r\nvalue\r\nVALUE cs:node-incarnation 0 1 1\r\ns\r\nEND\r\n";
  if (sasl) {
    answer = "\x81\x0d\0\x01\x04\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0kvalue"s;
    answer += "\x81\x0d\0\x13\x04\0\0\0\0\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0cs:node-incarnations"s;
    answer += "\x81\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s;
  }
  size_t hits = 0;
  for (size_t at = 0; at < answer.size(); ++at) {
    REQUIRE(node.client.Read("other").value == "value of other");
    std::string noise = answer;
    noise[at] = static_cast<char>(answer[at] ^ (at % 2 == 0 ? 0x80 : 0x01));
    node.AnswerInstead(noise);
    const NodeReply reply = node.client.Read("k", milliseconds(40));
    INFO(at << ": " << reply.error);
    if (reply.status == NodeStatus::kHit) {
      ++hits;
      CHECK(noise.find(reply.value) != std::string::npos);
    }
    node.proxy.Heal();
    node.proxy.CloseConnections();
  }
  CHECK(hits < answer.size());
}

}  // namespace
}  // namespace clustered_session
