// Committer: a payload becomes the session's next record: on the nodes and here, in this server's memory alone for the
// moment (write=behind), or for good where there are no nodes. Layer: session. One object per write.
// See docs/protocol.md, 'Write'.
#ifndef CLUSTERED_SESSION_SESSION_COMMIT_H_
#define CLUSTERED_SESSION_SESSION_COMMIT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/result.h"
#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"
#include "src/session/replicator.h"

namespace clustered_session {

class Committer {
 public:
  // *loaded is what the payload was made from, and becomes what was written.
  Committer(OpenScope* open, LoadedSession* loaded) : open_(*open), context_(open->context), loaded_(*loaded) {}

  // Success, too, if the session was destroyed meanwhile: then nothing is written. Errors: as Session::Write().
  Status Commit(std::string_view payload);

  // Commit() for who has the session's turn already, and to the nodes whatever the settings say of writing behind.
  Status CommitToNodes(std::string_view payload);

  // CommitToNodes() in two parts, for who sends the first flights of many sessions together. `payload` lives until the
  // end of the second. REQUIRES: of Conclude(), that Begin() went well
  Result<Replicator::Flight> Begin(std::string_view payload);
  Status Conclude(Replicator::Flight flight, std::vector<NodeReply> replies);

 private:
  bool CatchUp(std::string_view* payload, std::string* merged);
  void TakeIn(const Entry& current, Image image, std::string_view* payload, std::string* merged);
  Status CommitInTurn(std::string_view payload);
  bool MayWriteBehind(std::string_view payload) const;
  bool CommitBehind(std::string_view payload);
  Status CommitHere(std::string_view payload);
  void ForgetWrite();
  Status RefuseForSize(const WriteOutcome& outcome, size_t payload_size);
  void LeaveToOwner(TimePoint now);
  bool IsNews() const;
  Status FinishCommit(const WriteOutcome& outcome, std::string_view payload, TimePoint sent_at, bool news);
  Entry NextEntry(const WriteOutcome& outcome, TimePoint now);

  OpenScope& open_;
  const SessionContext& context_;
  LoadedSession& loaded_;

  // Between Begin() and Conclude().
  std::string_view payload_;
  uint64_t version_ = 0;  // of the record as it was sent
  TimePoint sent_at_;
  std::optional<Replicator> replicator_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_COMMIT_H_
