// Weighted rendezvous hashing, see placement.h. Layer: cluster. Pure.
#include "src/cluster/placement.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace clustered_session {
namespace {

// -w / ln(u): the largest of these is a node's with a probability of its weight's share, and does not depend on which
// other nodes there are. Only the name counts: a node replaced under its old name keeps its sessions.
class Scores {
 public:
  explicit Scores(const SessionKey& key)
      : key_size_(key.bytes.size()), input_(reinterpret_cast<const char*>(key.bytes.data()), key_size_) {}

  double Of(const NodeAddress& node) {
    input_.resize(key_size_);
    input_ += node.name;
    const uint64_t hash = XXH3_64bits(input_.data(), input_.size());
    const double uniform = (static_cast<double>(hash >> 11) + 0.5) * 0x1p-53;  // never 0 and never 1
    return -static_cast<double>(node.weight) / std::log(uniform);
  }

 private:
  const size_t key_size_;
  std::string input_;
};

}  // namespace

std::vector<uint32_t> PlaceSession(const std::vector<NodeAddress>& nodes, const SessionKey& key, std::string_view named,
                                   size_t count) {
  struct Place {
    double score;
    uint32_t index;
  };
  std::vector<Place> places(nodes.size());
  Scores scores(key);
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const bool is_named = !named.empty() && nodes[i].name == named;
    places[i] = {is_named ? std::numeric_limits<double>::infinity() : scores.Of(nodes[i]), i};
  }
  const auto better = [&nodes](const Place& a, const Place& b) {
    if (a.score != b.score) return a.score > b.score;
    return nodes[a.index].name < nodes[b.index].name;  // names are unique; the list's order must not matter
  };
  const auto end = places.begin() + static_cast<ptrdiff_t>(std::min(count, places.size()));
  if (end != places.end()) std::nth_element(places.begin(), end, places.end(), better);
  std::sort(places.begin(), end, better);
  std::vector<uint32_t> order(static_cast<size_t>(end - places.begin()));
  std::transform(places.begin(), end, order.begin(), [](const Place& place) { return place.index; });
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
