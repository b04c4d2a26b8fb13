// What reads, writes and lock claims come to, the same for both engines and for all that stands before a node. Mirrors
// src/cluster/node.h.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "src/cluster/sentinel.h"
#include "tests/memcached/node_peers.h"

namespace clustered_session {
namespace {

TEST_CASE("whatever the node, an item is missed, stored, read, and replaced by who knows its token") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const auto other = peer.NewNode();
  CHECK(client->Read("k").status == NodeStatus::kMiss);
  std::string all_bytes;
  for (int i = 0; i < 512; ++i) all_bytes += static_cast<char>(i);
  NodeToken token;
  for (const std::string& value : {std::string("one"), std::string(), std::string("\r\nEND\r\nVALUE k 0 1 1\r\n"),
                                   all_bytes, std::string(8192, 'v'), std::string(500'000, 'v'), std::string("last")}) {
    INFO(value.size() << " bytes");
    const NodeReply stored = client->Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    CHECK((peer.server.Get("k") == value));
    const NodeReply hit = other->Read("k");
    REQUIRE(hit.status == NodeStatus::kHit);
    CHECK((hit.value == value));
    CHECK(hit.token == stored.token);
    CHECK(hit.token.known());
    CHECK(hit.token.incarnation != 0);
    CHECK(hit.token.cas != token.cas);
    token = hit.token;
  }
  CHECK(client->counters.node_errors.Get() == 0);
  CHECK(other->counters.node_connects.Get() == 1);
  if (peer.kind.engine == Engine::kClassic) {
    CHECK(peer.proxy.requests().find("mg ") == std::string::npos);
    CHECK(peer.proxy.requests().find("mn\r\n") == std::string::npos);
  }
}

TEST_CASE("whatever the node, its sentinel is read like any item, and tells since when its memory holds anything") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const SystemClock clock;
  const int64_t before = clock.UnixSeconds();
  REQUIRE(client->Write("k", "one").status == NodeStatus::kStored);
  const NodeReply first = client->Read(std::string(kSentinelKey));
  REQUIRE(first.status == NodeStatus::kHit);
  const std::optional<int64_t> added = SentinelTime(first.value);
  REQUIRE(added);
  CHECK(*added >= before);
  CHECK(*added <= clock.UnixSeconds());
  CHECK(peer.NewNode()->Read(std::string(kSentinelKey)).value == first.value);
}

TEST_CASE("whatever the node, a write never replaces what it does not know, and tells what is there") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply first = client->Write("k", "first");
  REQUIRE(first.status == NodeStatus::kStored);
  REQUIRE(peer.server.Set("k", "theirs"));
  const NodeReply without = client->Write("k", "mine");
  CHECK(without.status == NodeStatus::kConflict);
  CHECK(without.value == "theirs");
  const NodeReply conflict = client->Write("k", "mine", first.token);
  REQUIRE(conflict.status == NodeStatus::kConflict);
  CHECK(conflict.value == "theirs");
  CHECK(peer.server.Get("k") == "theirs");
  CHECK(client->Write("k", "merged", conflict.token).status == NodeStatus::kStored);
  CHECK(client->Write("k", "merged").status == NodeStatus::kStored);  // the very same bytes: an acknowledgement
  CHECK(peer.server.Get("k") == "merged");
}

TEST_CASE("whatever the node, a write with the token of an item that is gone stores nothing and says so") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply stored = client->Write("k", "v");
  REQUIRE(stored.status == NodeStatus::kStored);
  REQUIRE(peer.server.Delete("k"));
  const NodeReply reply = client->Write("k", "w", stored.token);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value.empty());
  CHECK_FALSE(reply.token.known());
  CHECK(peer.server.Get("k").empty());
  CHECK(client->Write("k", "w", reply.token).status == NodeStatus::kStored);
}

TEST_CASE(
    "whatever the node, a token holds for every client of the node process that gave it, and for no other process") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const auto other = peer.NewNode();
  const NodeReply first = client->Write("k", "v");
  REQUIRE(first.status == NodeStatus::kStored);
  const NodeReply second = other->Write("k", "mine", first.token);
  REQUIRE(second.status == NodeStatus::kStored);
  CHECK(client->health.incarnation.load() == second.token.incarnation);

  peer.server.Restart();
  CHECK(UntilNoError([&] { return client->Read("k"); }).status == NodeStatus::kMiss);
  const auto third = peer.NewNode();
  const NodeReply theirs = UntilNoError([&] { return third->Write("k", "theirs"); });
  REQUIRE(theirs.status == NodeStatus::kStored);
  CHECK(theirs.token.incarnation != second.token.incarnation);
  NodeToken stale = second.token;
  stale.cas = theirs.token.cas;  // as it happens: each process counts from the same number
  // A proxy's connection to us outlives the node: there it is the first answer that tells.
  if (peer.kind.proxied) (void)UntilNoError([&] { return other->Read("x"); });
  const NodeReply reply = UntilNoError([&] { return other->Write("k", "mine again", stale); });
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "theirs");
  CHECK(peer.server.Get("k") == "theirs");
}

TEST_CASE("whatever the node, a lock is claimed with a read, and released by its holder alone") {
  EachPeer peer;
  REQUIRE(peer.server.Set("k", "v"));
  const auto one = peer.NewNode();
  const auto other = peer.NewNode();
  for (int round = 0; round < 3; ++round) {  // the first on fresh connections
    const NodeReply mine = one->Claim("one");
    INFO(mine.error);
    REQUIRE(mine.status == NodeStatus::kHit);
    CHECK(mine.value == "v");
    CHECK(mine.lock_owner == "one");
    REQUIRE(mine.lock_token.known());
    const NodeReply theirs = other->Claim("other");
    CHECK(theirs.value == "v");
    CHECK(theirs.lock_owner == "one");
    CHECK(theirs.lock_token == mine.lock_token);

    // With another number, another item, or a number that another process gave, nothing is released.
    other->node->Release("k:lock", {mine.lock_token.cas + 1000, mine.lock_token.incarnation}, Now() + seconds(5));
    other->node->Release("k:gone", mine.lock_token, Now() + seconds(5));
    other->node->Release("k:lock", {mine.lock_token.cas, mine.lock_token.incarnation + 1}, Now() + seconds(5));
    CHECK(other->Read("k").value == "v");  // behind the releases on the same connection
    CHECK(peer.server.Get("k:lock") == "one");
    one->node->Release("k:lock", mine.lock_token, Now() + seconds(5));
    CHECK(one->Read("k").status == NodeStatus::kHit);
    CHECK(peer.server.Get("k:lock").empty());
  }
  const NodeReply free = other->Claim("other");
  CHECK(free.lock_owner == "other");
  CHECK(other->counters.node_connects.Get() == 1);
}

TEST_CASE("whatever the node, a value that is too large is refused, and the old value stays") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply old = client->Write("k", "old");
  REQUIRE(old.status == NodeStatus::kStored);
  for (int round = 0; round < 2; ++round) {
    const NodeReply reply = client->Write("k", std::string(1'200'000, 'v'), old.token);
    INFO(reply.error);
    // nutcracker closes at "stats settings", so that the limit stays unknown behind it.
    CHECK(reply.status == (peer.kind.proxied ? NodeStatus::kRefused : NodeStatus::kTooLarge));
    if (!peer.kind.proxied) CHECK(reply.size_max == 1 << 20);
    if (peer.kind.proxied) CHECK(reply.token == old.token);
    CHECK(peer.server.Get("k") == "old");
    CHECK(client->Write("new", std::string(1'200'000, 'v')).status == reply.status);
    CHECK(peer.server.Get("new").empty());
  }
  CHECK(client->Write("k", std::string(1'000'000, 'v'), old.token).status == NodeStatus::kStored);
}

TEST_CASE("whatever the node, without memory it refuses, and the old value stays") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  INFO(kind.name);
  Peer peer(kind, {"-M", "-m", "2"});
  const auto client = peer.NewNode();
  const NodeReply old = client->Write("old", "value");
  REQUIRE(old.status == NodeStatus::kStored);
  const std::string value(30'000, 'v');
  NodeReply reply = old;
  for (int i = 0; i < 500 && reply.status == NodeStatus::kStored; ++i) {
    reply = client->Write("k" + std::to_string(i), value);
  }
  CHECK(reply.status == NodeStatus::kRefused);
  CHECK(reply.value.empty());
  const NodeReply kept = client->Write("old", value, old.token);
  CHECK(kept.status == NodeStatus::kRefused);
  CHECK(kept.token == old.token);
  CHECK(peer.server.Get("old") == "value");
  CHECK(client->counters.node_errors.Get() == 0);
}

TEST_CASE("whatever the node, keys that memcached does not take are refused before anything is sent") {
  EachPeer peer;
  const auto client = peer.NewNode();
  for (const std::string& key :
       {std::string(), std::string(251, 'k'), std::string("a b"), std::string("a\r\nb"), std::string("a\0b", 3)}) {
    INFO(key);
    CHECK(client->Read(key).status == NodeStatus::kError);
    CHECK(client->Write(key, "v").status == NodeStatus::kError);
  }
  CHECK(peer.proxy.connections() == 0);
  CHECK(client->Write(std::string(250, 'k'), "v").status == NodeStatus::kStored);
  CHECK(client->Read(std::string(250, 'k')).value == "v");
}

TEST_CASE("whatever the node, an item lives as long as was asked, also beyond memcached's 30 days") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  if (kind.sasl()) return;  // the time that is left is asked for in the text protocol
  INFO(kind.name);
  Peer peer(kind);
  const auto client = peer.NewNode();
  const int64_t day = 24 * 3600;
  for (const int64_t ttl : {int64_t{100}, 30 * day, 30 * day + 1, 400 * day}) {
    INFO(ttl);
    const std::string key = "k" + std::to_string(ttl);
    REQUIRE(client->Write(key, "v", {}, seconds(10), seconds(ttl)).status == NodeStatus::kStored);
    const std::string answer = peer.server.Ask("mg " + key + " t\r\n", "\r\n");
    REQUIRE(answer.substr(0, 4) == "HD t");
    const int64_t left = std::stoll(answer.substr(4));
    CHECK(left <= ttl + 1);
    CHECK(left >= ttl - 20);
  }
}

}  // namespace
}  // namespace clustered_session
