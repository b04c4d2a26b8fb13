// SessionAddress: which session, and under which keys it is kept. NodeItems: its items on the nodes. Layer: session.
// Plain values of one request.
#ifndef CLUSTERED_SESSION_SESSION_SESSION_ADDRESS_H_
#define CLUSTERED_SESSION_SESSION_SESSION_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/session_key.h"
#include "src/cluster/node.h"
#include "src/local/entry.h"
#include "src/session/context.h"

namespace clustered_session {

class SessionAddress {
 public:
  // REQUIRES: ValidSessionId(id)
  SessionAddress(const SessionContext& context, std::string_view id);

  // Of an entry, which does not hold its session's ID: by its key, and by the node that the ID names
  // (Entry::home_node).
  SessionAddress(const SessionContext& context, const SessionKey& local_key, uint32_t home_node);

  const std::string& id() const { return id_; }                 // empty: only the entry is known
  const SessionKey& local_key() const { return local_key_; }    // in this server's store
  const SessionKey& global_key() const { return global_key_; }  // on all servers
  // The name of the node that the ID names, by the list and by the previous one; or empty.
  const std::string& home() const { return home_; }
  const std::string& previous_home() const { return previous_home_; }

  // The hash that tells a flush which node the ID names; 0 = none.
  uint32_t HomeNode() const;

 private:
  std::string id_;
  SessionKey global_key_;
  SessionKey local_key_;
  std::string home_;
  std::string previous_home_;
};

// On how many nodes a record, its stand-ins and its tombstones may be: on the first ones of the session's placement. So
// a request asks no more nodes, however many there are. While the list is being changed, on so many of either list.
constexpr size_t PlacedNodes(uint32_t copies) { return size_t{copies} + 2; }

// The session's items on the nodes, made whole at once. An unchanged session that asks no node needs none of it.
struct NodeItems {
  // With the tokens that `known` has.
  NodeItems(const SessionContext& context, const SessionAddress& address, const Entry& known);

  // The nodes that should hold it: the first `copies` of the placement.
  std::vector<uint32_t> Copies() const;

  // The nodes that a write would go to now.
  std::vector<uint32_t> Holders(const SessionContext& context) const;

  // The node's item is not ours to write or to remove.
  void Forget(uint32_t node) {
    tokens[node] = NodeToken();
    has_session[node] = false;
  }

  // Puts as many tokens into *entry as it takes, those of the first nodes of the placement first.
  void SaveTokens(const NodeSet& nodes, Entry* entry) const;

  std::string key;                  // the same on all nodes
  std::vector<uint32_t> placement;  // the nodes that may hold something of the session, the first ones first
  // How many of these should hold it: as many as the setting says, or what either list makes of that together.
  uint32_t copies = 0;
  std::vector<uint32_t> previous_copies;  // those of the previous list
  std::vector<NodeToken> tokens;          // by node
  std::vector<bool> has_session;          // by node: what its token is of is a session, no tombstone

 private:
  void AddPrevious(const SessionContext& context, const SessionAddress& address);
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SESSION_ADDRESS_H_
