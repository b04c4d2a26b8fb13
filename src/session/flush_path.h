// The flush path: an entry of the local store that no node has acknowledged is written, for no request. See
// docs/protocol.md, 'Flush'. Layer: session. Called by the flusher's thread.
#ifndef CLUSTERED_SESSION_SESSION_FLUSH_PATH_H_
#define CLUSTERED_SESSION_SESSION_FLUSH_PATH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "src/base/session_key.h"
#include "src/session/context.h"

namespace clustered_session {

enum class FlushOutcome : uint8_t {
  kWritten,
  kGone,    // written by somebody else, expired or destroyed meanwhile; or no node takes it, with a notice
  kBusy,    // a request has it, and will write it
  kNoNode,  // no node takes it now: none answers, or one holds what only other servers can read
};

// `pool` is the number that the entry was listed with, and the context's; an entry of another one by now is left alone.
// Without waiting for the session's lock. The session lives no longer for it.
FlushOutcome FlushEntry(const std::shared_ptr<const SessionContext>& context, const SessionKey& local_key, uint8_t pool,
                        std::vector<Notice>* notices);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_FLUSH_PATH_H_
