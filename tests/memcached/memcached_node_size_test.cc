// Values that a node refuses: it is known before or told after, and the old value stays. Mirrors
// src/memcached/memcached_node.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <tuple>

#include "tests/memcached/node_fixture.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

// Since 1.6.24 memcached takes slab_chunk_max in kilobytes, before in bytes.
bool TakesKilobytes() {
  int major = 0, minor = 0, patch = 0;
  FILE* const version = popen("memcached --version", "r");
  REQUIRE(version != nullptr);
  const int parts = fscanf(version, "memcached %d.%d.%d", &major, &minor, &patch);
  pclose(version);
  REQUIRE(parts == 3);
  return std::tuple(major, minor, patch) >= std::tuple(1, 6, 24);
}

MemcachedProcess::Options WithSizeMax(uint64_t bytes) {
  MemcachedProcess::Options options;
  uint64_t chunk = std::min<uint64_t>(bytes, 512 << 10);  // must divide the limit and memcached's pages of 1 MB
  if (TakesKilobytes()) chunk >>= 10;
  options.arguments = {"-I", std::to_string(bytes), "-m", "128", "-o", "slab_chunk_max=" + std::to_string(chunk)};
  return options;
}

TEST_CASE("the largest value that is sent is stored, one byte more is too large, and the old value stays") {
  const uint64_t size_max =
      GENERATE(uint64_t{1} << 10, uint64_t{16} << 10, uint64_t{128} << 10, uint64_t{1} << 20, uint64_t{4} << 20);
  INFO(size_max);
  MemcachedProcess server(WithSizeMax(size_max));
  for (const std::string& key : {std::string("k"), std::string(250, 'k')}) {
    TestNode client(TcpAddress(server.port()));
    const NodeReply old = client.Write(key, "old");
    REQUIRE(old.status == NodeStatus::kStored);

    // Far above, so that the limit becomes known, then just at it.
    const NodeReply huge = client.Write(key, std::string(size_max + 5000, 'h'), old.token);
    REQUIRE(huge.status == NodeStatus::kTooLarge);
    CHECK(huge.size_max == size_max);
    CHECK(server.Get(key) == "old");

    const size_t fits = size_max - key.size() - 100;
    CHECK(client.Write(key, std::string(fits + 1, 'l'), old.token).status == NodeStatus::kTooLarge);
    CHECK(server.Get(key) == "old");
    CHECK(client.Write("a" + key.substr(1), std::string(fits + 1, 'l')).status == NodeStatus::kTooLarge);
    CHECK(client.Write(key, std::string(fits, 'f'), old.token).status == NodeStatus::kStored);
    CHECK(client.counters.node_connects.Get() == 1);
  }
}

TEST_CASE("the limit is asked once per node process for all workers, and only if the value is large") {
  const Engine engine = GENERATE(Engine::kMeta, Engine::kClassic);
  INFO("classic " << (engine == Engine::kClassic));
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  NodeHealth health{};
  TestNode one(engine, TcpAddress(proxy.port()), kLongTimeouts, {}, &health);
  TestNode other(engine, TcpAddress(proxy.port()), kLongTimeouts, {}, &health);
  const std::string large(100'000, 'l');
  REQUIRE(one.Write("a", std::string(60'000, 's')).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 0);
  REQUIRE(one.Write("b", large).status == NodeStatus::kStored);
  REQUIRE(one.Write("c", large).status == NodeStatus::kStored);
  REQUIRE(other.Write("d", large).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 1);
  CHECK(health.item_size_max.load() == 1 << 20);
  if (engine == Engine::kClassic) CHECK(one.counters.node_waits.Get() == 2);  // libmemcached asks for the version first

  const size_t sent = proxy.requests().size();
  CHECK(one.Write("e", std::string(2 << 20, 't')).status == NodeStatus::kTooLarge);
  CHECK(proxy.requests().size() == sent);  // nothing at all was sent
}

TEST_CASE("the limit of a node process that is gone is not used for its successor") {
  MemcachedProcess small(WithSizeMax(16 << 10));
  NodeHealth health{};
  {
    TestNode client(TcpAddress(small.port()), {seconds(5), seconds(5)}, &health);
    REQUIRE(client.Write("k", std::string(20'000, 'v')).status == NodeStatus::kTooLarge);
  }
  MemcachedProcess large(WithSizeMax(1 << 20));
  TestNode client(TcpAddress(large.port()), {seconds(5), seconds(5)}, &health);
  CHECK(client.Write("k", std::string(20'000, 'v')).status == NodeStatus::kStored);
}

TEST_CASE("a node that does not tell its settings is written to as if it had no limit, and asked once") {
  const Engine engine = GENERATE(Engine::kMeta, Engine::kClassic);
  INFO("classic " << (engine == Engine::kClassic));
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  TestNode client(engine, TcpAddress(proxy.port()));
  ProxyFaults faults;
  SECTION("it closes the connection") { faults.close_on_text = "stats settings"; }
  SECTION("it closes the connection that was used before") {
    REQUIRE(client.Read("k").status == NodeStatus::kMiss);
    faults.close_on_text = "stats settings";
  }
  proxy.Set(faults);
  CHECK(client.Write("k", std::string(100'000, 'v')).status == NodeStatus::kStored);
  CHECK(client.Write("l", std::string(100'000, 'v')).status == NodeStatus::kStored);
  CHECK(Count(proxy.requests(), "stats settings") == 1);
  const NodeReply refused = client.Write("m", std::string(3 << 20, 'v'));
  CHECK(refused.status == NodeStatus::kRefused);
  CHECK(refused.value.empty());
}

TEST_CASE("a node without memory refuses, and the old value stays") {
  MemcachedProcess::Options options;
  options.arguments = {"-M", "-m", "2"};
  MemcachedProcess server(options);
  TestNode client(TcpAddress(server.port()));
  const NodeReply old = client.Write("old", "value");
  REQUIRE(old.status == NodeStatus::kStored);
  const std::string value(30'000, 'v');
  NodeReply reply;
  int stored = 0;
  for (; stored < 500; ++stored) {
    reply = client.Write("k" + std::to_string(stored), value);
    if (reply.status != NodeStatus::kStored) break;
  }
  REQUIRE(stored < 500);
  CHECK(reply.status == NodeStatus::kRefused);
  CHECK(reply.value.empty());

  const NodeReply kept = client.Write("old", value, old.token);
  CHECK(kept.status == NodeStatus::kRefused);
  CHECK(kept.token == old.token);
  CHECK(server.Get("old") == "value");
  CHECK(client.counters.node_errors.Get() == 0);
}

}  // namespace
}  // namespace clustered_session
