// The grammar of session.save_path. Layer: base.
//   save_path = "" | list [" previously " list]    "" is single-server mode
//   list      = node *("," node)
//   node      = [name "="] address
//   address   = ["tls://"] host [":" port [":" weight]] | ["tls://"] "[" ipv6 "]" [":" port [":" weight]] |
//               "unix:" path [":0"] [":" weight] | path ":0" [":" weight]
//   name      = 1*16 of A-Z a-z 0-9          absent: a tag derived from the address without "tls://"
// Spaces around nodes are ignored. The php-memcached forms "host:11211", "host:11211:1"
// and "/path:0" are in it as they stand; a path alone is not, as that is what the files handler has.
#ifndef CLUSTERED_SESSION_BASE_SAVE_PATH_H_
#define CLUSTERED_SESSION_BASE_SAVE_PATH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"

namespace clustered_session {

inline constexpr uint32_t kNodesMax = 64;           // nodes in one save_path
inline constexpr size_t kSavePathLengthMax = 8192;  // bytes
inline constexpr size_t kNodeNameLengthMax = 16;    // bytes
inline constexpr uint16_t kDefaultPort = 11211;
inline constexpr uint32_t kWeightMax = 1000;

struct NodeAddress {
  std::string name;       // given, or derived
  std::string host;       // name, IPv4, or IPv6 without brackets; empty for a unix socket
  uint16_t port = 0;      // 0 for a unix socket
  std::string unix_path;  // absolute; empty for TCP
  uint32_t weight = 1;    // 1..kWeightMax
  bool tls = false;       // its port speaks TLS

  bool is_unix() const { return !unix_path.empty(); }
  // "host:port", "[v6]:port" or "unix:/path", behind "tls://" if it speaks that; for people and for NodeNameHash.
  std::string ToString() const;
  std::string Place() const;  // the same without "tls://"
};

// The nodes, and while the list is being changed those of the list before, which servers may have that were not
// reloaded yet; else `before` is empty. A node that is in both has the same name and address in both.
struct NodeLists {
  std::vector<NodeAddress> now;
  std::vector<NodeAddress> before;
};

// Errors: kInvalidArgument, whose message names the part by its position and says what is wrong with it.
Result<NodeLists> ParseSavePath(std::string_view save_path);

// One list of it.
Result<std::vector<NodeAddress>> ParseNodeList(std::string_view list);

// Whether this may be what php.ini's parser leaves of a list without quotes: it stops at the first "=", behind a name.
bool MayBeCutAtEquals(std::string_view save_path);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_SAVE_PATH_H_
