// The lock path: the server's own session lock, then, with lock=cluster, the one that all servers respect, claimed by
// the very flight that reads the session. See docs/protocol.md, 'Cluster lock'. Layer: session.
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/units.h"
#include "src/session/cluster_lock.h"
#include "src/session/session.h"

namespace clustered_session {

// The lock among the workers of this server. With lock=cluster, too: so one worker of a server at a time asks the
// nodes.
Status Session::TakeLocalLock(TimePoint give_up_at) {
  if (context_.settings.lock == LockMode::kNone || loaded_.lock.held) return Status::Ok();
  const uint32_t waiters_max = context_.settings.lock_waiters_max;
  Result<SessionLock> lock = context_.store->locks().Acquire(loaded_.key, give_up_at, waiters_max);
  if (lock.ok()) {
    loaded_.lock = *lock;
    return Status::Ok();
  }
  switch (lock.error().code()) {
    case ErrorCode::kTimeout:
      return LockTimeout("another request of this session still runs");
    case ErrorCode::kTooMany:
      return Error(ErrorCode::kTooMany, "session lock refused: " + std::to_string(waiters_max) +
                                            " requests of this session wait for it already "
                                            "(clustered_session.lock_waiters_max)");
    case ErrorCode::kNoMemory:
      if (Created(loaded_.id)) return Status::Ok();  // nobody else can ask for it
      return lock.error();
    default:
      return lock.error();
  }
}

Status Session::LockTimeout(const std::string& why) const {
  return Error(ErrorCode::kTimeout, "session lock not free within clustered_session.lock_wait (" +
                                        FormatDuration(context_.settings.lock_wait) + "): " + why);
}

// An ID made in this request is known to nobody else.
bool Session::NeedsClusterLock() const {
  return context_.settings.lock == LockMode::kCluster && !SingleServer() && loaded_.cluster_lock.lease == nullptr &&
         !Created(loaded_.id);
}

// Reads and claims in one flight, again until the lock is ours: what that flight read is what is served. Where no node
// answers at all, it is the read without a lock, which serves a local copy or fails.
Status Session::LoadClaiming(TimePoint give_up_at) {
  LockHolder self{context_.store->instance() ^ context_.space.Hash64(), 0, static_cast<uint32_t>(getpid()),
                  context_.settings.server_id};
  randombytes_buf(&self.number, sizeof self.number);
  ClusterLock& lock = loaded_.cluster_lock;
  lock = ClusterLock();
  lock.realm = self.realm;
  lock.holder = self.Format();
  LockPauses pauses(self.number);
  bool waited = false;
  for (size_t unanswered = 0;;) {
    loaded_.placement.clear();  // and with it the tokens, which the next read brings anew
    lock.any_answer = false;
    lock.outcome = ClusterLock::Outcome::kToSend;
    // As often as there are nodes the next one gets its chance; after that the read goes on without, or fails below.
    if (unanswered > context_.nodes->size()) lock.outcome = ClusterLock::Outcome::kNoClaim;
    if (!AnyNodeWorthAsking()) (void)context_.nodes->GrantLastTries(Placement());
    Status status = LoadLocked(context_.clock->Now());
    switch (lock.outcome) {
      case ClusterLock::Outcome::kHeld:
        return status;
      case ClusterLock::Outcome::kToSend:  // no time was left, as after a stop of this process
      case ClusterLock::Outcome::kUnanswered:
        ++unanswered;
        continue;
      case ClusterLock::Outcome::kTaken:
        break;
      case ClusterLock::Outcome::kNoClaim:
        if (!status.ok() || !lock.any_answer) return status;
        return Error(ErrorCode::kUnavailable,
                     "no node takes the session's lock (out of memory?): the session does not start without it");
    }
    unanswered = 0;
    if (!std::exchange(waited, true)) counters().lock_waits.Add();
    const TimePoint now = context_.clock->Now();
    if (now >= give_up_at) {
      counters().lock_timeouts.Add();
      return LockTimeout(lock.other + " has it");
    }
    context_.clock->Pause(std::min(pauses.Next(), give_up_at - now));
  }
}

// The first node of the placement that works: where the record is written first.
std::optional<uint32_t> Session::ChooseLockNode() {
  const std::vector<uint32_t>& refused = loaded_.cluster_lock.refused;
  for (const uint32_t node : Placement()) {
    if (!context_.nodes->WorthAsking(node)) continue;
    if (std::find(refused.begin(), refused.end(), node) == refused.end()) return node;
  }
  return std::nullopt;
}

// What the next flight has to claim.
std::optional<NodeSet::Claim> Session::NextClaim() {
  ClusterLock& lock = loaded_.cluster_lock;
  if (lock.outcome != ClusterLock::Outcome::kToSend) return std::nullopt;
  const std::optional<uint32_t> node = ChooseLockNode();
  if (!node) {
    lock.outcome = ClusterLock::Outcome::kNoClaim;
    return std::nullopt;
  }
  lock.node = *node;
  lock.key = LockKey(loaded_.storage_key);
  return NodeSet::Claim{*node, {lock.key, lock.holder, context_.leases->TimeToLive()}};
}

// One flight: the read of a session's record, and the claim if one is due.
std::vector<NodeSet::Read> Session::ReadAndClaim(const std::vector<uint32_t>& nodes, TimePoint deadline) {
  const std::optional<NodeSet::Claim> claim = NextClaim();
  ClusterLock& lock = loaded_.cluster_lock;
  std::vector<NodeSet::Read> reads;
  if (!claim) {
    reads = context_.nodes->ReadAll(nodes, loaded_.storage_key, deadline);
  } else {
    std::vector<uint32_t> asked = nodes;
    if (std::find(nodes.begin(), nodes.end(), claim->node) == nodes.end()) asked.push_back(claim->node);
    const TimePoint sent_at = context_.clock->Now();
    reads = context_.nodes->ReadAll(asked, loaded_.storage_key, deadline, &*claim);
    lock.outcome = ClusterLock::Outcome::kUnanswered;
    for (const NodeSet::Read& read : reads) {
      if (read.node == claim->node && Answered(read.reply)) NoteClaim(read.reply, sent_at);
    }
  }
  lock.any_answer |=
      std::any_of(reads.begin(), reads.end(), [](const NodeSet::Read& read) { return Answered(read.reply); });
  return reads;
}

// What has become of a claim.
void Session::NoteClaim(const NodeReply& reply, TimePoint sent_at) {
  ClusterLock& lock = loaded_.cluster_lock;
  if (reply.lock_owner == lock.holder) {
    HoldClusterLock(reply.lock_token, sent_at);
    return;
  }
  if (reply.lock_owner.empty()) {  // stays unanswered: the next node's turn
    lock.refused.push_back(lock.node);
    return;
  }
  lock.outcome = ClusterLock::Outcome::kTaken;
  const std::optional<LockHolder> other = LockHolder::Parse(reply.lock_owner);
  lock.other = other ? other->ToString() : "another program";
  // Of this server, whose own lock we hold: its worker died, or its release got lost. Or not a lock at all.
  const bool leftover = !other || other->realm == lock.realm;
  if (!other) counters().corrupt_records.Add();
  if (leftover) TakeOverLock(reply.lock_token, StoreDeadline(context_.clock->Now()));
}

// By a conditional write: if it succeeds, the item was there all the time since it was read, so nobody else had the
// lock, and what was read with it holds.
void Session::TakeOverLock(const NodeToken& held, TimePoint deadline) {
  const ClusterLock& lock = loaded_.cluster_lock;
  const TimePoint sent_at = context_.clock->Now();
  const std::vector<NodeReply> replies =
      context_.nodes->WriteAll({{lock.node, held}}, lock.key, lock.holder, context_.leases->TimeToLive(), deadline);
  const NodeReply& reply = replies.front();
  if (reply.status == NodeStatus::kStored && reply.token.incarnation == held.incarnation) {
    HoldClusterLock(reply.token, sent_at);
  }
}

void Session::HoldClusterLock(const NodeToken& token, TimePoint since) {
  ClusterLock& lock = loaded_.cluster_lock;
  lock.outcome = ClusterLock::Outcome::kHeld;
  lock.lease = std::make_shared<Lease>(lock.key, lock.holder, context_.nodes->member(lock.node).hash, context_.access,
                                       context_.session_open, token, since);
  context_.leases->Add(lock.lease);
}

// Said once. The write goes on: it is conditional, so it meets whatever another holder has written, and both are
// resolved as any conflict is.
void Session::NoteLostLock() {
  ClusterLock& lock = loaded_.cluster_lock;
  if (lock.lease == nullptr || lock.lost) return;
  const std::string why = context_.leases->Lost(lock.lease);
  if (why.empty()) return;
  lock.lost = true;
  notices_.push_back({false, "a running request lost the cluster lock of its session (" + why +
                                 "): clustered_session.on_conflict decides what becomes of another server's changes"});
}

// The one that all servers respect first: who has the server's own next must not find it.
void Session::ReleaseLocks() {
  NoteLostLock();
  ClusterLock& lock = loaded_.cluster_lock;
  if (const std::shared_ptr<Lease> lease = std::exchange(lock.lease, nullptr); lease != nullptr) {
    if (const std::optional<NodeToken> token = context_.leases->End(lease)) {
      context_.nodes->Release(lock.node, lock.key, *token, StoreDeadline(context_.clock->Now()));
    }
  }
  if (loaded_.lock.held) context_.store->locks().Release(&loaded_.lock);
}

}  // namespace clustered_session
