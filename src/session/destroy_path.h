// The destroy path: tombstones on the session's nodes, then here; of a session that only this server knows, nothing but
// its entry goes. See docs/protocol.md, 'Destroy'. Layer: session.
#ifndef CLUSTERED_SESSION_SESSION_DESTROY_PATH_H_
#define CLUSTERED_SESSION_SESSION_DESTROY_PATH_H_

#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"
#include "src/session/tombstone.h"

namespace clustered_session {

class DestroyPath {
 public:
  // *loaded has the lifetime of whoever destroys it.
  DestroyPath(OpenScope* open, LoadedSession* loaded) : open_(*open), context_(open->context), loaded_(*loaded) {}

  // For a session that no read has loaded: what the local store has of it. No lock and no read: a tombstone is
  // conditional like any write, and a late write meets it.
  void LookUp();

  // For a session that an earlier open of this request has read, and knows as `known`.
  void LookUpRead(const Ancestry& known, bool only_here);

  // Ends what was read; what was not read, with all lives that it may have. Nothing of *loaded is to be written
  // afterwards.
  void Destroy(Telling telling, bool was_read);

  // Whether nobody but this server can know of the session: it has made the ID, nothing was ever written under it, and
  // no other server has served its client. Such are the sessions of bots, and of visitors who log in. An ID that a
  // client has brought along is none of them: nodes that cannot be asked may have it, or another server's memory.
  bool OnlyHere() const;

 private:
  bool EraseUnlessWritten();

  OpenScope& open_;
  const SessionContext& context_;
  LoadedSession& loaded_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_DESTROY_PATH_H_
