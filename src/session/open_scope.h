// OpenScope: what one open of the save handler has beside the session that is loaded in it: context, claim, created
// IDs, locks and notices. Layer: session. Belongs to one request; the paths work on it.
#ifndef CLUSTERED_SESSION_SESSION_OPEN_SCOPE_H_
#define CLUSTERED_SESSION_SESSION_OPEN_SCOPE_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "src/base/session_id.h"
#include "src/session/context.h"
#include "src/session/created_ids.h"
#include "src/session/held_locks.h"

namespace clustered_session {

struct OpenScope {
  explicit OpenScope(std::shared_ptr<const SessionContext> kept)
      : kept_context(std::move(kept)), context(*kept_context), locks(context, &notices) {}
  OpenScope(const OpenScope&) = delete;
  OpenScope& operator=(const OpenScope&) = delete;

  bool SingleServer() const { return context.nodes->empty(); }
  TimePoint Now() const { return context.clock->Now(); }
  Counters& counters() const { return context.store->counters(); }

  // For the log or the user.
  std::vector<Notice> TakeNotices() { return std::exchange(notices, {}); }

  const std::shared_ptr<const SessionContext> kept_context;
  const SessionContext& context;
  std::optional<AffinityCookie> claim;  // that the client shows for the session that is loaded next
  CreatedIds created;
  std::vector<Notice> notices;
  HeldLocks locks;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_OPEN_SCOPE_H_
