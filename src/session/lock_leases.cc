// The renewal of cluster locks, see lock_leases.h. Layer: session.
#include "src/session/lock_leases.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "src/session/cluster_lock.h"

namespace clustered_session {
namespace {

Duration Third(Duration length) { return length / 3; }
Duration RetryAfter(Duration length) { return length / 15; }

// A node counts whole seconds, by a clock that ticks once in each: an item may be gone this much before its time.
Duration NodeTick(Duration length) { return std::min<Duration>(std::chrono::seconds(1), length / 4); }

}  // namespace

Lease::Lease(std::string lock_key, std::string lock_holder, uint32_t node,
             std::shared_ptr<const NodeAccess> node_access, std::function<bool()> open, const NodeToken& held,
             TimePoint since)
    : key(std::move(lock_key)),
      holder(std::move(lock_holder)),
      node_hash(node),
      access(std::move(node_access)),
      session_open(std::move(open)),
      process(getpid()),
      token(held),
      renewed_at(since) {}

LockLeases::LockLeases(const Clock* clock, Counters* counters, Duration length, std::function<bool()> serve)
    : clock_(clock), counters_(counters), length_(length), serve_(std::move(serve)), process_(getpid()) {}

// Whoever renews looks at least once in a third of a lease, and this one is due in a third: nobody need be woken.
void LockLeases::Add(const std::shared_ptr<Lease>& lease) {
  if (lease->process != process_) return;
  bool served = false;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    lease->due_at = lease->renewed_at + Third(length_);
    leases_.push_back(lease);
    last_added_ = lease->renewed_at;
    served = std::exchange(served_, true);
  }
  if (served || serve_()) return;
  const std::lock_guard<std::mutex> guard(mutex_);
  served_ = false;  // the next one tries again
}

std::string LockLeases::Lost(const std::shared_ptr<Lease>& lease) {
  if (process_ != getpid() || lease->process != process_) return {};
  const std::lock_guard<std::mutex> guard(mutex_);
  CheckEnd(lease.get(), clock_->Now());
  return lease->lost;
}

std::optional<NodeToken> LockLeases::End(const std::shared_ptr<Lease>& lease) {
  if (process_ != getpid() || lease->process != process_) return std::nullopt;  // its mutex may be anybody's
  const std::lock_guard<std::mutex> guard(mutex_);
  lease->ended = true;
  if (lease->renewing) return std::nullopt;
  Remove(lease.get());
  // One that was regained, or that has ended by our clock alone, may still be there: a release is checked by the node.
  return lease->token;
}

TimePoint LockLeases::Renew(const NodesOf& nodes_of) {
  while (std::shared_ptr<Lease> lease = NextDue(clock_->Now())) {
    NodeToken token;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      token = lease->token;
    }
    NodeSet* nodes = nodes_of(*lease);
    Renewal renewal;
    renewal.sent_at = clock_->Now();
    if (nodes != nullptr) renewal = RenewOne(*lease, token, nodes);
    std::optional<NodeToken> release;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      Settle(lease.get(), renewal);
      if (lease->ended) {
        release = lease->token;
        Remove(lease.get());
      }
    }
    for (uint32_t i = 0; release && nodes != nullptr && i < nodes->size(); ++i) {
      if (nodes->member(i).hash == lease->node_hash) nodes->Release(i, lease->key, *release, clock_->Now() + length_);
    }
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  TimePoint next = clock_->Now() + Third(length_);
  for (const std::shared_ptr<Lease>& lease : leases_) next = std::min(next, lease->due_at);
  return next;
}

std::shared_ptr<Lease> LockLeases::NextDue(TimePoint now) {
  const std::lock_guard<std::mutex> guard(mutex_);
  std::erase_if(leases_, [](const std::shared_ptr<Lease>& lease) {
    return lease->session_open != nullptr && !lease->session_open();
  });
  const auto due = std::find_if(leases_.begin(), leases_.end(),
                                [now](const std::shared_ptr<Lease>& lease) { return lease->due_at <= now; });
  if (due == leases_.end()) return nullptr;
  (*due)->renewing = true;
  return *due;
}

// A conditional write of the same bytes: it only succeeds while the item is the one of this lease.
LockLeases::Renewal LockLeases::RenewOne(const Lease& lease, const NodeToken& token, NodeSet* nodes) const {
  Renewal renewal;
  renewal.sent_at = clock_->Now();
  const TimePoint deadline = renewal.sent_at + Third(length_);  // the node's own limits are shorter
  for (uint32_t i = 0; i < nodes->size(); ++i) {
    if (nodes->member(i).hash != lease.node_hash) continue;
    NodeReply reply = nodes->WriteAll({{i, token}}, lease.key, lease.holder, TimeToLive(), deadline).front();
    const bool gone = reply.status == NodeStatus::kConflict && !reply.token.known();
    if (gone) reply = nodes->WriteAll({{i, NodeToken()}}, lease.key, lease.holder, TimeToLive(), deadline).front();
    renewal.token = reply.token;
    if (reply.status == NodeStatus::kStored) {
      const bool same_item = !gone && reply.token.incarnation == token.incarnation;
      renewal.outcome = same_item ? Outcome::kKept : Outcome::kRegained;
    } else if (reply.status == NodeStatus::kConflict && reply.token.known()) {
      renewal.outcome = Outcome::kLost;
      renewal.other = std::move(reply.value);
    }
  }
  return renewal;
}

void LockLeases::Settle(Lease* lease, const Renewal& renewal) {
  lease->renewing = false;
  switch (renewal.outcome) {
    case Outcome::kRegained:
      Lose(lease, "its node lost it and gave it again");
      [[fallthrough]];
    case Outcome::kKept:
      counters_->lock_renewals.Add();
      lease->token = renewal.token;
      lease->renewed_at = renewal.sent_at;
      lease->due_at = renewal.sent_at + Third(length_);
      return;
    case Outcome::kLost: {
      const std::optional<LockHolder> other = LockHolder::Parse(renewal.other);
      Lose(lease, other ? other->ToString() + " has it now" : "another program wrote to it");
      lease->token = NodeToken();
      Remove(lease);
      return;
    }
    case Outcome::kUnanswered:
      CheckEnd(lease, clock_->Now());
      lease->due_at = clock_->Now() + RetryAfter(length_);
      return;
  }
}

void LockLeases::CheckEnd(Lease* lease, TimePoint now) {
  if (now >= lease->renewed_at + length_ - NodeTick(length_)) Lose(lease, "no node renewed it in time");
}

void LockLeases::Lose(Lease* lease, std::string why) {
  if (!lease->lost.empty()) return;
  lease->lost = std::move(why);
  counters_->lock_lost.Add();
}

void LockLeases::Remove(const Lease* lease) {
  std::erase_if(leases_, [lease](const std::shared_ptr<Lease>& each) { return each.get() == lease; });
}

bool LockLeases::Retire() {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (!leases_.empty() || clock_->Now() < last_added_ + length_) return false;
  served_ = false;
  return true;
}

}  // namespace clustered_session
