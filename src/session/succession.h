// Succession: the names of a server's writes and of new lives, and what the next record of a session is made from.
// Layer: session.
#ifndef CLUSTERED_SESSION_SESSION_SUCCESSION_H_
#define CLUSTERED_SESSION_SESSION_SUCCESSION_H_

#include "src/session/loaded_session.h"

namespace clustered_session {

// The number of this server's next write. A server never uses one twice, so one that has lost its copy of a session
// needs no new name: from a new number on it knows what it writes.
uint64_t NextNumber(const SessionContext& context);

// This server in dots: its instance, shortened; never 0.
uint32_t ActorOf(const SessionContext& context);

// This server's next write.
Dot NextDot(const SessionContext& context);

// The first life under any ID. So what two servers start without knowing of each other is one session, and ends as one.
// Later lives have random names: which of them came first does not matter, as each names those that had ended before.
inline constexpr uint32_t kFirstLife = 1;

// From which number on this server knows its own writes of a session that it has no copy of.
uint64_t SinceNow(const SessionContext& context);

// Counts that something of the past had no room, where `all_kept` is false.
void CountOverflow(const SessionContext& context, bool all_kept);

// What the next write of the session is made from, itself included; or, of a destroyed one, the first write of a new
// life. Counts what no longer fits.
Ancestry SuccessorOf(const SessionContext& context, const LoadedSession& loaded);

// Takes over what `other` knows, a branch that is merged with what *image holds. The result is a write of its own,
// which no node holds yet.
void AbsorbBranch(const SessionContext& context, const Ancestry& other, Image* image);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SUCCESSION_H_
