// The read path: lock, local copy, validation, takeover. See docs/protocol.md, 'Read'. Layer: session.
#ifndef CLUSTERED_SESSION_SESSION_READ_PATH_H_
#define CLUSTERED_SESSION_SESSION_READ_PATH_H_

#include "src/base/result.h"
#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"
#include "src/session/survey.h"

namespace clustered_session {

class ReadPath {
 public:
  // *loaded has its address and its lifetime.
  ReadPath(OpenScope* open, LoadedSession* loaded) : open_(*open), context_(open->context), loaded_(*loaded) {}

  // Locks, then loads. The locks that this request has of the session stay taken, and the caller releases them after an
  // error as well. Errors: as Session::Read(), without kInvalidArgument.
  Status Load();

 private:
  // What a load has found. After all but the first, nothing of *loaded is to be used.
  enum class Outcome : uint8_t {
    kLoaded,
    kLockTaken,       // another server has the cluster lock
    kLockUnanswered,  // the claim's node has not answered
  };

  Status LoadUnderClusterLock(TimePoint give_up_at);
  Result<Outcome> LoadLocked(TimePoint now);
  bool ClientStayed() const;
  bool EntryTrusted(TimePoint now) const;
  Result<Outcome> ValidateEntry(TimePoint now);
  Result<Outcome> LoadFromNodes(TimePoint now);
  std::vector<uint32_t> NodesToHold();
  void NoteLaggards(const Survey& survey);
  Outcome ClaimOutcome();
  bool EndedHere(const Survey& survey, TimePoint now);
  Error UnreadableHere(const Survey::Unreadable& unreadable) const;
  Error NoNodeToAsk() const;
  Error MayBeLost(const Survey& survey) const;

  OpenScope& open_;
  const SessionContext& context_;
  LoadedSession& loaded_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_READ_PATH_H_
