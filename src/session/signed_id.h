// Session IDs that only servers with a key file can make: they carry a tag, a keyed hash of all else in them; and the
// session key that belongs to an ID. Layer: session. Pure; any thread.
//   <random><tag><node's code>   or, where that would leave too little that is random,   <random><tag>
#ifndef CLUSTERED_SESSION_SESSION_SIGNED_ID_H_
#define CLUSTERED_SESSION_SESSION_SIGNED_ID_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/pool_keys.h"
#include "src/base/save_path.h"
#include "src/base/session_key.h"

namespace clustered_session {

enum class SignedIds : uint8_t {
  kOff,      // new IDs have no tag, and none is looked for
  kMake,     // new IDs have one; others are good as well
  kRequire,  // an ID without a right tag is unknown
};

// Of random bits that are left beside the tag: two IDs of a site are hardly ever the same.
inline constexpr size_t kSignedRandomBits = 64;

// An ID as long as `random_part`, which has `bits` random bits in each character. It names nodes[*node], if there is
// room for that. Empty: `random_part` is too short. REQUIRES: *node < nodes.size()
std::string SignId(const PoolKeys& keys, TagKind kind, std::string_view random_part, uint32_t bits,
                   const std::vector<NodeAddress>& nodes, std::optional<uint32_t> node);

// What its tag is, if a server that has one of these keys has made it.
std::optional<PoolKeys::Tag> TagOfId(const PoolKeys& keys, std::string_view id);

inline bool IsSigned(const PoolKeys& keys, std::string_view id) { return TagOfId(keys, id).has_value(); }

// Under which key a session is kept. Of an ID whose tag says so, by the key that made the tag: without this key, nobody
// comes from the one to the other. Of any other ID, by a hash that has no secret. `keys`: null without a key file.
SessionKey SessionKeyOf(const PoolKeys* keys, std::string_view prefix, std::string_view id);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SIGNED_ID_H_
