// Which node a session ID names. Mirrors src/cluster/node_code.h.
#include "src/cluster/node_code.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <string>

#include "src/base/session_id.h"
#include "src/cluster/placement.h"

namespace clustered_session {
namespace {

// PHP's alphabets: the first 16, 32 or 64 of these for session.sid_bits_per_character of 4, 5 and 6.
constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,";

std::vector<NodeAddress> Nodes(const std::vector<std::string>& names) {
  std::vector<NodeAddress> nodes;
  for (const std::string& name : names) {
    NodeAddress node;
    node.name = name;
    node.host = "10.0.0.1";
    nodes.push_back(node);
  }
  return nodes;
}

std::string RandomPart(std::mt19937_64* random, size_t length, uint32_t bits) {
  std::string part;
  while (part.size() < length) part += kAlphabet[(*random)() >> (64 - bits)];
  return part;
}

// The first `count` of the names n0, n1, ... that have the same code.
std::vector<std::string> NamesOfOneCode(size_t count) {
  std::map<std::string, std::vector<std::string>> by_code;
  for (uint32_t i = 0;; ++i) {
    const std::string name = "n" + std::to_string(i);
    std::vector<std::string>& names = by_code[NodeCode(name)];
    names.push_back(name);
    if (names.size() == count) return names;
  }
}

TEST_CASE("a node's code is the same in every release") {
  // A change sends every session to other nodes.
  CHECK(NodeCode("m1") == "d925");
  CHECK(NodeCode("m2") == "f684");
  CHECK(NodeCode("abcdefgh12345678") == "4d6e");
}

TEST_CASE(
    "an ID that names a node is as long as its random part, of the same alphabet, and all but its end is random") {
  const auto nodes = Nodes({"m1", "m2", "abcdefgh12345678"});
  const uint32_t bits = GENERATE(4u, 5u, 6u);
  std::mt19937_64 random(bits);
  for (size_t length = 22; length <= kSessionIdLengthMax; ++length) {
    const std::string part = RandomPart(&random, length, bits);
    for (uint32_t i = 0; i < nodes.size(); ++i) {
      const std::string id = NameNode(nodes, i, part);
      REQUIRE(id.size() == length);
      REQUIRE(id.find_first_not_of(kAlphabet.substr(0, size_t{1} << bits)) == std::string::npos);
      REQUIRE(id.substr(0, length - 4) == part.substr(0, length - 4));
      REQUIRE(NodeNamedBy(nodes, id) == nodes[i].name);
    }
  }
}

TEST_CASE(
    "a prefix before the ID and another order of the nodes change nothing, and a list without the node says none") {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < kNodesMax; ++i) names.push_back("node" + std::to_string(i));
  const auto nodes = Nodes(names);
  std::reverse(names.begin(), names.end());
  const auto other_order = Nodes(names);
  std::mt19937_64 random(1);
  for (uint32_t i = 0; i < kNodesMax; ++i) {
    const std::string id = NameNode(nodes, i, RandomPart(&random, 32, 4));
    CHECK(NodeNamedBy(other_order, "user-7-" + id) == nodes[i].name);
    std::vector<NodeAddress> without = nodes;
    without.erase(without.begin() + i);
    CHECK(NodeNamedBy(without, id).empty());
  }
}

TEST_CASE("an ID of an earlier release names the node behind its last dash, if the list has it") {
  const auto nodes = Nodes({"m1", "m2", "beef"});
  CHECK(NodeNamedBy(nodes, "0123456789abcdef0123456789abcdef-m2") == "m2");
  CHECK(NodeNamedBy(nodes, "0123456789abcdef0123456789abcdef-beef") == "beef");
  CHECK(NodeNamedBy(nodes, "a-m1") == "m1");
  CHECK(NodeNamedBy(nodes, "0123456789abcdef0123456789abcdef-m3").empty());
  CHECK(NodeNamedBy(nodes, "0123456789abcdef0123456789abcdef-M1").empty());
}

TEST_CASE("an ID that somebody made up names a node only by its code") {
  const auto nodes = Nodes({"m1", "m2"});
  for (const char* id : {"", "-", "a", "-m1", "made-by-hand", "0123456789abcdef0123456789abcdef"}) {
    CHECK(NodeNamedBy(nodes, id).empty());
  }
  CHECK(NodeNamedBy(nodes, NodeCode("m1")).empty());  // nothing before it
  CHECK(NodeNamedBy(nodes, "x" + NodeCode("m1")) == "m1");
  CHECK(NodeNamedBy({}, "0123456789abcdef0123456789abcdef").empty());
  CHECK(NameNode(nodes, 0, "abcd") == "abcd");  // too short for a code
}

TEST_CASE("nodes with the same code are told apart by the rest of the ID, each as often, whatever their weights") {
  const std::vector<std::string> names = NamesOfOneCode(2);
  auto nodes = Nodes({names[0], "other", names[1]});
  nodes[0].weight = 1000;
  const auto other_order = Nodes({names[1], names[0]});
  std::mt19937_64 random(2);
  for (uint32_t i = 0; i < 2000; ++i) {
    const uint32_t index = i % 3;
    const std::string id = NameNode(nodes, index, RandomPart(&random, 32, 4));
    REQUIRE(NodeNamedBy(nodes, id) == nodes[index].name);
    if (index != 1) REQUIRE(NodeNamedBy(other_order, id) == nodes[index].name);
    REQUIRE(id.size() == 32);
    REQUIRE(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

TEST_CASE("a new ID is never taken for one of an earlier release that names another node") {
  const std::string name = "m1";
  const auto nodes = Nodes({name, NodeCode(name)});  // a node that is called like the other's code
  const std::string id = NameNode(nodes, 0, "0123456789abcdefghijklmnop-xxxx");
  CHECK(id.size() == 31);
  CHECK(NodeNamedBy(nodes, id) == name);
}

// The chance of so uneven a result, if all is well, is one in a million for each row; the seeds make it none.
TEST_CASE("IDs name 1 to 64 nodes evenly by weight, in every alphabet", "[long]") {
  const uint32_t bits = GENERATE(4u, 5u, 6u);
  const bool weighted = GENERATE(false, true);
  std::mt19937_64 random(bits * 2 + (weighted ? 1 : 0));
  for (uint32_t count : {1u, 2u, 3u, 7u, 16u, 25u, 32u, 64u}) {
    INFO(count << " nodes, " << bits << " bits");
    std::vector<std::string> names;
    for (uint32_t i = 0; i < count; ++i) names.push_back("m" + std::to_string(i + 1));
    auto nodes = Nodes(names);
    double total = 0;
    for (uint32_t i = 0; i < count; ++i) {
      nodes[i].weight = weighted ? 1 + i % 4 : 1;
      total += nodes[i].weight;
    }
    constexpr int kIds = 10'000;
    std::map<std::string, int> named;
    for (int i = 0; i < kIds; ++i) {
      const std::string part = RandomPart(&random, 32, bits);
      ++named[std::string(NodeNamedBy(nodes, NameNode(nodes, ChooseNode(nodes, random()), part)))];
    }
    double chi_square = 0;
    for (const NodeAddress& node : nodes) {
      const double expected = kIds * node.weight / total;
      chi_square += (named[node.name] - expected) * (named[node.name] - expected) / expected;
    }
    // Of n - 1 degrees of freedom, within five standard deviations (Wilson and Hilferty).
    const double degrees = std::max(count - 1, 1u);
    const double bound = degrees * std::pow(1 - 2 / (9 * degrees) + 4.75 * std::sqrt(2 / (9 * degrees)), 3);
    CHECK(chi_square < bound);
    CHECK(named.size() == count);
  }
}

}  // namespace
}  // namespace clustered_session
