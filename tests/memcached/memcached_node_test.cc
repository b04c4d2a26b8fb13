// The node client against real memcached: what is stored and read, tokens, incarnations. Mirrors
// src/memcached/memcached_node.h.
#include "src/memcached/memcached_node.h"

#include <catch2/catch.hpp>
#include <ctime>
#include <string>
#include <vector>

#include "src/memcached/classic_connection.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"
#include "tests/support/temp_dir.h"

namespace clustered_session {
namespace {

TEST_CASE("an item is missed, stored, read, and replaced by who knows its token") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  CHECK(client.Read("k").status == NodeStatus::kMiss);

  const NodeReply stored = client.Write("k", "one");
  REQUIRE(stored.status == NodeStatus::kStored);
  const NodeReply hit = client.Read("k");
  REQUIRE(hit.status == NodeStatus::kHit);
  CHECK(hit.value == "one");
  CHECK(hit.token == stored.token);
  CHECK(hit.token.known());
  CHECK(hit.token.incarnation != 0);

  const NodeReply replaced = client.Write("k", "two", hit.token);
  REQUIRE(replaced.status == NodeStatus::kStored);
  CHECK(replaced.token.cas != hit.token.cas);
  CHECK(server.Get("k") == "two");
  CHECK(client.counters.node_connects.Get() == 1);
  CHECK(client.counters.node_errors.Get() == 0);
}

TEST_CASE("a write never replaces what it does not know, and tells what is there") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const NodeReply first = client.Write("k", "first");
  REQUIRE(first.status == NodeStatus::kStored);
  REQUIRE(server.Set("k", "theirs"));

  SECTION("with the token of before") {}
  SECTION("with no token") { CHECK(client.Write("k", "mine").status == NodeStatus::kConflict); }
  const NodeReply conflict = client.Write("k", "mine", first.token);
  REQUIRE(conflict.status == NodeStatus::kConflict);
  CHECK(conflict.value == "theirs");
  CHECK(server.Get("k") == "theirs");
  CHECK(client.Write("k", "merged", conflict.token).status == NodeStatus::kStored);
  CHECK(server.Get("k") == "merged");
}

TEST_CASE("a write with the token of an item that is gone stores nothing and says so") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const NodeReply stored = client.Write("k", "v");
  REQUIRE(server.Delete("k"));
  const NodeReply reply = client.Write("k", "w", stored.token);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value.empty());
  CHECK_FALSE(reply.token.known());
  CHECK(server.Get("k").empty());
  CHECK(client.Write("k", "w", reply.token).status == NodeStatus::kStored);
}

TEST_CASE("a node tells its figures on a connection that is open, and on no other", "[room]") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const auto stats = [&] {
    client.node->StartStats(Now() + seconds(5));
    return client.node->FinishStats();
  };
  CHECK(stats().status == NodeStatus::kSkipped);
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  const NodeReply reply = stats();
  REQUIRE(reply.status == NodeStatus::kHit);
  CHECK(reply.value.starts_with("STAT "));
  CHECK(reply.value.find("\r\nSTAT evictions 0\r\n") != std::string::npos);
  CHECK(reply.value.ends_with("\r\n"));
  CHECK(client.Read("k").value == "v");
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("writing the same bytes again is an acknowledgement") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  REQUIRE(client.Write("k", "v").status == NodeStatus::kStored);
  CHECK(client.Write("k", "v").status == NodeStatus::kStored);
}

TEST_CASE("any bytes of any size come back as they were, over TCP, IPv6 and a unix socket") {
  TempDir folder;
  MemcachedProcess::Options options;
  options.arguments = {"-I", "8m", "-m", "256"};
  NodeAddress address;
  SECTION("TCP") {}
  SECTION("IPv6") { options.v6 = true; }
  SECTION("unix") { options.unix_path = folder.path() + "/memcached"; }
  MemcachedProcess server(options);
  address = options.v6 ? TcpAddress(server.port(), "::1") : TcpAddress(server.port());
  if (!options.unix_path.empty()) address = UnixAddress(options.unix_path);
  TestNode client(address);

  std::string all_bytes;
  for (int i = 0; i < 512; ++i) all_bytes += static_cast<char>(i);
  std::vector<std::string> values = {"",        std::string(1, '\0'),           "\r\n",
                                     "END\r\n", "\r\nEND\r\nVALUE k 0 1 1\r\n", all_bytes};
  for (size_t size : {8191u, 8192u, 16383u, 16384u, 65536u, 200'000u, 1'000'000u, 5'000'000u}) {
    std::string value;
    while (value.size() < size) value += all_bytes;
    value.resize(size);
    values.push_back(std::move(value));
  }
  NodeToken token;
  for (const std::string& value : values) {
    INFO(value.size() << " bytes");
    const NodeReply stored = client.Write("k", value, token);
    INFO(stored.error);
    REQUIRE(stored.status == NodeStatus::kStored);
    token = stored.token;
    const NodeReply hit = client.Read("k");
    REQUIRE(hit.status == NodeStatus::kHit);
    CHECK((hit.value == value));
    CHECK(hit.token == token);
  }
  CHECK(client.counters.node_connects.Get() == 1);
}

TEST_CASE("keys that memcached takes are used, others are refused before anything is sent") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  const std::vector<std::string> bad = {"",     std::string(251, 'k'),  "a b",  "a\r\nb",
                                        "a\tb", std::string("a\0b", 3), "a\x7f"};
  for (const std::string& key : bad) {
    INFO(key);
    CHECK(client.Read(key).status == NodeStatus::kError);
    CHECK(client.Write(key, "v").status == NodeStatus::kError);
  }
  CHECK(proxy.connections() == 0);
  for (const std::string& key : {std::string(250, 'k'), std::string("\xc3\xa4!~"), std::string("k")}) {
    INFO(key);
    CHECK(client.Write(key, "v").status == NodeStatus::kStored);
    CHECK(client.Read(key).status == NodeStatus::kHit);
  }
}

TEST_CASE("an item lives as long as was asked, also beyond memcached's 30 days") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const auto day = seconds(24 * 3600);
  struct Case {
    seconds ttl;
    int64_t expected_s;
  };
  const int64_t end_of_time = 2147483647 - std::time(nullptr);
  const std::vector<Case> cases = {{seconds(100), 100},
                                   {day * 30, 30 * 86400},
                                   {day * 30 + seconds(1), 30 * 86400 + 1},
                                   {day * 400, 400 * 86400},
                                   {day * 365 * 100, end_of_time},
                                   {seconds::max(), end_of_time},
                                   {seconds(0), 1},
                                   {seconds(-5), 1}};
  for (size_t i = 0; i < cases.size(); ++i) {
    INFO("case " << i);
    const std::string key = "k" + std::to_string(i);
    const NodeReply reply = client.Write(key, "v", {}, seconds(10), cases[i].ttl);
    if (cases[i].expected_s <= 1) continue;  // may be gone already; checked below
    REQUIRE(reply.status == NodeStatus::kStored);
    const std::string answer = server.Ask("mg " + key + " t\r\n", "\r\n");
    REQUIRE(answer.substr(0, 4) == "HD t");
    const int64_t left = std::stoll(answer.substr(4));
    CHECK(left <= cases[i].expected_s + 1);
    CHECK(left >= cases[i].expected_s - 10);
  }
  // Never for ever, which is what memcached takes 0 for.
  CHECK(server.Ask("mg k6 t\r\n", "\r\n").find("t-1") == std::string::npos);
}

TEST_CASE("a token holds for every client of the node process that gave it") {
  MemcachedProcess server;
  TestNode one(TcpAddress(server.port()));
  TestNode other(TcpAddress(server.port()));
  const NodeReply stored = one.Write("k", "v");
  REQUIRE(stored.status == NodeStatus::kStored);
  SECTION("on a connection that has been used") { REQUIRE(other.Read("x").status == NodeStatus::kMiss); }
  SECTION("on a fresh connection") {}
  CHECK(other.Write("k", "w", stored.token).status == NodeStatus::kStored);
  CHECK(server.Get("k") == "w");
  CHECK(one.health.incarnation.load() == stored.token.incarnation);
}

TEST_CASE("a token of a node process that is gone replaces nothing, though its number is in use again") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const NodeReply before = client.Write("k", "mine");
  REQUIRE(before.status == NodeStatus::kStored);

  server.Restart();
  TestNode other(TcpAddress(server.port()));
  const NodeReply theirs = other.Write("k", "theirs");
  REQUIRE(theirs.token.cas == before.token.cas);  // this is what makes it dangerous
  CHECK(theirs.token.incarnation != before.token.incarnation);

  const NodeReply reply = client.Write("k", "mine again", before.token);
  CHECK(reply.status == NodeStatus::kConflict);
  CHECK(reply.value == "theirs");
  CHECK(reply.token == theirs.token);
  CHECK(server.Get("k") == "theirs");
}

TEST_CASE("a token of a node process that is gone does not keep the session from its empty successor") {
  MemcachedProcess server;
  TestNode client(TcpAddress(server.port()));
  const NodeReply before = client.Write("k", "mine");
  server.Restart();
  CHECK(client.Write("k", "mine again", before.token).status == NodeStatus::kStored);
  CHECK(server.Get("k") == "mine again");
}

// Whichever way of asking the node knows.
TEST_CASE("a lock of a node process that is gone is not released on its successor, though its number is in use again") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  if (GENERATE(true, false)) proxy.HideMeta();
  TestNode late(TcpAddress(proxy.port()));
  const NodeToken held = late.Claim("late").lock_token;
  REQUIRE(held.known());

  server.Restart();
  TestNode other(TcpAddress(proxy.port()));
  const NodeReply theirs = other.Claim("other");
  REQUIRE(theirs.lock_owner == "other");
  REQUIRE(theirs.lock_token.cas == held.cas);  // this is what makes it dangerous
  // It has heard of the restart, and has, or opens, a connection by which it could release.
  REQUIRE(late.Read("k").status == NodeStatus::kMiss);
  late.node->Release("k:lock", held, Now() + seconds(5));
  CHECK(late.Read("k").status == NodeStatus::kMiss);  // behind the release on the same connection
  CHECK(server.Get("k:lock") == "other");
  other.node->Release("k:lock", theirs.lock_token, Now() + seconds(5));
  CHECK(other.Read("k").status == NodeStatus::kMiss);
  CHECK(server.Get("k:lock").empty());
}

TEST_CASE("where a node does not keep the sentinel, tokens hold on their own connection only") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode one(TcpAddress(proxy.port()));
  TestNode other(TcpAddress(proxy.port()));
  REQUIRE(server.Set("k", "v"));
  ProxyFaults without_sentinel;
  without_sentinel.answer_instead = "EN\r\nEN\r\nEN\r\n";  // to the question, the read, and about the sentinel
  proxy.Set(without_sentinel);
  REQUIRE(one.Read("x").status == NodeStatus::kMiss);
  REQUIRE(other.Read("x").status == NodeStatus::kMiss);
  proxy.Heal();

  const NodeReply hit = one.Read("k");
  REQUIRE(hit.status == NodeStatus::kHit);
  CHECK(hit.token.incarnation != 0);
  CHECK(one.health.incarnation.load() == 0);
  CHECK(other.Write("k", "w", hit.token).status == NodeStatus::kConflict);
  CHECK(server.Get("k") == "v");
  CHECK(one.Write("k", "w", hit.token).status == NodeStatus::kStored);
}

TEST_CASE("an operation is one round trip, and only a conflict and a token on a fresh connection take another each") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(TcpAddress(proxy.port()));
  const NodeReply stored = client.Write("k", "v");  // connects as well
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(proxy.round_trips() == 1);
  client.Read("k");
  CHECK(proxy.round_trips() == 2);
  client.Write("k", "w", stored.token);
  CHECK(proxy.round_trips() == 3);
  client.Write("k", "x", stored.token);  // a conflict: and a read, which shows what is there
  CHECK(proxy.round_trips() == 5);

  TestNode reader(TcpAddress(proxy.port()));
  reader.Read("k");
  CHECK(proxy.round_trips() == 6);
  TestNode writer(TcpAddress(proxy.port()));
  writer.Write("k", "y", stored.token);
  CHECK(proxy.round_trips() == 9);
  CHECK(proxy.connections() == 3);
}

TEST_CASE("the hash of a node tells names and addresses apart, and is never the free slot's") {
  const uint32_t hash = NodeNameHash("m1", "10.0.0.1:11211");
  CHECK(hash != 0);
  CHECK(hash == NodeNameHash("m1", "10.0.0.1:11211"));
  CHECK(hash != NodeNameHash("m2", "10.0.0.1:11211"));
  CHECK(hash != NodeNameHash("m1", "10.0.0.1:11212"));
  CHECK(NodeNameHash("m1", "1.0.0.1:1") != NodeNameHash("m11", ".0.0.1:1"));
}

TEST_CASE("a node's name and address are those of the save_path") {
  Counters counters;
  CHECK(MakeMemcachedNode(TcpAddress(11211), {}, nullptr, &counters)->name() == "m1");
  CHECK(MakeMemcachedNode(TcpAddress(11211), {}, nullptr, &counters)->address() == "127.0.0.1:11211");
  CHECK(MakeMemcachedNode(TcpAddress(11211, "::1"), {}, nullptr, &counters)->address() == "[::1]:11211");
}

}  // namespace
}  // namespace clustered_session
