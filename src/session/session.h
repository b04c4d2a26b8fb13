// Session: one open of the save handler, from open to close: at most one session is loaded and locked in it.
// Layer: session. Belongs to one request; not thread-safe. No call throws; none calls into PHP.
//
// It owns the session that is loaded (loaded_session.h) and what the open has beside it (open_scope.h). What happens to
// them is in read_path.h, write_path.h and destroy_path.h, each of which reads like docs/protocol.md.
#ifndef CLUSTERED_SESSION_SESSION_SESSION_H_
#define CLUSTERED_SESSION_SESSION_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/result.h"
#include "src/session/context.h"
#include "src/session/loaded_session.h"
#include "src/session/moved_session.h"
#include "src/session/open_scope.h"
#include "src/session/tombstone.h"

namespace clustered_session {

// A session whose ID has been replaced by another one. It is destroyed when its successor has been written.
struct ReplacedSession {
  std::shared_ptr<const SessionContext> context;  // under which it was opened: its nodes, its settings
  std::string session_id;
  uint32_t lifetime_s = 0;
  bool only_here = false;  // when it was read, nobody but this server could know of it
  Ancestry known;          // as it was read; empty if it was not
};

class Session {
 public:
  // Keeps `context` alive. REQUIRES: context->leases, with LockMode::kCluster
  explicit Session(std::shared_ptr<const SessionContext> context);
  // `context` must outlive the session.
  explicit Session(const SessionContext& context);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The affinity cookie that the client shows for the session that is loaded next; none if its cookies are of another
  // session. Holds until it is set again.
  void SetClaim(std::optional<AffinityCookie> claim) { open_.claim = std::move(claim); }

  // A session ID made of `random_part`, as long as that, that names the node which is to hold it. The node is drawn by
  // weight with `random`, 64 bits that have nothing to do with `random_part`, whose characters have `bits` random bits
  // each. With a key file it is signed, see signed_id.h. Asks no node. Until it has been written, this object knows
  // that nobody else can know the ID. Empty: it is too short for a signature, and has to have one.
  std::string CreateId(std::string_view random_part, uint64_t random, uint32_t bits = 4);

  // Whether an ID is unknown for want of a right tag (signed_ids=require); then it is counted. Asks nobody.
  bool RefusesId(std::string_view id) const;

  // Whether a session of this ID exists (strict mode). Loads and locks it if it does: the Read that follows asks nobody
  // again. An ID made by this object, or any other while a session is loaded, is only looked at.
  // Errors: as Read; the Read that follows fails alike, without another wait.
  // `keeps_unknown`: one that MayBeInOldHandler() or was MovedTo() another ID stays loaded and locked; TakeIn(),
  // TakeInAsOther() or GiveUpUnknown() follows.
  Result<bool> Validate(std::string_view id, uint32_t lifetime_s, bool keeps_unknown = false);

  // Locks and loads the session; the payload is valid until the next call. An ID that no node knows is an empty
  // session. Errors: kInvalidArgument (not a session ID), kTimeout (lock_wait), kTooMany (lock_waiters_max), kNoMemory
  // (too many locks), kUnavailable (it may exist on nodes that cannot be asked).
  Result<std::string_view> Read(std::string_view id, uint32_t lifetime_s);

  // Whether a Read of this ID has completed in this open: only then may PHP's shutdown write it.
  bool ReadCompleted(std::string_view id) const { return loaded_ && loaded_->address().id() == id; }

  // Whether the handler of before is to be asked for the session that was read: neither nodes nor this server know it
  // or its end, and its ID is not of this server's making. A known one as well, while other servers still run that
  // handler.
  bool MayBeInOldHandler(std::string_view id) const;

  // What the handler of before has of the session that was read, in place of what was found here. The next write, or
  // Close, writes it through. `payload` is not empty.
  void TakeIn(std::string_view payload);

  // What became of a session that was to get another ID.
  struct Move {
    std::string to;      // its ID from now on; empty: its end is known
    bool taken = false;  // by this request, and not by another one before
  };

  // As TakeIn(), under another ID, which each server and request comes to. The session is on nodes when this returns,
  // and nothing is loaded or locked. The ID that was read leads to it for MovedSession::kGood, and is then unknown.
  // REQUIRES: MayBeInOldHandler(id). Errors: as Read and Write; then nothing was moved, and all is as before.
  Result<Move> TakeInAsOther(std::string_view id, std::string_view payload, IdForm form);

  // Where the session was moved that was read under this ID. Empty, if that is too long ago; none, if it was not.
  std::optional<std::string> MovedTo(std::string_view id, IdForm form) const;

  // The IDs of sessions that were destroyed since the last call, while settings migrate.
  std::vector<std::string> TakeEnded() { return std::exchange(ended_, {}); }

  bool Exists(std::string_view id) const { return ReadCompleted(id) && loaded_->exists() && !IsMoved(); }

  // The payload of the session that was read; valid until the next call. REQUIRES: ReadCompleted()
  std::string_view payload() const { return IsMoved() ? std::string_view() : loaded_->image.payload(); }

  // Ends what a Validate() with `keeps_unknown` has left loaded and locked: the ID is unknown everywhere.
  void GiveUpUnknown() { GiveUpLoaded(); }

  // The next Read of the loaded session reads anew, under the lock it holds (session_reset).
  void ReadAnew() { loaded_.reset(); }

  // Writes a changed payload through. `id` is loaded first if it is not. `empty`: the caller knows that there is
  // nothing in the session, whatever bytes its serialize handler has for that. Errors: kTooLarge (the old record
  // stays), kNoMemory (no node took it and there is no room here); those of Read, if it is loaded first.
  Status Write(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty = false);

  // An unchanged session was used: keeps it alive here, and on the nodes when their records are about to expire.
  // `compared`: the caller knows that `payload` is what Read gave it; else it is looked at here.
  Status UpdateTimestamp(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared = false);

  // Destroys the session everywhere. Destroying one that does not exist succeeds. No node is told of one that only this
  // server knows.
  Status Destroy(std::string_view id, uint32_t lifetime_s);

  // session_regenerate_id(true): leaves the session to be destroyed by its successor. PHP closes this object and opens
  // another one for the new ID; the caller hands over what TakeReplaced() returns. What nobody takes is not destroyed.
  void DestroyLater(std::string_view id, uint32_t lifetime_s);
  std::vector<ReplacedSession> TakeReplaced() { return std::exchange(replaced_, {}); }

  // This session succeeds those. They are destroyed after its first Write or UpdateTimestamp that succeeds, or at Close
  // if there was none. One that fails leaves them as they are, since the user would lose both.
  void Replace(std::vector<ReplacedSession> replaced) { replaces_ = std::move(replaced); }
  void KeepReplaced() { replaces_.clear(); }

  // Makes a takeover durable that nothing else wrote, releases the lock.
  void Close();

  // Releases the lock and forgets the session: for one that PHP left open. Writes nothing and destroys nothing.
  void Abandon();

  // The affinity cookie that the client of the loaded session should have; none where none is used.
  std::optional<AffinityCookie> Affinity() const;

  std::vector<Notice> TakeNotices() { return open_.TakeNotices(); }
  bool HasNotices() const { return !open_.notices.empty(); }

 private:
  std::optional<uint32_t> ChooseHome(uint64_t random) const;
  std::string MakeId(std::string_view random_part, uint32_t bits, std::optional<uint32_t> home) const;
  std::string SuccessorOf(std::string_view id, const MovedSession& moved, IdForm form) const;
  std::string SecretOfMove();
  bool IsMoved() const { return loaded_->exists() && ParseMoved(loaded_->image.payload()).has_value(); }
  Status TakeInBeside(std::string_view payload, uint32_t lifetime_s, Move* move, bool* on_no_node);
  Status Load(std::string_view id, uint32_t lifetime_s);
  Status LoadToWrite(std::string_view id, uint32_t lifetime_s);
  void AddressTo(std::string_view id, uint32_t lifetime_s);
  void DestroyRead(const ReplacedSession& replaced, Telling telling);
  bool LooksAlive(std::string_view id) const;
  Status SettleReplaced(Status status);
  void DestroyReplaced(Telling telling);
  void WriteOwed();
  void GiveUpLoaded();

  OpenScope open_;
  // Only while its read has completed, and nothing has destroyed it since. Its locks stay until the close.
  std::optional<LoadedSession> loaded_;
  std::vector<std::string> ended_;         // see TakeEnded()
  std::vector<ReplacedSession> replaced_;  // to be destroyed by the successor
  std::vector<ReplacedSession> replaces_;  // whose successor this is
  // Whose Validate has failed with failure_: Read says the same without waiting again.
  std::string failed_id_;
  std::optional<Error> failure_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SESSION_H_
