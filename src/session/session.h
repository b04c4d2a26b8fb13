// Session: one open of the save handler, from open to close: at most one session is loaded and locked in it.
// Layer: session. Belongs to one request; not thread-safe. No call throws; none calls into PHP.
//
// read_path.cc, write_path.cc and destroy_path.cc hold the three paths, lock_path.cc what a read waits for first; each
// reads top to bottom like docs/protocol.md. They ask nodes by survey_path.cc and keep what they know by entry_path.cc.
#ifndef CLUSTERED_SESSION_SESSION_SESSION_H_
#define CLUSTERED_SESSION_SESSION_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/local/session_locks.h"
#include "src/record/record.h"
#include "src/session/context.h"
#include "src/session/image.h"
#include "src/session/lock_leases.h"
#include "src/session/replicator.h"

namespace clustered_session {

// A session whose ID has been replaced by another one. It is destroyed when its successor has been written.
struct ReplacedSession {
  std::shared_ptr<const SessionContext> context;  // under which it was opened: its nodes, its settings
  std::string session_id;
  uint32_t lifetime_s = 0;
  bool only_here = false;  // when it was read, nobody but this server could know of it
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
  void SetClaim(std::optional<AffinityCookie> claim) { claim_ = std::move(claim); }

  // A session ID made of `random_part`, as long as that, that names the node which is to hold it. The node is drawn by
  // weight with `random`, 64 bits that have nothing to do with `random_part`. Asks no node. Until it
  // has been written, this object knows that nobody else can know the ID.
  std::string CreateId(std::string_view random_part, uint64_t random);

  // Whether a session of this ID exists (strict mode). Loads and locks it if it does: the Read that follows asks nobody
  // again. An ID made by this object, or any other while a session is loaded, is only looked at.
  // Errors: as Read; the Read that follows fails alike, without another wait.
  Result<bool> Validate(std::string_view id, uint32_t lifetime_s);

  // Locks and loads the session; the payload is valid until the next call. An ID that no node knows is an empty
  // session. Errors: kInvalidArgument (not a session ID), kTimeout (lock_wait), kNoMemory (too many locks),
  // kUnavailable (it may exist on nodes that cannot be asked).
  Result<std::string_view> Read(std::string_view id, uint32_t lifetime_s);

  // Whether a Read of this ID has completed in this open: only then may PHP's shutdown write it.
  bool ReadCompleted(std::string_view id) const;

  // The next Read of the loaded session reads anew, under the lock it holds (session_reset).
  void ReadAnew() { loaded_.complete = false; }

  // Writes a changed payload through. `id` is loaded first if it is not. `empty`: the caller knows that there is
  // nothing in the session, whatever bytes its serialize handler has for that. Errors: kTooLarge (the old record
  // stays), kNoMemory (no node took it and there is no room here), kUnavailable.
  Status Write(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty = false);

  // An unchanged session was used: keeps it alive here, and on the nodes when their records are about to expire.
  // `compared`: the caller knows that `payload` is what Read gave it; else it is looked at here.
  Status UpdateTimestamp(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared = false);

  // Destroys the session everywhere. Destroying one that does not exist succeeds. No node is told of one that only this
  // server knows. `only_here`: that this was so when an earlier open of this request read it.
  Status Destroy(std::string_view id, uint32_t lifetime_s, bool only_here = false);

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

  // Writes an entry of the local store that no node has acknowledged, for no request: see flush_path.cc. `pool` is the
  // number that it was listed with, and this context's; an entry of another one by now is left alone. Without waiting
  // for the session's lock. The session lives no longer for it.
  enum class FlushOutcome : uint8_t {
    kWritten,
    kGone,    // written by somebody else, expired or destroyed meanwhile; or no node takes it, with a notice
    kBusy,    // a request has it, and will write it
    kNoNode,  // no node answers
  };
  FlushOutcome Flush(const SessionKey& local_key, uint8_t pool);

  // The affinity cookie that the client of the loaded session should have; none where none is used.
  std::optional<AffinityCookie> Affinity() const;

  std::vector<Notice> TakeNotices() { return std::exchange(notices_, {}); }
  bool HasNotices() const { return !notices_.empty(); }

 private:
  // The lock that all servers respect, from its claim to its release.
  struct ClusterLock {
    enum class Outcome : uint8_t {
      kNoClaim,  // none was sent: not needed, or there is no node that could take it
      kToSend,   // goes with the next flight
      kHeld,
      kTaken,       // somebody else has it, `other`
      kUnanswered,  // its node did not answer, or does not take it
    };
    Outcome outcome = Outcome::kNoClaim;
    std::string key;
    uint64_t realm = 0;             // of this server's workers: LockHolder
    std::string holder;             // our claim
    std::string other;              // whose it is, for messages
    bool any_answer = false;        // a node was reached by the last try
    std::vector<uint32_t> refused;  // nodes that answer and take no lock
    uint32_t node = 0;
    std::shared_ptr<Lease> lease;  // while it is held
    bool lost = false;             // and said so

    // Whether what was read with the claim is to be used.
    bool settled() const { return outcome == Outcome::kNoClaim || outcome == Outcome::kHeld; }
  };

  // What is known of the session that is loaded.
  struct Loaded {
    std::string id;
    SessionKey key;            // in the local store
    SessionKey placement_key;  // on all servers
    std::string storage_key;   // lazily, see Placement()
    std::string home;          // the name of the node that the ID names, or empty
    SessionLock lock;
    ClusterLock cluster_lock;
    bool complete = false;       // the load ended well
    bool exists = false;         // there is a record or an entry, not destroyed
    bool must_write = false;     // a node lags behind, or branches were merged: write even if unchanged
    bool had_entry = false;      // before the nodes were asked
    bool taken_over = false;     // by this load, from the record of another server
    uint64_t taken_epoch = 0;    // of that record
    bool client_stayed = false;  // no other server has served its client since the entry was written
    uint32_t lifetime_s = 0;
    int64_t read_at_ns = 0;           // when what follows was true at the latest
    uint64_t version = 0;             // of what was read; 0 = nothing known anywhere
    uint64_t epoch = 1;               // under which this server serves it
    Entry entry;                      // as the local store holds it; flags 0 and version 0 if it does not
    Image image;                      // as read: what PHP got, and the base of a merge
    std::vector<uint32_t> placement;  // lazily, see Placement()
    std::vector<NodeToken> tokens;    // by node, lazily with the placement
  };
  struct Survey;

  // lock_path.cc
  Status TakeLocalLock(TimePoint give_up_at);
  bool NeedsClusterLock() const;
  Status LoadClaiming(TimePoint give_up_at);
  Status LockTimeout(const std::string& why) const;
  std::optional<uint32_t> ChooseLockNode();
  std::optional<NodeSet::Claim> NextClaim();
  std::vector<NodeSet::Read> ReadAndClaim(const std::vector<uint32_t>& nodes, TimePoint deadline);
  void NoteClaim(const NodeReply& reply, TimePoint sent_at);
  void TakeOverLock(const NodeToken& held, TimePoint deadline);
  void HoldClusterLock(const NodeToken& token, TimePoint since);
  void NoteLostLock();
  void ReleaseLocks();

  // read_path.cc
  Status Load(std::string_view id, uint32_t lifetime_s);
  Status LoadLocked(TimePoint now);
  bool ClientStayed(const Entry& entry) const;
  bool EntryTrusted(const Entry& entry, TimePoint now) const;
  void ServeEntry();
  Status ValidateEntry(TimePoint now);
  Status LoadFromNodes(TimePoint now);
  bool Conclusive(const Survey& survey);
  bool EndedHere(const Survey& survey, TimePoint now);
  const std::vector<uint32_t>& Placement();
  TimePoint StoreDeadline(TimePoint now) const;
  void SetLoaded(std::string_view id, uint32_t lifetime_s);
  void WatchSetup();

  // survey_path.cc
  void Ask(const std::vector<uint32_t>& nodes, TimePoint deadline, Survey* survey);
  void AskAgain(TimePoint deadline, Survey* survey);
  static bool Answered(const NodeReply& reply) {
    return reply.status == NodeStatus::kHit || reply.status == NodeStatus::kMiss;
  }
  bool Reconcile(const Survey& survey, bool have_entry, TimePoint now);
  void Adopt(const Record& record, TimePoint now);
  Ancestry Known() const;
  void MergeBranch(const VersionVector& vector, std::string_view payload, uint64_t version);
  std::vector<uint32_t> Holders();
  bool HasLaggard(const Survey& survey, const std::vector<uint32_t>& holders) const;
  uint32_t ServerActor() const;
  uint32_t NewActor();

  // write_path.cc
  Status WriteChanged(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty);
  Status Touch(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared);
  Status SettleReplaced(Status status);
  bool IsEmpty(std::string_view payload) const;
  bool NodesNeedWrite(TimePoint now);
  Status KeepEmpty();
  bool CopiesMissing();
  Status Commit(std::string_view payload);
  bool CatchUp(std::string_view* payload, std::string* merged);
  Status CommitInTurn(std::string_view payload);
  Status CommitToNodes(std::string_view payload);
  bool MayWriteBehind(std::string_view payload) const;
  bool CommitBehind(std::string_view payload);
  void NoteUnreplicated();
  void ForgetCreated();
  Status CommitHere(std::string_view payload);
  Status FinishCommit(WriteOutcome outcome, std::string_view payload, std::chrono::seconds ttl);

  // entry_path.cc
  void ExtendLocally(TimePoint now);
  void ConfirmEntry(TimePoint now);
  void BeginGrace(TimePoint now);
  Status PutEntry(TimePoint now);
  bool PoolIsKept(uint8_t pool) const;
  uint32_t HomeNode();
  void SaveTokens();

  // flush_path.cc
  bool AnyNodeWorthAsking() const;
  void GiveUpReplication(const Error& error);

  // destroy_path.cc
  bool OnlyHere() const;
  bool EraseUnlessWritten();
  void WriteTombstone();
  void RepeatTombstone();
  void ReplicateTombstone(uint64_t version, uint64_t epoch, uint32_t actor);
  void DestroyReplaced();

  void CloseLoaded();
  void Reset();
  bool Created(std::string_view id) const;
  bool SingleServer() const { return context_.nodes->empty(); }
  Counters& counters() { return context_.store->counters(); }

  const std::shared_ptr<const SessionContext> kept_context_;
  const SessionContext& context_;
  std::optional<AffinityCookie> claim_;
  std::vector<std::string> created_ids_;   // made here and not written yet: nobody else can know them
  std::vector<ReplacedSession> replaced_;  // to be destroyed by the successor
  std::vector<ReplacedSession> replaces_;  // whose successor this is
  Loaded loaded_;
  std::vector<Notice> notices_;
  std::string failed_id_;  // whose Validate has failed with failure_: Read says the same without waiting again
  std::optional<Error> failure_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SESSION_H_
