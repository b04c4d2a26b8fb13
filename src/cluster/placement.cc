// Weighted rendezvous hashing, see placement.h. Layer: cluster. Pure.
#include "src/cluster/placement.h"

#include <algorithm>
#include <cmath>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace clustered_session {
namespace {

// -w / ln(u): the largest of these is a node's with a probability of its weight's share, and does not depend on which
// other nodes there are. Only the name counts: a node replaced under its old name keeps its sessions.
double Score(const SessionKey& key, const NodeAddress& node) {
  std::string input(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  input += node.name;
  const uint64_t hash = XXH3_64bits(input.data(), input.size());
  const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1p-53;  // never 0 and never 1
  return -static_cast<double>(node.weight) / std::log(uniform);
}

}  // namespace

std::vector<uint32_t> PlaceSession(const std::vector<NodeAddress>& nodes, const SessionKey& key,
                                   std::string_view named) {
  struct Place {
    bool named;
    double score;
    uint32_t index;
  };
  std::vector<Place> places;
  places.reserve(nodes.size());
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    places.push_back({!named.empty() && nodes[i].name == named, Score(key, nodes[i]), i});
  }
  std::sort(places.begin(), places.end(), [&nodes](const Place& a, const Place& b) {
    if (a.named != b.named) return a.named;
    if (a.score != b.score) return a.score > b.score;
    return nodes[a.index].name < nodes[b.index].name;  // names are unique; the list's order must not matter
  });
  std::vector<uint32_t> order;
  order.reserve(places.size());
  for (const Place& place : places) order.push_back(place.index);
  return order;
}

uint32_t ChooseNode(const std::vector<NodeAddress>& nodes, uint64_t random) {
  uint64_t total = 0;
  for (const NodeAddress& node : nodes) total += node.weight;
  if (total == 0) return 0;
  // At most 64 nodes of weight 1000: the modulo's bias is below 2^-47.
  uint64_t point = random % total;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (point < nodes[i].weight) return i;
    point -= nodes[i].weight;
  }
  return 0;
}

}  // namespace clustered_session
