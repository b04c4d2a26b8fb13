// Answers that no buffer of the kernel holds. Mirrors src/memcached/meta_connection.h.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kShort = {milliseconds(200), milliseconds(300)};
constexpr Duration kBound = seconds(5);
constexpr size_t kSize = 6'000'000;

MemcachedProcess::Options LargeItems() {
  MemcachedProcess::Options options;
  options.arguments = {"-I", "8m", "-m", "64"};
  return options;
}

TEST_CASE("a large answer whose end comes byte by byte is waited for until the deadline and no longer") {
  MemcachedProcess server(LargeItems());
  REQUIRE(server.Set("k", std::string(kSize, 'v')));
  TempDir folder;
  const bool over_unix = GENERATE(false, true);
  const std::string path = over_unix ? folder.path() + "/proxy" : "";
  FaultProxy proxy(server.port(), path);
  TestNode client(over_unix ? UnixAddress(path) : TcpAddress(proxy.port()), kShort);
  REQUIRE(client.Read("x", seconds(5)).status == NodeStatus::kMiss);
  ProxyFaults drip;
  drip.drip = milliseconds(20);
  drip.drip_from = kSize - 1'000;  // 20 seconds for the rest
  proxy.Set(drip);
  const TimePoint start = Now();
  const NodeReply reply = client.Read("k");
  CHECK(Now() - start < kBound);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.find("no complete answer after ") != std::string::npos);
  proxy.Heal();
  CHECK(client.Read("x", seconds(5)).status == NodeStatus::kMiss);  // on another connection
  CHECK(proxy.connections() == 2);
}

TEST_CASE("large answers come whole, one after the other on one connection") {
  TempDir folder;
  MemcachedProcess::Options options = LargeItems();
  if (GENERATE(false, true)) options.unix_path = folder.path() + "/memcached";
  MemcachedProcess server(options);
  TestNode client(options.unix_path.empty() ? TcpAddress(server.port()) : UnixAddress(options.unix_path));
  NodeToken token;
  for (const size_t size : {kSize, size_t{10}, size_t{3'000'000}, kSize}) {
    INFO(size);
    std::string value(size, 'v');
    value += "\r\nEND\r\nVALUE k 0 1 1\r\n";
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    const NodeReply hit = client.Read("k");
    REQUIRE(hit.status == NodeStatus::kHit);
    CHECK((hit.value == value));
    CHECK(hit.token == stored.token);
    CHECK(client.Read("x").status == NodeStatus::kMiss);
    token = hit.token;
  }
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("a large answer that ends early, or in something else, is an error") {
  const std::string value(kSize, 'v');
  const std::string numbered = "VA 6000000 c7 O#\r\n" + value;
  const std::vector<std::string> answers = {
      numbered + "v\r\n",
      numbered + "\r\nVA 1 c7 O#\r\nv\r\n",
      numbered + "\r\nSERVER_ERROR out of memory\r\n",
  };
  for (size_t i = 0; i < answers.size(); ++i) {
    INFO("case " << i);
    MemcachedProcess server;
    FaultProxy proxy(server.port());
    TestNode client(TcpAddress(proxy.port()));
    REQUIRE(client.Read("x").status == NodeStatus::kMiss);
    ProxyFaults faults;
    faults.answer_instead = answers[i];
    proxy.Set(faults);
    const NodeReply reply = client.Read("k");
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.find("answered something else") != std::string::npos);
    proxy.Heal();
    CHECK(client.Read("x").status == NodeStatus::kMiss);
  }
}

TEST_CASE("a process without a descriptor left reads a large answer, and goes on with its connection") {
  MemcachedProcess server(LargeItems());
  REQUIRE(server.Set("k", std::string(kSize, 'v')));
  FaultProxy proxy(server.port());
  ChildProcess child([&] {
    TestNode client(TcpAddress(proxy.port()));
    if (client.Read("x").status != NodeStatus::kMiss) return 1;
    const int free_one = dup(0);
    close(free_one);
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = static_cast<rlim_t>(free_one);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || dup(0) >= 0) return 3;
    const NodeReply hit = client.Read("k");
    limit.rlim_cur = before;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 4;
    if (hit.status != NodeStatus::kHit || hit.value.size() != kSize) return 5;
    if (client.Read("x").status != NodeStatus::kMiss) return 6;
    return client.counters.node_connects.Get() == 1 && client.counters.node_errors.Get() == 0 ? 0 : 7;
  });
  CHECK(child.Wait().code == 0);
}

}  // namespace
}  // namespace clustered_session
