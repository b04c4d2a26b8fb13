// The write path: unchanged or changed, empty or not, and who has to hear of it. See docs/protocol.md, 'Write'. Layer:
// session.
#ifndef CLUSTERED_SESSION_SESSION_WRITE_PATH_H_
#define CLUSTERED_SESSION_SESSION_WRITE_PATH_H_

#include <string_view>

#include "src/base/result.h"
#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"

namespace clustered_session {

class WritePath {
 public:
  // *loaded has been loaded, with the lifetime that it is to have from now on.
  WritePath(OpenScope* open, LoadedSession* loaded) : open_(*open), context_(open->context), loaded_(*loaded) {}

  // As Session::Write().
  Status Write(std::string_view payload, bool empty);

  // As Session::UpdateTimestamp().
  Status Touch(std::string_view payload, bool compared);

  // At close: writes what the nodes have to be told, though the request changed nothing. That is a takeover, within its
  // own request, lest the old server's late write meet no conflict; or a merge, a repair, an end.
  // REQUIRES: loaded->OwesWrite()
  Status WriteOwed();

 private:
  Status KeepUnchanged(std::string_view payload);
  Status KeepNothing();
  void StoreEmpty(TimePoint now);
  bool IsEmpty(std::string_view payload) const;
  bool NodesNeedWrite(TimePoint now);
  bool CopiesMissing();

  OpenScope& open_;
  const SessionContext& context_;
  LoadedSession& loaded_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_WRITE_PATH_H_
