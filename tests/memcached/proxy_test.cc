// Nodes behind twemproxy (Debian's nutcracker): what docs/operations.md says of proxies. Mirrors
// src/memcached/memcached_node.h.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/memcached_process.h"
#include "tests/support/nutcracker_process.h"

namespace clustered_session {
namespace {

bool Installed() {
  if (!NutcrackerProcess::Installed()) WARN("not checked: nutcracker is not installed");
  return NutcrackerProcess::Installed();
}

TEST_CASE("a node behind a proxy of its own is a node: reads, conditional writes, conflicts and large values") {
  if (!Installed()) return;
  MemcachedProcess server;
  NutcrackerProcess proxy({server.port()});
  TestNode client(TcpAddress(proxy.port()));
  TestNode other(TcpAddress(proxy.port()));
  CHECK(client.Read("k").status == NodeStatus::kMiss);
  NodeToken token;
  for (const std::string& value :
       {std::string("one"), std::string("two\r\n\0END\r\n", 11), std::string(500'000, 'v'), std::string("three")}) {
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK((server.Get("k") == value));
    CHECK((other.Read("k").value == value));
    token = stored.token;
  }
  const NodeReply theirs = other.Write("k", "theirs", token);
  REQUIRE(theirs.status == NodeStatus::kStored);
  const NodeReply conflict = client.Write("k", "mine", token);
  CHECK(conflict.status == NodeStatus::kConflict);
  CHECK(conflict.value == "theirs");
  CHECK(conflict.token == theirs.token);
  CHECK(client.Write("k", "new").status == NodeStatus::kConflict);
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("behind a proxy a value that is too large is refused, and the old one stays") {
  if (!Installed()) return;
  MemcachedProcess server;
  NutcrackerProcess proxy({server.port()});
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply old = client.Write("k", "old");
  REQUIRE(old.status == NodeStatus::kStored);
  // The proxy closes at "stats settings": the limit stays unknown.
  const NodeReply reply = client.Write("k", std::string(1'200'000, 'v'), old.token);
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kRefused);
  CHECK(reply.value == "old");
  CHECK(server.Get("k") == "old");
}

TEST_CASE("behind a proxy of its own a node's restart is noticed, and no old token replaces anything") {
  if (!Installed()) return;
  MemcachedProcess server;
  NutcrackerProcess proxy({server.port()}, {"server_retry_timeout: 1"});
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply before = client.Write("k", "mine");
  REQUIRE(before.status == NodeStatus::kStored);
  server.Restart();
  // The proxy has to find out, which costs an error; its connection to us stays. Then another server's write comes.
  (void)client.Read("x");
  REQUIRE(server.Set("k", "theirs"));
  NodeReply reply;
  const TimePoint end = Now() + seconds(20);
  do {
    reply = client.Write("k", "mine again", before.token);
  } while (reply.status == NodeStatus::kError && Now() < end);
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "theirs");
  CHECK(server.Get("k") == "theirs");
}

TEST_CASE("behind a proxy what one worker knows of a node's restart keeps the others from sending old tokens") {
  if (!Installed()) return;
  MemcachedProcess server;
  NutcrackerProcess proxy({server.port()}, {"server_retry_timeout: 1"});
  NodeHealth health{};
  TestNode one(TcpAddress(proxy.port()), {seconds(5), seconds(5)}, &health);
  TestNode other(TcpAddress(proxy.port()), {seconds(5), seconds(5)}, &health);
  const NodeReply before = other.Write("k", "mine");
  REQUIRE(before.status == NodeStatus::kStored);
  server.Restart();
  const TimePoint end = Now() + seconds(20);
  while (one.Read("k").status == NodeStatus::kError && Now() < end) {
  }
  const NodeReply theirs = one.Write("k", "theirs");
  REQUIRE(theirs.status == NodeStatus::kStored);
  // The same number as before: this is what makes it dangerous. The proxy has closed no connection of the other one's.
  const NodeReply reply = other.Write("k", "mine again", {theirs.token.cas, before.token.incarnation});
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "theirs");
  CHECK(other.counters.node_errors.Get() == 0);
}

TEST_CASE("a proxy whose node is gone, or hangs, is an error that says what the proxy says") {
  if (!Installed()) return;
  MemcachedProcess server;
  NutcrackerProcess proxy({server.port()});
  TestNode client(TcpAddress(proxy.port()));
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  SECTION("gone") {
    server.Kill();
    (void)client.Read("k");  // the proxy's connection was open
    const NodeReply reply = client.Read("k");
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.find("answered: SERVER_ERROR") != std::string::npos);
    CHECK(client.Write("k", "v").status == NodeStatus::kError);
  }
  SECTION("hangs") {
    server.Stop();
    const NodeReply reply = client.Read("k", milliseconds(200));
    CHECK(reply.status == NodeStatus::kError);
    CHECK(reply.error.find("no answer") != std::string::npos);
    server.Continue();
  }
}

// Works as long as no node behind it restarts. Where the sentinel is on another one than the session, a restart is not
// noticed: that is why docs/operations.md says one pool for each node.
TEST_CASE("a proxy that spreads keys over nodes answers right, but its tokens outlive a node") {
  if (!Installed()) return;
  MemcachedProcess one;
  MemcachedProcess two;
  NutcrackerProcess proxy({one.port(), two.port()}, {"server_retry_timeout: 1"});
  TestNode client(TcpAddress(proxy.port()));
  std::vector<NodeReply> stored;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    stored.push_back(client.Write(key, key));
    INFO(stored.back().error);
    REQUIRE(stored.back().status == NodeStatus::kStored);
    CHECK(client.Read(key).value == key);
  }
  CHECK(client.counters.node_connects.Get() == 2);  // the proxy closes the first when asked for meta commands
  const bool sentinel_on_one = !one.Get("cs:node-incarnation").empty();
  MemcachedProcess& restarted = sentinel_on_one ? two : one;
  int lost = -1;
  for (int i = 0; i < 40 && lost < 0; ++i) {
    if (!restarted.Get("k" + std::to_string(i)).empty()) lost = i;
  }
  REQUIRE(lost >= 0);
  restarted.Restart();
  NodeReply reply;
  const TimePoint end = Now() + seconds(20);
  do {
    reply = client.Read("k" + std::to_string(lost));
  } while (reply.status == NodeStatus::kError && Now() < end);
  CHECK(reply.status == NodeStatus::kMiss);
  const NodeReply other = client.Write("other" + std::to_string(lost), "v");
  CHECK(other.token.incarnation == stored.front().token.incarnation);
}

}  // namespace
}  // namespace clustered_session
