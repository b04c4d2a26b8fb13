// The node that a session ID names. Layer: cluster. Pure; thread-safe.
// A new ID ends with its node's code: four hexadecimal digits, made of the node's name alone, so that all servers agree
// whatever the order of their lists. Hexadecimal digits are in the alphabet of every session.sid_bits_per_character,
// and they replace the last ones that PHP made, so that the ID is as long as session.sid_length says: frameworks check
// both. Two nodes of a list may have the same code; the rest of the ID then says which of them is meant.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_CODE_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_CODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/save_path.h"

namespace clustered_session {

inline constexpr size_t kNodeCodeLength = 4;  // hexadecimal digits

// The same in every release: IDs outlive an update.
std::string NodeCode(std::string_view node_name);

// The name of the node that the ID names, of those in `nodes`; empty if it names none of them. IDs of the form
// "<random>-<node name>", as made by earlier releases, are read as well. Into `nodes`.
std::string_view NodeNamedBy(const std::vector<NodeAddress>& nodes, std::string_view session_id);

// `random_part` with its end replaced, so that it names nodes[index]. Returned as it is if it has no more than
// kNodeCodeLength characters. REQUIRES: index < nodes.size()
std::string NameNode(const std::vector<NodeAddress>& nodes, uint32_t index, std::string_view random_part);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_CODE_H_
