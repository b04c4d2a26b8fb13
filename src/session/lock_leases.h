// LockLeases: the cluster locks that the requests of this process hold, and the renewal of their leases. Layer:
// session. One object per process. Requests add and end leases, from any thread; one thread renews them
// (session/lock_keeper.h), as a request that runs PHP code for minutes cannot. Who dies renews nothing, so its locks
// end with their leases.
#ifndef CLUSTERED_SESSION_SESSION_LOCK_LEASES_H_
#define CLUSTERED_SESSION_SESSION_LOCK_LEASES_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/base/clock.h"
#include "src/base/counters.h"
#include "src/cluster/node_set.h"
#include "src/session/context.h"

namespace clustered_session {

// One lock that is held. What is const may be read by any thread, the rest belongs to LockLeases. A lease whose request
// has no session open any more is not renewed: PHP can forget to close one (see docs/protocol.md, 'Cluster lock').
struct Lease {
  Lease(std::string lock_key, std::string lock_holder, uint32_t node, std::shared_ptr<const NodeAccess> node_access,
        std::function<bool()> open, const NodeToken& held, TimePoint since);

  const std::string key;
  const std::string holder;  // the item's value: LockHolder::Format()
  const uint32_t node_hash;
  const std::shared_ptr<const NodeAccess> access;
  const std::function<bool()> session_open;  // of its worker; empty: until the lease is ended
  const pid_t process;

  NodeToken token;        // as of the last renewal
  TimePoint renewed_at;   // when that was sent, or the claim
  TimePoint due_at;       // of the next
  bool renewing = false;  // one is under way
  bool ended = false;     // its request has let it go
  std::string lost;       // why it was lost; empty: it was not
};

class LockLeases {
 public:
  // The nodes of a lease for the thread that renews, valid until the next call; null if there are none to be had.
  using NodesOf = std::function<NodeSet*(const Lease&)>;

  // `length` of each lease, some seconds. `serve` is called when there is a lease and nobody renews: it makes somebody
  // call Renew() from then on, until Retire() says true; or says false.
  LockLeases(const Clock* clock, Counters* counters, Duration length, std::function<bool()> serve);

  // Of a lock's item on its node.
  std::chrono::seconds TimeToLive() const { return std::chrono::ceil<std::chrono::seconds>(length_); }

  // In a child made by fork(), whose copy of the object is of no use, it is kept nowhere, and so not renewed.
  void Add(const std::shared_ptr<Lease>& lease);

  // Why the lock was lost by now, or empty.
  std::string Lost(const std::shared_ptr<Lease>& lease);

  // Ends the lease. Returns the token by which the caller releases the lock; none if it is not to be released: lost, of
  // another process (before a fork), or in the middle of a renewal, after which the thread releases it.
  std::optional<NodeToken> End(const std::shared_ptr<Lease>& lease);

  // Renews what is due, one after the other; returns when to call it again.
  TimePoint Renew(const NodesOf& nodes_of);

  // Whether nothing has been held for the length of a lease: then nobody renews from now on.
  bool Retire();

 private:
  enum class Outcome : uint8_t {
    kKept,
    kRegained,  // the node had lost the item; nobody else has it
    kLost,      // somebody else has it
    kUnanswered,
  };
  struct Renewal {
    Outcome outcome = Outcome::kUnanswered;
    TimePoint sent_at;
    NodeToken token;
    std::string other;  // who has it now
  };

  Renewal RenewOne(const Lease& lease, const NodeToken& token, NodeSet* nodes) const;
  std::shared_ptr<Lease> NextDue(TimePoint now);
  void Settle(Lease* lease, const Renewal& renewal);
  void Lose(Lease* lease, std::string why);
  void CheckEnd(Lease* lease, TimePoint now);
  void Remove(const Lease* lease);

  const Clock* clock_;
  Counters* counters_;
  const Duration length_;
  const std::function<bool()> serve_;
  const pid_t process_;
  std::mutex mutex_;  // of all below, and of the leases; held for no I/O
  std::vector<std::shared_ptr<Lease>> leases_;
  TimePoint last_added_;
  bool served_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_LOCK_LEASES_H_
