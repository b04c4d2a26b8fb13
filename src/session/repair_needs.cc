// Which nodes may lack an entry, see repair_needs.h. Layer: session. Pure.
#include "src/session/repair_needs.h"

#include <algorithm>

#include "src/base/protocol_fault.h"

namespace clustered_session {
namespace {

const EntryToken* TokenOf(const Entry& entry, uint32_t node_hash) {
  const auto found = std::find_if(entry.tokens.begin(), entry.tokens.end(), [node_hash](const EntryToken& token) {
    return token.cas != 0 && token.node_hash == node_hash;
  });
  return found == entry.tokens.end() ? nullptr : &*found;
}

bool Holds(const Entry& entry, uint32_t node_hash, const NodeView& node) {
  if (const EntryToken* token = TokenOf(entry, node_hash); token != nullptr) {
    return token->incarnation == node.incarnation && entry.confirmed_at_ns >= node.emptied_at_ns;
  }
  // An entry has room for few tokens: with more copies than that, all nodes that should have taken it had done so by
  // this time.
  const bool full =
      std::all_of(entry.tokens.begin(), entry.tokens.end(), [](const EntryToken& t) { return t.cas != 0; });
  return full && entry.confirmed_at_ns >= node.since_ns;
}

}  // namespace

bool IsForRepair(const Entry& entry, TimePoint now) {
  constexpr uint32_t kNotNow = kEntryUnreplicated | kEntryLocalOnly;
  if ((entry.flags & kEntryTombstone) != 0 && HasFault(ProtocolFault::kTombstonesLeft)) return false;
  const bool known_to_nodes = entry.version != 0 && entry.pool != 0;
  return known_to_nodes && (entry.flags & kNotNow) == 0 && entry.expires_at_ns > ToNanos(now);
}

size_t TargetsOf(const Entry& entry, const NodeItems& items) {
  return (entry.flags & kEntryTombstone) != 0 ? items.placement.size() : items.copies;
}

std::vector<uint32_t> MayLack(const SessionContext& context, const Entry& entry, const NodeItems& items,
                              const std::vector<NodeView>& nodes) {
  const bool marked = (entry.flags & (kEntryUnderReplicated | kEntryStandsIn)) != 0;
  const size_t targets = TargetsOf(entry, items);
  std::vector<uint32_t> lacking;
  for (size_t i = 0; i < targets; ++i) {
    const uint32_t node = items.placement[i];
    if (marked || !Holds(entry, context.nodes->member(node).hash, nodes[node])) lacking.push_back(node);
  }
  return lacking;
}

}  // namespace clustered_session
