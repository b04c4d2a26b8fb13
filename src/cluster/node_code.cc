// Codes of nodes in session IDs, see node_code.h. Layer: cluster. Pure.
#include "src/cluster/node_code.h"

#include <algorithm>

#include "src/base/session_id.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace clustered_session {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// Of nodes with the same code, the one with the highest score is meant. Without their weights: NameNode() finds an ID
// for each of them equally soon then.
uint64_t Score(std::string_view session_id, const NodeAddress& node) {
  const std::string input = std::string(session_id) + '\n' + node.name;  // a newline is in neither part
  return XXH3_64bits(input.data(), input.size());
}

}  // namespace

std::string NodeCode(std::string_view node_name) {
  uint64_t hash = XXH3_64bits(node_name.data(), node_name.size());
  std::string code(kNodeCodeLength, '0');
  for (char& digit : code) {
    digit = kDigits[hash & 15];
    hash >>= 4;
  }
  return code;
}

std::string_view NodeNamedBy(const std::vector<NodeAddress>& nodes, std::string_view session_id) {
  const std::string_view name = NodeNameOf(session_id);
  const NodeAddress* named = nullptr;
  for (const NodeAddress& node : nodes) {
    if (!name.empty() && node.name == name) return node.name;
  }
  if (session_id.size() <= kNodeCodeLength) return {};
  const std::string_view code = session_id.substr(session_id.size() - kNodeCodeLength);
  for (const NodeAddress& node : nodes) {
    if (NodeCode(node.name) != code) continue;
    if (named == nullptr || Score(session_id, node) > Score(session_id, *named)) named = &node;
  }
  return named == nullptr ? std::string_view() : std::string_view(named->name);
}

std::string NameNode(const std::vector<NodeAddress>& nodes, uint32_t index, std::string_view random_part) {
  std::string id(random_part);
  if (id.size() <= kNodeCodeLength) return id;
  const std::string& name = nodes[index].name;
  id.replace(id.size() - kNodeCodeLength, kNodeCodeLength, NodeCode(name));
  // Once in a while the ID names another node, with the same code or as IDs of earlier releases do. The digit before
  // the code is then another one; half of these will do where two nodes share a code. If none does, the ID stays
  // another's.
  const size_t before = id.size() - kNodeCodeLength - 1;
  for (const char digit : kDigits) {
    if (NodeNamedBy(nodes, id) == name) break;
    id[before] = digit;
  }
  return id;
}

}  // namespace clustered_session
