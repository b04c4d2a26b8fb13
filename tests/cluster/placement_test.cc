// Which nodes hold a session. Mirrors src/cluster/placement.h.
#include "src/cluster/placement.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>

namespace clustered_session {
namespace {

constexpr uint32_t kSessions = 20'000;

std::vector<NodeAddress> Nodes(const std::vector<std::pair<std::string, uint32_t>>& names) {
  std::vector<NodeAddress> nodes;
  for (const auto& [name, weight] : names) {
    NodeAddress node;
    node.name = name;
    node.host = "10.0.0.1";
    node.port = 11211;
    node.weight = weight;
    nodes.push_back(node);
  }
  return nodes;
}

SessionKey Key(uint32_t i) {
  std::mt19937_64 random(i);
  SessionKey key;
  for (uint8_t& byte : key.bytes) byte = static_cast<uint8_t>(random());
  return key;
}

std::vector<std::string> Names(const std::vector<NodeAddress>& nodes, const SessionKey& key,
                               std::string_view named = {}) {
  std::vector<std::string> names;
  for (uint32_t index : PlaceSession(nodes, key, named)) names.push_back(nodes[index].name);
  return names;
}

TEST_CASE("placement is the same in every release") {
  // Checked with another implementation of XXH3; a change sends every session without a node name to other nodes.
  const auto nodes = Nodes({{"1", 1}, {"2", 1}, {"3", 2}});
  std::string orders;
  for (uint8_t i = 0; i < 12; ++i) {
    SessionKey key;
    key.bytes.fill(i);
    for (const std::string& name : Names(nodes, key)) orders += name;
    orders += ' ';
  }
  CHECK(orders == "321 312 231 321 231 321 321 123 312 231 312 312 ");
}

TEST_CASE("the first nodes of an order are those of the whole order, however many are asked for", "[long]") {
  std::mt19937_64 random(20260101);
  for (const uint32_t size : {1u, 2u, 3u, 4u, 16u, 33u, 64u}) {
    for (uint32_t i = 0; i < 50; ++i) {
      std::vector<std::pair<std::string, uint32_t>> names;
      for (uint32_t node = 0; node < size; ++node) {
        names.emplace_back("m" + std::to_string(node), 1 + random() % (i % 2 == 0 ? 1 : 1000));
      }
      const auto nodes = Nodes(names);
      const std::string named = i % 3 == 0 ? "" : "m" + std::to_string(random() % size);
      const std::vector<uint32_t> all = PlaceSession(nodes, Key(i), named);
      REQUIRE(all.size() == size);
      for (uint32_t count = 0; count <= size + 1; ++count) {
        INFO(size << " nodes, the first " << count);
        const std::vector<uint32_t> first(all.begin(), all.begin() + std::min(count, size));
        CHECK(PlaceSession(nodes, Key(i), named, count) == first);
      }
    }
  }
}

TEST_CASE("every node is in the order once") {
  const auto nodes = Nodes({{"a", 1}, {"b", 1000}, {"c", 1}, {"d", 7}});
  for (uint32_t i = 0; i < 200; ++i) {
    std::vector<uint32_t> order = PlaceSession(nodes, Key(i), i % 2 == 0 ? "c" : "");
    std::sort(order.begin(), order.end());
    CHECK(order == std::vector<uint32_t>{0, 1, 2, 3});
  }
  CHECK(PlaceSession({}, Key(1), "a").empty());
}

TEST_CASE("the named node comes first and the others keep their order") {
  const auto nodes = Nodes({{"a", 1}, {"b", 1}, {"c", 3}, {"d", 1}});
  for (uint32_t i = 0; i < 200; ++i) {
    const std::vector<std::string> unnamed = Names(nodes, Key(i));
    for (const std::string name : {"a", "b", "c", "d"}) {
      std::vector<std::string> expected = unnamed;
      std::stable_partition(expected.begin(), expected.end(), [&](const std::string& each) { return each == name; });
      CHECK(Names(nodes, Key(i), name) == expected);
    }
    CHECK(Names(nodes, Key(i), "removed") == unnamed);
  }
}

TEST_CASE("servers agree whatever the order of their node lists") {
  auto nodes = Nodes({{"a", 1}, {"b", 2}, {"c", 3}, {"d", 1}, {"e", 1}});
  auto other = nodes;
  std::reverse(other.begin(), other.end());
  std::swap(other[0], other[2]);
  for (uint32_t i = 0; i < 500; ++i) CHECK(Names(nodes, Key(i), "b") == Names(other, Key(i), "b"));
}

TEST_CASE("the address of a node does not count: a node replaced under its name keeps its sessions") {
  const auto nodes = Nodes({{"a", 1}, {"b", 1}, {"c", 1}});
  auto moved = nodes;
  moved[1].host = "10.9.9.9";
  moved[2].unix_path = "/run/memcached";
  for (uint32_t i = 0; i < 500; ++i) CHECK(Names(nodes, Key(i)) == Names(moved, Key(i)));
}

TEST_CASE("a node that is added takes its share and moves nothing between the others, and so does its removal",
          "[long]") {
  const auto small = Nodes({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  const auto large = Nodes({{"a", 1}, {"b", 1}, {"new", 1}, {"c", 1}, {"d", 1}});
  uint32_t moved = 0;
  for (uint32_t i = 0; i < kSessions; ++i) {
    std::vector<std::string> after = Names(large, Key(i));
    moved += after[0] == "new";
    after.erase(std::find(after.begin(), after.end(), "new"));
    REQUIRE(after == Names(small, Key(i)));
  }
  CHECK(moved > kSessions / 5 * 95 / 100);
  CHECK(moved < kSessions / 5 * 105 / 100);
}

TEST_CASE("sessions are spread by weight, in every place of the order") {
  const auto nodes = Nodes({{"a", 1}, {"b", 2}, {"c", 5}});
  std::map<std::string, double> first;
  std::map<std::string, double> second_after_c;
  double after_c = 0;
  for (uint32_t i = 0; i < kSessions; ++i) {
    const std::vector<std::string> names = Names(nodes, Key(i));
    first[names[0]] += 1.0 / kSessions;
    if (names[0] != "c") continue;
    after_c += 1;
    second_after_c[names[1]] += 1;
  }
  CHECK(first["a"] == Approx(1.0 / 8).margin(0.01));
  CHECK(first["b"] == Approx(2.0 / 8).margin(0.01));
  CHECK(first["c"] == Approx(5.0 / 8).margin(0.01));
  CHECK(second_after_c["b"] / after_c == Approx(2.0 / 3).margin(0.02));
}

TEST_CASE("new sessions are named after nodes by weight") {
  const auto nodes = Nodes({{"a", 1}, {"b", 2}, {"c", 5}});
  const std::vector<uint32_t> expected = {0, 1, 1, 2, 2, 2, 2, 2};
  for (uint64_t random = 0; random < 16; ++random) CHECK(ChooseNode(nodes, random) == expected[random % 8]);
  CHECK(ChooseNode(nodes, ~uint64_t{0}) == expected[~uint64_t{0} % 8]);
  CHECK(ChooseNode(Nodes({{"only", 1000}}), 12345678901234567ull) == 0);
}

TEST_CASE("of 1 to 64 nodes each is chosen by exactly as many random numbers as its weight says") {
  for (uint32_t count = 1; count <= kNodesMax; ++count) {
    std::vector<std::pair<std::string, uint32_t>> names;
    std::vector<uint32_t> weights;
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; ++i) {
      weights.push_back(i % 5 == 4 ? 0 : 1 + i * 7 % 10);  // 0: a node that is known to fail
      names.emplace_back("n" + std::to_string(i), weights.back());
      total += weights.back();
    }
    const auto nodes = Nodes(names);
    std::vector<uint32_t> chosen(count);
    for (uint64_t random = 0; random < total; ++random) ++chosen[ChooseNode(nodes, random)];
    REQUIRE(chosen == weights);
  }
}

}  // namespace
}  // namespace clustered_session
