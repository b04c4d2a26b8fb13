// Which session, and where its items are, see session_address.h. Layer: session.
#include "src/session/session_address.h"

#include <algorithm>

#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"

namespace clustered_session {

SessionAddress::SessionAddress(const SessionContext& context, std::string_view id)
    : id_(id),
      global_key_(Hash128({}, context.settings.prefix, id)),
      local_key_(context.InSpace(global_key_)),
      home_(NodeNamedBy(context.nodes->addresses(), id)) {}

SessionAddress::SessionAddress(const SessionContext& context, const SessionKey& local_key, uint32_t home_node)
    : global_key_(context.InSpace(local_key)), local_key_(local_key) {
  for (const NodeAddress& address : context.nodes->addresses()) {
    if (NodeNameHash(address.name, {}) == home_node) home_ = address.name;
  }
}

uint32_t SessionAddress::HomeNode() const { return home_.empty() ? 0 : NodeNameHash(home_, {}); }

NodeItems::NodeItems(const SessionContext& context, const SessionAddress& address, const Entry& known)
    : key(StorageKey(context.settings.prefix, address.global_key())),
      placement(PlaceSession(context.nodes->addresses(), address.global_key(), address.home())),
      tokens(context.nodes->size()),
      has_session(context.nodes->size()) {
  placement.resize(std::min(placement.size(), PlacedNodes(context.settings.copies)));
  for (const EntryToken& token : known.tokens) {
    for (uint32_t node = 0; token.cas != 0 && node < tokens.size(); ++node) {
      if (context.nodes->member(node).hash != token.node_hash) continue;
      tokens[node] = {token.cas, token.incarnation};
      has_session[node] = (known.flags & kEntryTombstone) == 0;
    }
  }
}

std::vector<uint32_t> NodeItems::Copies(const SessionContext& context) const {
  const auto copies = std::min<size_t>(context.settings.copies, placement.size());
  return {placement.begin(), placement.begin() + static_cast<ptrdiff_t>(copies)};
}

std::vector<uint32_t> NodeItems::Holders(const SessionContext& context) const {
  std::vector<uint32_t> holders;
  for (const uint32_t node : placement) {
    if (holders.size() < context.settings.copies && context.nodes->WorthAsking(node)) holders.push_back(node);
  }
  return holders;
}

void NodeItems::SaveTokens(const NodeSet& nodes, Entry* entry) const {
  size_t used = 0;
  entry->tokens = {};
  for (const uint32_t node : placement) {
    const NodeToken& token = tokens[node];
    if (used == entry->tokens.size()) break;
    // A tombstone beside a session is not written over, so its token is of no use.
    if (token.known() && (has_session[node] || (entry->flags & kEntryTombstone) != 0))
      entry->tokens[used++] = {token.cas, token.incarnation, nodes.member(node).hash};
  }
}

}  // namespace clustered_session
