// HeldLocks: the locks of one session that a request holds, from its load to its close: the server's own, and, with
// lock=cluster, the one that all servers respect. Layer: session. Belongs to one request.
#ifndef CLUSTERED_SESSION_SESSION_HELD_LOCKS_H_
#define CLUSTERED_SESSION_SESSION_HELD_LOCKS_H_

#include <optional>
#include <string>
#include <vector>

#include "src/local/session_locks.h"
#include "src/session/cluster_session_lock.h"
#include "src/session/context.h"

namespace clustered_session {

class HeldLocks {
 public:
  // Both outlive the object, which releases what it holds in its destructor.
  HeldLocks(const SessionContext& context, std::vector<Notice>* notices) : context_(context), notices_(notices) {}
  ~HeldLocks() { Release(); }
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;

  // Whose locks these are to be: releases those of any other session.
  void BeLocksOf(const SessionKey& local_key);

  // Takes the server's own lock if this request has not got it yet: with lock=cluster, too, so that one worker of a
  // server at a time asks the nodes. `known_to_nobody`: no other request can ask for this session.
  // Errors: kTimeout, kTooMany, kNoMemory.
  Status TakeLocal(const SessionKey& local_key, TimePoint give_up_at, bool known_to_nobody);
  // Takes it only if it is free. False: it is not.
  bool TryLocal(const SessionKey& local_key);

  bool cluster_held() const { return cluster_ && cluster_->held(); }
  // A new claim of the cluster lock, in place of any that was not held.
  ClusterSessionLock* NewClusterClaim() { return &cluster_.emplace(context_); }
  // Null: the flights carry no claim.
  ClusterSessionLock* cluster() { return cluster_ ? &*cluster_ : nullptr; }

  // Says so, once, if the cluster lock was lost. The write goes on: it is conditional, so it meets whatever another
  // holder has written, and both are resolved as any conflict is.
  void NoteLoss();

  // The one that all servers respect first: who has the server's own next must not find it.
  void Release();

  // For messages.
  Status TimedOut(const std::string& why) const;

 private:
  const SessionContext& context_;
  std::vector<Notice>* notices_;
  SessionKey session_;  // by its local key; zeros: none
  SessionLock local_;
  std::optional<ClusterSessionLock> cluster_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_HELD_LOCKS_H_
