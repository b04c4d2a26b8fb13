// Tombstones: a session's end is told to its nodes, and kept here. Layer: session. For the other paths only.
// See docs/protocol.md, 'Destroy'.
#ifndef CLUSTERED_SESSION_SESSION_TOMBSTONE_H_
#define CLUSTERED_SESSION_SESSION_TOMBSTONE_H_

#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"

namespace clustered_session {

// Whether the nodes hear of a session's end in this request, or from the thread that writes unreplicated entries.
enum class Telling : uint8_t { kNow, kLater };

// What a tombstone ends: the lives that are known, and on the nodes what it meets there, unless that was started since;
// or also what nothing is known of, such as the first life by a server that is cut off.
enum class Ending : uint8_t { kKnownLives, kAllLives };

// Ends the session, and whatever another request of this server has written of it since it was read.
void WriteTombstone(OpenScope* open, LoadedSession* loaded, Telling telling, Ending ending);

// Tells a tombstone again, as it was, to the nodes that have not heard of it: what has been written since, under an ID
// that was started anew, stands. REQUIRES: *loaded is a tombstone
void RepeatTombstone(OpenScope* open, LoadedSession* loaded);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_TOMBSTONE_H_
