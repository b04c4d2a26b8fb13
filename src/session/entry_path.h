// The entry path: how a loaded session gets into the local store, and how long it is kept and trusted there. Layer:
// session. For the other paths only.
#ifndef CLUSTERED_SESSION_SESSION_ENTRY_PATH_H_
#define CLUSTERED_SESSION_SESSION_ENTRY_PATH_H_

#include <cstdint>

#include "src/base/result.h"
#include "src/session/context.h"
#include "src/session/loaded_session.h"

namespace clustered_session {

// Stores entry, image and tokens. Errors: as LocalStore::Put().
Status PutEntry(const SessionContext& context, LoadedSession* loaded, TimePoint now);

// The session was used: its entry lives from now on for its lifetime. False: another request has written it since with
// a shorter one, and so must the nodes be told.
bool ExtendEntry(const SessionContext& context, LoadedSession* loaded, TimePoint now);

// A node has vouched for the entry, as of when this request began to read it.
void ConfirmEntry(const SessionContext& context, LoadedSession* loaded);

// Nodes that should hold what the entry has do not, for the background to see to.
void MarkLacking(const SessionContext& context, LoadedSession* loaded);

// From now on another server may still be writing: whoever reads the entry asks the nodes first.
void BeginGrace(const SessionContext& context, TimePoint now, Entry* entry);

// Whether whoever flushes will find this pool's settings under the number of an entry that is stored now.
bool PoolIsKept(const SessionContext& context, uint8_t pool);

// There is an unreplicated entry of this pool: wakes the thread that writes it.
void NoteUnreplicated(const SessionContext& context, uint8_t pool);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_ENTRY_PATH_H_
