// What this server has of a session and what a survey has found become one state. Layer: session. Belongs to one read.
// See docs/protocol.md, 'Read'.
#ifndef CLUSTERED_SESSION_SESSION_RECONCILE_H_
#define CLUSTERED_SESSION_SESSION_RECONCILE_H_

#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"
#include "src/session/survey.h"

namespace clustered_session {

// Makes that state the loaded one: a record of the nodes' is adopted, branches are merged. Tokens are kept for every
// node that answered, as all that they hold is in that state. `have_entry`: there is one in *loaded.
// False: there is nothing at all.
bool Reconcile(OpenScope* open, LoadedSession* loaded, const Survey& survey, bool have_entry, TimePoint now);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_RECONCILE_H_
