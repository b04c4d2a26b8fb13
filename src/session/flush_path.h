// The flush path: entries of the local store that no node has acknowledged are written, for no request. See
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

inline constexpr size_t kFlushedAtOnce = kBatchPartsMax;

// The outcomes are in the order of `local_keys`. What goes out first is sent together: one wait for all of them; who
// meets something else on a node goes on alone. `pool` is the number that the entries were listed with, and the
// context's; an entry of another one by now is left alone. Without waiting for the sessions' locks, which are held
// meanwhile. No session lives longer for it. REQUIRES: at most kFlushedAtOnce, each once
std::vector<FlushOutcome> FlushEntries(const std::shared_ptr<const SessionContext>& context,
                                       const std::vector<SessionKey>& local_keys, uint8_t pool,
                                       std::vector<Notice>* notices);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_FLUSH_PATH_H_
