// ClusterSessionLock: the lock of one session that all servers respect, from its claim to its release. Layer: session.
// Belongs to one request. It knows nodes and leases, and nothing of records. See docs/protocol.md, 'Cluster lock'.
#ifndef CLUSTERED_SESSION_SESSION_CLUSTER_SESSION_LOCK_H_
#define CLUSTERED_SESSION_SESSION_CLUSTER_SESSION_LOCK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/session/cluster_lock.h"
#include "src/session/context.h"
#include "src/session/lock_leases.h"
#include "src/session/session_address.h"

namespace clustered_session {

class ClusterSessionLock {
 public:
  enum class State : uint8_t {
    kNotClaimed,  // the flights carry no claim: reads go on without the lock
    kToClaim,     // the next flight carries a claim
    kHeld,
    kTaken,       // somebody else has it
    kUnanswered,  // the claim's node did not answer, or does not take it
  };

  // Makes a claim, which is not sent yet. `context` outlives the lock. REQUIRES: context.leases
  explicit ClusterSessionLock(const SessionContext& context);

  State state() const { return state_; }
  // Whether what was read with the last flight is to be used.
  bool settled() const { return state_ == State::kNotClaimed || state_ == State::kHeld; }
  bool held() const { return state_ == State::kHeld; }

  // Begins a try: the next flight carries the claim, or, with false, none does.
  void BeginTry(bool claim);
  // Whether a node has answered in this try.
  bool any_answer() const { return any_answer_; }
  // Who has it, with kTaken; for messages.
  const std::string& other() const { return other_; }
  // The pauses between the tries.
  Duration NextPause() { return pauses_.Next(); }

  // One flight: `nodes` are read, and the claim goes with it if it is due, to the first node of the placement that
  // works.
  std::vector<NodeSet::Read> Read(const std::vector<uint32_t>& nodes, const NodeItems& items, TimePoint deadline,
                                  NodeSet::Values values);

  // One flight for the lock's item alone, with kTaken: whether another server still has it. So whoever waits fetches no
  // session each time.
  bool StillTaken(TimePoint deadline);

  // Why a held lock was lost, said once; empty: it was not.
  std::string TakeLoss();

  // Gives it back if it is held; waits for nothing.
  void Release();

 private:
  explicit ClusterSessionLock(const SessionContext& context, const LockHolder& self);

  std::optional<uint32_t> ChooseNode(const NodeItems& items) const;
  std::optional<NodeSet::Claim> NextClaim(const NodeItems& items);
  void NoteClaim(const NodeReply& reply, TimePoint sent_at);
  void TakeOver(const NodeToken& held);
  void Hold(const NodeToken& token, TimePoint since);

  const SessionContext& context_;
  const uint64_t realm_;      // of this server's workers: LockHolder
  const std::string holder_;  // our claim
  LockPauses pauses_;
  State state_ = State::kNotClaimed;
  std::string key_;
  std::string other_;
  bool any_answer_ = false;
  std::vector<uint32_t> refused_;  // nodes that answer and take no lock
  uint32_t node_ = 0;
  std::shared_ptr<Lease> lease_;  // while it is held
  bool loss_told_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_CLUSTER_SESSION_LOCK_H_
