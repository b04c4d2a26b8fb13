// Answers of nodes that are broken or hostile, beside the table in memcached_fault_test.cc. Mirrors
// src/memcached/meta_connection.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

const std::string kAnswer = "VALUE k 0 20 7\r\n01234567890123456789\r\nEND\r\n";

void AnswerWith(FaultProxy* proxy, const std::string& answer) {
  ProxyFaults garble;
  garble.answer_instead = answer;
  proxy->Set(garble);
}

TEST_CASE("an answer that stops anywhere is waited for until the timeout, and then is none") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), {seconds(5), milliseconds(50)});
  const std::vector<std::string> halves = {"V",
                                           "VALUE k",
                                           "VALUE k 0 20",
                                           "VALUE k 0 20 7\r",
                                           "VALUE k 0 20 7\r\n",
                                           "VALUE k 0 20 7\r\n0123",
                                           kAnswer.substr(0, kAnswer.size() - 6),
                                           kAnswer.substr(0, kAnswer.size() - 1),
                                           "EN",
                                           "END\r",
                                           "ERROR",
                                           "SERVER_ERROR out of mem",
                                           "CLIENT_",
                                           "VALUE k 0 134217728 7\r\n"};
  for (const std::string& half : halves) {
    INFO(half);
    AnswerWith(&proxy, half);
    const NodeReply read = client.Read("k", milliseconds(100));
    CHECK(read.status == NodeStatus::kError);
    CHECK(read.value.empty());
    const NodeReply write = client.Write("k", "w", {1, 1}, milliseconds(100));
    CHECK(write.status == NodeStatus::kError);
  }
  proxy.Heal();
  CHECK(WaitUntil([&] { return client.Read("k").value == "v"; }));
}

TEST_CASE("numbers that cannot be are refused at once, whatever they would make of memory") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  for (const std::string number : {"2147483648", "4294967296", "134217729", "18446744073709551614", "-1", "0x10", "1e3",
                                   " 1", "", "99999999999999999999999999"}) {
    INFO(number);
    AnswerWith(&proxy, "VALUE k 0 " + number + " 7\r\nv\r\nEND\r\n");
    const NodeReply reply = client.Read("k");
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.find("answered something else") != std::string::npos);
  }
}

// An answer with a few bytes changed, lost, doubled or cut, or nothing but noise.
std::string Mutated(std::mt19937* random) {
  const auto below = [&](size_t limit) { return static_cast<size_t>((*random)() % limit); };
  std::string answer = kAnswer;
  if (below(8) == 0) {
    answer.assign(below(200), ' ');
    for (char& byte : answer) byte = static_cast<char>(below(256));
    return answer;
  }
  for (size_t change = 0; change <= below(3) && !answer.empty(); ++change) {
    const size_t at = below(answer.size());
    switch (below(5)) {
      case 0:
        answer[at] = static_cast<char>(below(256));
        break;
      case 1:
        answer.erase(at, 1 + below(4));
        break;
      case 2:
        answer.insert(at, answer.substr(at, below(20)));
        break;
      case 3:
        answer.insert(at, 1 + below(3), "\r\n 0E"[below(5)]);
        break;
      default:
        answer.resize(at + 1);
        break;
    }
  }
  return answer;
}

TEST_CASE("noise for an answer is survived, and is never an answer to another question") {
  MemcachedProcess server;
  REQUIRE(server.Set("other", "value of other"));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), {seconds(5), milliseconds(20)});
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  for (int i = 0; i < 150; ++i) {
    std::string answer = Mutated(&random);
    std::replace(answer.begin(), answer.end(), '#', '$');  // for which the proxy would put a number
    INFO("seed " << seed << ", answer " << answer);
    AnswerWith(&proxy, answer);
    const NodeReply reply = client.Read("k", milliseconds(20));
    // What is taken for a value stands in the answer as one.
    if (reply.status == NodeStatus::kHit) {
      CHECK(answer.find("VALUE k ") != std::string::npos);
      CHECK(answer.find(reply.value) != std::string::npos);
    } else if (reply.status == NodeStatus::kMiss) {
      CHECK(answer == "END\r\n");
    } else {
      CHECK(reply.status == NodeStatus::kError);
    }
    proxy.Heal();
    if (i % 10 == 0) CHECK(WaitUntil([&] { return client.Read("other").value == "value of other"; }));
  }
}

}  // namespace
}  // namespace clustered_session
