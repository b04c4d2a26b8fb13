// Which session, and where its items are, see session_address.h. Layer: session.
#include "src/session/session_address.h"

#include <algorithm>

#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"
#include "src/session/signed_id.h"

namespace clustered_session {

SessionAddress::SessionAddress(const SessionContext& context, std::string_view id)
    : id_(id),
      global_key_(SessionKeyOf(context.codec.keys.get(), context.settings.prefix, id)),
      local_key_(context.InSpace(global_key_)),
      home_(NodeNamedBy(context.nodes->addresses(), id)) {
  const std::vector<NodeAddress>& previous = context.nodes->previous().addresses;
  if (!previous.empty()) previous_home_ = NodeNamedBy(previous, id);
}

SessionAddress::SessionAddress(const SessionContext& context, const SessionKey& local_key, uint32_t home_node)
    : global_key_(context.InSpace(local_key)), local_key_(local_key) {
  for (const NodeAddress& address : context.nodes->addresses()) {
    if (NodeNameHash(address.name, {}) == home_node) home_ = address.name;
  }
  for (const NodeAddress& address : context.nodes->previous().addresses) {
    if (NodeNameHash(address.name, {}) == home_node) previous_home_ = address.name;
  }
}

uint32_t SessionAddress::HomeNode() const {
  const std::string& name = home_.empty() ? previous_home_ : home_;
  return name.empty() ? 0 : NodeNameHash(name, {});
}

NodeItems::NodeItems(const SessionContext& context, const SessionAddress& address, const Entry& known)
    : key(StorageKey(context.settings.prefix, address.global_key())),
      placement(PlaceSession(context.nodes->addresses(), address.global_key(), address.home(),
                             PlacedNodes(context.settings.copies))),
      tokens(context.nodes->size()),
      has_session(context.nodes->size()) {
  copies = static_cast<uint32_t>(std::min<size_t>(context.settings.copies, placement.size()));
  if (!context.nodes->previous().members.empty()) AddPrevious(context, address);
  for (const EntryToken& token : known.tokens) {
    for (uint32_t node = 0; token.cas != 0 && node < tokens.size(); ++node) {
      if (context.nodes->member(node).hash != token.node_hash) continue;
      tokens[node] = {token.cas, token.incarnation};
      has_session[node] = (known.flags & kEntryTombstone) == 0;
    }
  }
}

// The copies of both lists come first, then the stand-ins of both.
void NodeItems::AddPrevious(const SessionContext& context, const SessionAddress& address) {
  const NodeSet::PreviousList& previous = context.nodes->previous();
  std::vector<uint32_t> before = PlaceSession(previous.addresses, address.global_key(), address.previous_home(),
                                              PlacedNodes(context.settings.copies));
  for (uint32_t& node : before) node = previous.members[node];
  const auto stand_ins = before.begin() + static_cast<ptrdiff_t>(std::min<size_t>(copies, before.size()));
  previous_copies.assign(before.begin(), stand_ins);
  std::vector<uint32_t> both = Copies();
  const auto add = [&both](uint32_t node) {
    if (std::find(both.begin(), both.end(), node) == both.end()) both.push_back(node);
  };
  for (const uint32_t node : previous_copies) add(node);
  copies = static_cast<uint32_t>(both.size());
  for (const uint32_t node : placement) add(node);
  std::for_each(stand_ins, before.end(), add);
  placement = std::move(both);
}

std::vector<uint32_t> NodeItems::Copies() const { return {placement.begin(), placement.begin() + copies}; }

std::vector<uint32_t> NodeItems::Holders(const SessionContext& context) const {
  std::vector<uint32_t> holders;
  for (const uint32_t node : placement) {
    if (holders.size() < copies && context.nodes->WorthAsking(node)) holders.push_back(node);
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
