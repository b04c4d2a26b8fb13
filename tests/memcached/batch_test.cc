// Batches: many items in one operation, the same for both engines and for all that stands before a node. Mirrors
// src/cluster/node.h.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_peers.h"

namespace clustered_session {
namespace {

using Kind = BatchPart::Kind;

NodeReply Run(TestNode* client, const std::vector<BatchPart>& parts) {
  client->node->StartBatch(parts, Now() + seconds(5));
  return client->node->FinishBatch();
}

TEST_CASE("whatever the node, a batch looks, reads and stores, each part by its own condition") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply first = client->Write("k1", "one");
  REQUIRE(first.status == NodeStatus::kStored);
  REQUIRE(peer.server.Set("k2", "theirs"));
  const std::string large(kBatchValueMax, 'v');
  const NodeReply all = Run(client.get(), {{Kind::kLook, "k1", {}, {}, {}},
                                           {Kind::kRead, "k1", {}, {}, {}},
                                           {Kind::kLook, "none", {}, {}, {}},
                                           {Kind::kStore, "k1", "two", seconds(100), first.token},
                                           {Kind::kStore, "k2", "mine", seconds(100), {}},
                                           {Kind::kStore, "k3", large, seconds(100), {}},
                                           {Kind::kStore, "k4", "four", seconds(100), first.token},
                                           {Kind::kRead, "k3", {}, {}, {}}});
  INFO(all.error);
  REQUIRE(all.status == NodeStatus::kHit);
  REQUIRE(all.batch.size() == 8);
  CHECK(all.batch[0].status == NodeStatus::kHit);
  CHECK(all.batch[0].token == first.token);
  CHECK(all.batch[1].status == NodeStatus::kHit);
  CHECK(all.batch[1].value == "one");
  CHECK(all.batch[2].status == NodeStatus::kMiss);
  CHECK(all.batch[3].status == NodeStatus::kStored);
  CHECK((all.batch[4].status == NodeStatus::kConflict || all.batch[4].status == NodeStatus::kContested));
  CHECK(all.batch[5].status == NodeStatus::kStored);
  CHECK(all.batch[6].status == NodeStatus::kConflict);
  CHECK(all.batch[7].value == large);
  CHECK(peer.server.Get("k1") == "two");
  CHECK(peer.server.Get("k2") == "theirs");
  CHECK(peer.server.Get("k4").empty());
  // The tokens are those that single operations know.
  CHECK(client->Write("k1", "three", all.batch[3].token).status == NodeStatus::kStored);
  CHECK(client->Write("k3", "three", all.batch[5].token).status == NodeStatus::kStored);
}

TEST_CASE("whatever the node, the largest batch is answered whole, also as the first operation of a connection") {
  EachPeer peer;
  const auto client = peer.NewNode();
  std::vector<std::string> keys;
  for (size_t i = 0; i < kBatchPartsMax; ++i) keys.push_back("key" + std::to_string(i));
  std::vector<BatchPart> parts;
  const std::string value(4096, 'v');
  for (const std::string& key : keys) parts.push_back({Kind::kStore, key, value, seconds(100), {}});
  const NodeReply stored = Run(client.get(), parts);
  REQUIRE(stored.batch.size() == kBatchPartsMax);
  for (const NodeReply& reply : stored.batch) CHECK(reply.status == NodeStatus::kStored);
  for (BatchPart& part : parts) part = {Kind::kRead, part.key, {}, {}, {}};
  const NodeReply read = Run(client.get(), parts);
  REQUIRE(read.batch.size() == kBatchPartsMax);
  for (size_t i = 0; i < kBatchPartsMax; ++i) {
    CHECK(read.batch[i].value == value);
    CHECK(read.batch[i].token == stored.batch[i].token);
  }
}

TEST_CASE("a batch of too many parts, or with a key that is none, is sent to no node") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const std::vector<BatchPart> many(kBatchPartsMax + 1, BatchPart{Kind::kLook, "k", {}, {}, {}});
  CHECK(Run(&client, many).failure == NodeFailure::kLocal);
  CHECK(Run(&client, {{Kind::kLook, "good", {}, {}, {}}, {Kind::kLook, "not good", {}, {}, {}}}).failure ==
        NodeFailure::kLocal);
  CHECK(Run(&client, {}).failure == NodeFailure::kLocal);
}

TEST_CASE("a node that does not answer costs a batch its time, and no more") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()), {milliseconds(100), milliseconds(200)});
  REQUIRE(Run(&client, {{Kind::kLook, "k", {}, {}, {}}}).status == NodeStatus::kHit);
  server.Stop();
  const TimePoint before = Now();
  const NodeReply reply = Run(&client, {{Kind::kLook, "k", {}, {}, {}}, {Kind::kStore, "k", "v", seconds(9), {}}});
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.failure == NodeFailure::kTimeout);
  CHECK(Now() - before < seconds(3));
  server.Continue();
}

TEST_CASE("what is put behind an item is there for the next question, and makes no item where there is none") {
  EachPeer peer;
  const auto client = peer.NewNode();
  REQUIRE(client->Write("k", "one").status == NodeStatus::kStored);
  client->node->Extend("k", " two");
  client->node->Extend("none", "two");
  client->node->Extend("k", " three");
  const std::string expected = peer.kind.engine == Engine::kMeta ? "one two three" : "one";
  const NodeReply reply = client->Read("k");
  CHECK(reply.status == NodeStatus::kHit);
  CHECK(reply.value == expected);
  CHECK(client->Read("none").status == NodeStatus::kMiss);
  CHECK(client->Write("k", "four", reply.token).status == NodeStatus::kStored);
}

}  // namespace
}  // namespace clustered_session
