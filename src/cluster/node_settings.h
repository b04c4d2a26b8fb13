// NodeTimeouts, NodeCredentials and NodeTls: the settings of a connection to a node. Layer: cluster. Plain values.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

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

// How nodes at tls:// are spoken to. Files are named by absolute paths and are in PEM form; nothing holds a newline.
struct NodeTls {
  std::string ca_file;      // of the authorities that vouch for nodes; empty: the system's
  std::string certificate;  // this client's, and those between it and its authority; empty: none
  std::string key;          // of the certificate; empty: it is in the certificate's file
  std::string server_name;  // that nodes' certificates have; empty: the host in save_path
  bool verifies = true;     // false: whoever answers is taken for the node

  friend bool operator==(const NodeTls&, const NodeTls&) = default;
  // The texts in one, and back. `verifies` is not in it.
  std::string Join() const { return ca_file + '\n' + certificate + '\n' + key + '\n' + server_name; }
  static NodeTls Split(std::string_view joined);
};

inline NodeTls NodeTls::Split(std::string_view joined) {
  NodeTls tls;
  for (std::string* each : {&tls.ca_file, &tls.certificate, &tls.key, &tls.server_name}) {
    const size_t end = joined.find('\n');
    each->assign(joined.substr(0, end));
    joined.remove_prefix(end == std::string_view::npos ? joined.size() : end + 1);
  }
  return tls;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_SETTINGS_H_
