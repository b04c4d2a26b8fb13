// MetaNode: what is asked on which connection, with a real memcached behind a proxy. Mirrors src/memcached/meta_node.h.
#include "src/memcached/meta_node.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

TEST_CASE("a lock is claimed in the flight of a read, seen by others, and released by its holder alone") {
  MemcachedProcess server;
  REQUIRE(server.Set("k", "v"));
  FaultProxy proxy(server.port());
  TestNode one(TcpAddress(proxy.port()));
  TestNode other(TcpAddress(proxy.port()));
  for (int round = 0; round < 3; ++round) {  // the first on fresh connections
    const size_t trips = proxy.round_trips();
    const NodeReply mine = one.Claim("one");
    CHECK(proxy.round_trips() == trips + 1);
    REQUIRE(mine.status == NodeStatus::kHit);
    CHECK(mine.value == "v");
    CHECK(mine.lock_owner == "one");
    REQUIRE(mine.lock_token.known());
    const NodeReply theirs = other.Claim("other");
    CHECK(theirs.value == "v");
    CHECK(theirs.lock_owner == "one");
    CHECK(one.Claim("one").lock_owner == "one");  // asked again: still whose it was
    // With a token that is not the lock's, nothing is released.
    other.node->Release("k:lock", {mine.lock_token.cas + 1000, mine.lock_token.incarnation}, Now() + seconds(5));
    CHECK(other.Read("k").status == NodeStatus::kHit);
    CHECK(server.Get("k:lock") == "one");
    one.node->Release("k:lock", mine.lock_token, Now() + seconds(5));
    CHECK(one.Read("k").status == NodeStatus::kHit);  // behind the release on the same connection
    CHECK(server.Get("k:lock").empty());
  }
  CHECK(one.counters.node_connects.Get() == 1);
}

TEST_CASE("what a write did not replace is shown by one more question, and a write costs one when nobody else writes") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  REQUIRE(client.Read("k").status == NodeStatus::kMiss);
  const std::string large(50'000, 'l');
  size_t trips = proxy.round_trips();
  const NodeReply first = client.Write("k", large);
  REQUIRE(first.status == NodeStatus::kStored);
  const NodeReply second = client.Write("k", large, first.token);
  REQUIRE(second.status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == trips + 2);
  client.node->StartWrite("k", "mine", seconds(100), first.token, Now() + seconds(10));
  CHECK(client.node->FinishWrite().status == NodeStatus::kContested);
  client.node->StartWrite("k", "mine", seconds(100), {}, Now() + seconds(10));
  CHECK(client.node->FinishWrite().status == NodeStatus::kContested);
  CHECK(client.Read("k").token == second.token);
}

TEST_CASE("a read for the mark alone tells whose bytes an item has and leaves them out, also beside a claim") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  constexpr uint32_t kMark = 0xfedcba98;
  client.node->StartWrite("k", "v", seconds(100), {}, Now() + seconds(10), kMark);
  const NodeReply stored = client.node->FinishWrite();
  REQUIRE(stored.status == NodeStatus::kStored);
  const std::string owner = "one";
  const LockClaim claim{"k:lock", owner, seconds(10)};
  for (const LockClaim* with : {static_cast<const LockClaim*>(nullptr), &claim}) {
    client.node->StartRead("k", Now() + seconds(10), with, Show::kMark);
    const NodeReply reply = client.node->FinishRead();
    CHECK(reply.status == NodeStatus::kHit);
    CHECK(reply.value_left_out);
    CHECK(reply.value.empty());
    CHECK(reply.mark == kMark);
    CHECK(reply.token == stored.token);
    CHECK(reply.lock_owner == (with != nullptr ? owner : ""));
  }
  client.node->StartRead("none", Now() + seconds(10), nullptr, Show::kMark);
  const NodeReply miss = client.node->FinishRead();
  CHECK(miss.status == NodeStatus::kMiss);
  CHECK_FALSE(miss.value_left_out);
  CHECK(client.Read("k").value == "v");
  // Stored by another program.
  REQUIRE(server.Set("k", "theirs"));
  client.node->StartRead("k", Now() + seconds(10), nullptr, Show::kMark);
  CHECK(client.node->FinishRead().mark != kMark);
}

TEST_CASE("a classic node shows the value to a read for the mark alone") {
  MemcachedProcess server;
  TestNode client(Engine::kClassic, TcpAddress(server.port()));
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  client.node->StartRead("k", Now() + seconds(10), nullptr, Show::kMark);
  const NodeReply reply = client.node->FinishRead();
  CHECK(reply.value == "v");
  CHECK_FALSE(reply.value_left_out);
}

}  // namespace
}  // namespace clustered_session
