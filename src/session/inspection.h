// Inspection: what each node holds of a session, for an operator. Layer: session. Writes nothing, takes no lock and
// leaves the local store alone. Asks the session's nodes at once; one wait.
#ifndef CLUSTERED_SESSION_SESSION_INSPECTION_H_
#define CLUSTERED_SESSION_SESSION_INSPECTION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/session/context.h"

namespace clustered_session {

struct NodeHolding {
  enum class What : uint8_t {
    kUnknown,  // the node was not asked or has not answered, or holds what this version cannot read: `why` says which
    kNothing,
    kSession,
    kEnd,    // that the session was destroyed
    kMoved,  // that the session has another ID, see moved_session.h
  };
  uint32_t node = 0;
  bool should_hold = false;  // one of the first `copies` nodes of the placement
  What what = What::kUnknown;
  std::string why;
  uint64_t version = 0;  // the rest of kSession
  uint64_t epoch = 0;
  uint64_t owner = 0;       // the instance of the server that serves it
  uint32_t lifetime_s = 0;  // unused for so long, it is over
  size_t bytes = 0;         // of the payload
  std::string payload;      // only if asked for
};

// In the order of the session's placement. REQUIRES: ValidSessionId(id)
std::vector<NodeHolding> InspectSession(const SessionContext& context, std::string_view id, bool with_payload = false);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_INSPECTION_H_
