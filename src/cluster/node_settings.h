// NodeTimeouts and NodeCredentials: the settings of a connection to a node. Layer: cluster. Plain values.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "src/base/clock.h"

namespace clustered_session {

struct NodeTimeouts {
  Duration connect = std::chrono::milliseconds(100);
  Duration operation = std::chrono::milliseconds(250);
  // A connection that was not used for this long may be one that a firewall has forgotten: if the node does not answer
  // on it soon, it is asked on a second connection as well. See meta_node.h.
  Duration idle = std::chrono::seconds(2);
};

// How a node is told the user name and the password.
enum class Authentication : uint8_t {
  kText,  // memcached -Y
  kSasl,  // memcached -S: SASL PLAIN, and the binary protocol
};

// No credentials are sent if the user name is empty. REQUIRES: a user name for kSasl
struct NodeCredentials {
  std::string username;
  std::string password;
  Authentication method = Authentication::kText;

  friend bool operator==(const NodeCredentials&, const NodeCredentials&) = default;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_
