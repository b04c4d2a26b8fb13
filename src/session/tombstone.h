// Tombstones: a session's end is told to all nodes, and kept here. Layer: session. For the other paths only.
// See docs/protocol.md, 'Destroy'.
#ifndef CLUSTERED_SESSION_SESSION_TOMBSTONE_H_
#define CLUSTERED_SESSION_SESSION_TOMBSTONE_H_

#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"

namespace clustered_session {

// Ends the session's life, and whatever another request of this server has written of it since it was read.
void WriteTombstone(OpenScope* open, LoadedSession* loaded);

// Tells a tombstone again, as it was, to the nodes that have not heard of it: what has been written since, under an ID
// that was started anew, stands. REQUIRES: *loaded is a tombstone
void RepeatTombstone(OpenScope* open, LoadedSession* loaded);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_TOMBSTONE_H_
