// What nodes and networks do wrong, and what the node client makes of it. Mirrors src/memcached/memcached_node.h.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/memcached/proxied_node.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kShort = {milliseconds(200), milliseconds(300)};
// What a call that has to end after 0.5 s may take on a machine that is busy with other things.
constexpr Duration kBound = seconds(3);

// `error` names the node, is one line, and holds `part`.
void CheckError(const NodeReply& reply, const std::string& part) {
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.rfind("node m1 (", 0) == 0);
  CHECK(reply.error.find('\n') == std::string::npos);
  CHECK(reply.error.find(part) != std::string::npos);
}

TEST_CASE("a node that is not there is an error, and is reached by the very next call once it is") {
  MemcachedProcess server;
  const uint16_t port = server.port();
  TestNode client(TcpAddress(port));
  server.Kill();
  for (int i = 0; i < 20; ++i) {
    CheckError(client.Read("k"), "(127.0.0.1:" + std::to_string(port) + "): cannot connect: Connection refused");
  }
  CHECK(client.counters.node_errors.Get() == 20);
  CHECK(client.counters.node_connects.Get() == 0);
  server.Restart();
  CHECK(client.Write("k", "v").status == NodeStatus::kStored);
  server.Kill();
  for (int i = 0; i < 20; ++i) CHECK(client.Write("k", "v").status == NodeStatus::kError);
  server.Restart();
  CHECK(client.Read("k").status == NodeStatus::kMiss);
}

TEST_CASE("connecting takes no longer than its timeout or the deadline") {
  HangingPort hanging;
  SECTION("connect_timeout") {
    TestNode client(TcpAddress(hanging.port()), kShort);
    const TimePoint start = Now();
    CheckError(client.Read("k"), "connect timed out after 2");
    CHECK(Now() - start >= kShort.connect);
    CHECK(Now() - start < kBound);
  }
  SECTION("deadline") {
    TestNode client(TcpAddress(hanging.port()));
    const TimePoint start = Now();
    CheckError(client.Read("k", milliseconds(150)), "connect timed out after 1");
    CHECK(Now() - start < kBound);
  }
  SECTION("a deadline that is over") {
    TestNode client(TcpAddress(hanging.port()));
    CheckError(client.Read("k", milliseconds(-5)), "connect timed out");
  }
}

TEST_CASE("a node that accepts and never answers costs one timeout") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults hole;
  hole.black_hole = true;
  TestNode client(TcpAddress(proxy.port()), kShort);
  SECTION("from the start") { proxy.Set(hole); }
  SECTION("after it did") {
    REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    proxy.Set(hole);
  }
  for (bool write : {false, true}) {
    const TimePoint start = Now();
    CheckError(write ? client.Write("k", "v") : client.Read("k"), "no answer after ");
    CHECK(Now() - start >= kShort.operation);
    CHECK(Now() - start < kBound);
  }
  const TimePoint start = Now();
  CheckError(client.Write("k", "v", {7, 7}, milliseconds(100)), "no answer after ");
  CHECK(Now() - start >= milliseconds(90));
  CHECK(Now() - start < kBound);
  proxy.Heal();
  const uint64_t connects = client.counters.node_connects.Get();
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  CHECK(client.counters.node_connects.Get() == connects + 1);  // nothing is asked where an answer is still due
}

TEST_CASE("a late answer is never taken for another's") {
  MemcachedProcess server;
  REQUIRE(server.Set("first", "value of first"));
  REQUIRE(server.Set("second", "value of second"));
  TestNode client(TcpAddress(server.port()), kShort);
  REQUIRE(client.Read("x").status == NodeStatus::kMiss);
  server.Stop();
  CheckError(client.Read("first", milliseconds(50)), "no answer");
  CheckError(client.Write("first", "new", {}, milliseconds(50)), "no answer");
  server.Continue();
  for (int i = 0; i < 20; ++i) {
    const NodeReply reply = client.Read("second", seconds(5));
    INFO(reply.error);
    REQUIRE(reply.status == NodeStatus::kHit);
    CHECK(reply.value == "value of second");
  }
}

TEST_CASE("an operation that is given up leaves nothing behind") {
  MemcachedProcess server;
  REQUIRE(server.Set("first", "value of first"));
  REQUIRE(server.Set("second", "value of second"));
  TestNode client(TcpAddress(server.port()));
  client.node->StartRead("first", Now() + seconds(5));  // connecting, perhaps
  CHECK(client.Read("second").value == "value of second");
  const uint64_t connects = client.counters.node_connects.Get();
  for (uint64_t i = 1; i <= 5; ++i) {
    client.node->StartRead("first", Now() + seconds(5));
    CHECK(client.Read("second").value == "value of second");
    CHECK(client.counters.node_connects.Get() == connects + i);
  }
  client.node->StartRead("first", Now() + seconds(5));
  CheckError(client.node->FinishWrite(), "no such operation");
  CheckError(client.node->FinishRead(), "no such operation");
  CHECK(client.Read("second").value == "value of second");
}

TEST_CASE("a node that answers a byte at a time is waited for until the deadline and no longer") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", std::string(100, 'v')));  // a unix socket holds less than 300 pieces
  TempDir folder;
  const bool over_unix = GENERATE(false, true);
  const std::string path = over_unix ? folder.path() + "/proxy" : "";
  INFO(path);
  FaultProxy proxy(server.port(), path);
  const NodeAddress address = over_unix ? UnixAddress(path) : TcpAddress(proxy.port());
  ProxyFaults drip;

  SECTION("too slow") {
    TestNode client(address, kShort);
    REQUIRE(client.Read("x").status == NodeStatus::kMiss);
    drip.drip = milliseconds(50);
    proxy.Set(drip);
    const TimePoint start = Now();
    CheckError(client.Read("k"), "no complete answer after ");
    CHECK(Now() - start < kBound);
    CHECK(client.Write("k", "v").status == NodeStatus::kError);
    CHECK(Now() - start < 2 * kBound);
  }
  SECTION("fast enough") {
    TestNode client(address);
    drip.drip = milliseconds(1);
    proxy.Set(drip);
    const NodeReply reply = client.Read("k");
    INFO(reply.error);
    REQUIRE(reply.status == NodeStatus::kHit);
    CHECK(reply.value == std::string(100, 'v'));
    CHECK(client.Write("k", "w", reply.token).status == NodeStatus::kStored);
  }
}

TEST_CASE("a large answer that stops in the middle is waited for until the deadline and no longer") {
  MemcachedProcess::Options options;
  options.arguments = {"-I", "8m", "-m", "64"};
  MemcachedProcess server(options);
  // The last is more than is waited for without reading.
  const size_t size = GENERATE(100'000u, 1'000'000u, 6'000'000u);
  REQUIRE(server.Set("k", std::string(size, 'v')));
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kShort);
  for (size_t stall : {size_t{10}, size / 100, size / 2, size, size + 10}) {
    INFO(stall << " of " << size);
    proxy.Heal();
    REQUIRE(client.Read("x", seconds(5)).status == NodeStatus::kMiss);
    ProxyFaults faults;
    faults.stall_after = stall;
    proxy.Set(faults);
    const TimePoint start = Now();
    CHECK(client.Read("k").status == NodeStatus::kError);
    CHECK(Now() - start < kBound);
  }
}

TEST_CASE("a connection that is closed within an answer is an error") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "0123456789"));
  FaultProxy proxy(server.port());
  std::vector<size_t> cuts = {1, 2, 5, 10, 11, 12, 13, 16, 17, 20, 22, 23, 24};  // VA 10 c1 O2, 0123456789
  SECTION("of a node that knows meta commands") {}
  SECTION("of one that does not") {
    proxy.HideMeta();
    for (size_t more : {26u, 27u, 28u, 30u, 32u}) cuts.push_back(more);  // VALUE k 0 10 1, 0123456789, END
  }
  TestNode client(TcpAddress(proxy.port()));
  REQUIRE(client.Read("x").status == NodeStatus::kMiss);
  for (size_t cut : cuts) {
    INFO(cut);
    ProxyFaults faults;
    faults.cut_after = cut;
    proxy.Set(faults);
    CheckError(client.Read("k"), "closed the connection");
    proxy.Heal();
    CHECK(client.Read("k").value == "0123456789");
  }
}

TEST_CASE_METHOD(ProxiedNode,
                 "whatever is not an answer to what was asked is an error, and the connection is not used again") {
  const std::string nul(1, '\0');
  const std::vector<std::string> answers = {
      "VALUE l 0 1 7\r\nv\r\nEND\r\n",                        // another key's value
      "VALUE k 0 1 7\r\nv\r\nVALUE l 0 1 7\r\nv\r\nEND\r\n",  // and besides the right one
      "END\r\nEND\r\n",                                       // two answers
      "STORED\r\n",
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      "VALUE " + std::string(300, 'k') + " 0 1 7\r\nv\r\nEND\r\n",  // overruns a buffer of libmemcached
      "VALUE " + std::string(5000, 'k'),
      "VALUE k 0 99999999999999 7\r\n",  // would be allocated
      "VALUE k 0 18446744073709551615 7\r\nv\r\nEND\r\n",
      "VALUE k 0 1 7\r\nvvvvv\r\nEND\r\n",
      "VERSION\r\n",  // a null pointer for libmemcached
      "STAT\r\n",
      "123\r\n",
      nul + nul + nul,
      "\x81\x01" + std::string(22, '\0'),
      "\r\n",
      "-1\r\n",
  };
  std::vector<std::string> garbage = answers;
  for (const char* answer :
       {"VA 1 c7 O#\r\nv\r\nVA 1 c7 O#\r\nv\r\n", "VA 1 c7\r\nv\r\n", "VA 1 O#\r\nv\r\n", "VA 1 c0 O#\r\nv\r\n",
        "VA 1 c7 O#1\r\nv\r\n", "VA 1 c7 O# W\r\nv\r\n", "VA 1 c7 O#\r\nvv\r\n", "VA 134217729 c7 O#\r\nv",
        "VA x c7 O#\r\nv\r\n", "VA -1 c7 O#\r\n\r\n", "VA 1 cx O#\r\nv\r\n", "NF\r\n", "MN\r\n",
        "EXISTS\r\nVA 1 c7 O#\r\nv\r\n"}) {
    garbage.emplace_back(answer);
  }
  for (const std::string& answer : garbage) {
    INFO(answer.substr(0, 60));
    for (bool fresh : {true, false}) {
      proxy.Heal();
      if (fresh) proxy.CloseConnections();
      if (!fresh) REQUIRE(client.Read("k").value == "v");
      AnswerInstead(answer);
      CheckError(client.Read("k"), "answered something else");
      CheckError(client.Write("k", "w", {1, 1}), "answered something else");
    }
  }
  AnswerInstead("SERVER_ERROR out of memory writing get response\r\n");
  CheckError(client.Read("k"), "answered: SERVER_ERROR out of memory writing get response");
  proxy.Heal();
  CHECK(client.Read("k").value == "v");
}

TEST_CASE_METHOD(ProxiedNode, "a connection that was closed while it was idle costs nothing but a new one") {
  for (int i = 0; i < 5; ++i) {
    const NodeReply hit = client.Read("k");
    REQUIRE(hit.status == NodeStatus::kHit);
    proxy.CloseConnections();
    REQUIRE(client.Write("k", "v" + std::to_string(i), hit.token).status == NodeStatus::kStored);
    proxy.CloseConnections();
  }
  CHECK(client.counters.node_errors.Get() == 0);
  CHECK(client.counters.node_connects.Get() == 10);
}

TEST_CASE("a connection that is closed by the first request after a pause is tried once more, and only once") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply stored = client.Write("k", "v");
  REQUIRE(stored.status == NodeStatus::kStored);
  ProxyFaults faults;
  SECTION("once") {
    faults.close_on_requests = 1;
    proxy.Set(faults);
    SECTION("a read") { CHECK(client.Read("k").status == NodeStatus::kHit); }
    SECTION("a write") { CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kStored); }
    CHECK(client.counters.node_errors.Get() == 0);
    CHECK(proxy.connections() == 2);
  }
  SECTION("always") {
    faults.close_on_request = true;
    proxy.Set(faults);
    CHECK(client.Write("k", "w", stored.token).status == NodeStatus::kError);
    CHECK(proxy.connections() == 2);
    // No connection is left: only tried again without asking for meta commands.
    CHECK(client.Read("k").status == NodeStatus::kError);
    CHECK(proxy.connections() == 4);
  }
  SECTION("nothing is listening any more") {
    faults.refuse = true;
    faults.close_on_request = true;
    proxy.Set(faults);
    CHECK(client.Read("k").status == NodeStatus::kError);
  }
}

TEST_CASE("a write that was stored before its connection was lost is acknowledged by the second try") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply first = client.Write("k", "v");
  REQUIRE(first.status == NodeStatus::kStored);
  // The node does the work; its answer is lost whole.
  ProxyFaults faults;
  faults.cut_after = 0;
  proxy.Set(faults);
  client.node->StartWrite("k", "w", seconds(100), first.token, Now() + seconds(5));
  const TimePoint end = Now() + seconds(10);
  while ((server.Get("k") != "w" || proxy.round_trips() < 2) && Now() < end) usleep(1000);
  proxy.Heal();
  NodeReply reply = client.node->FinishWrite();
  if (reply.status == NodeStatus::kContested) reply = ContestedReply(client.Read("k"), "w");
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kStored);
  CHECK(server.Get("k") == "w");
  CHECK(reply.token == client.Read("k").token);
}

TEST_CASE("sending to a node that does not read is bounded, too") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kShort);
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  ProxyFaults faults;
  faults.deaf = true;
  proxy.Set(faults);
  client.health.item_size_max.store(1 << 30);  // so that it is not asked
  const TimePoint start = Now();
  CHECK(client.Write("k", std::string(50'000'000, 'v')).status == NodeStatus::kError);
  CHECK(Now() - start < kBound);
}

TEST_CASE("a node that keeps silent about its settings is bounded, too") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()), kShort);
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  ProxyFaults faults;
  faults.black_hole = true;
  proxy.Set(faults);
  const TimePoint start = Now();
  CHECK(client.Write("k", std::string(100'000, 'v')).status == NodeStatus::kError);
  CHECK(Now() - start < kBound);
  CHECK(client.counters.node_connects.Get() == 2);  // its answer may still come: not on the same connection
}

}  // namespace
}  // namespace clustered_session
