// The lock that all servers respect, see cluster_session_lock.h. Layer: session.
#include "src/session/cluster_session_lock.h"

#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace clustered_session {
namespace {

LockHolder Self(const SessionContext& context) {
  LockHolder self{context.store->instance() ^ context.space.Hash64(), 0, static_cast<uint32_t>(getpid()),
                  context.settings.server_id};
  randombytes_buf(&self.number, sizeof self.number);
  return self;
}

}  // namespace

ClusterSessionLock::ClusterSessionLock(const SessionContext& context) : ClusterSessionLock(context, Self(context)) {}

ClusterSessionLock::ClusterSessionLock(const SessionContext& context, const LockHolder& self)
    : context_(context), realm_(self.realm), holder_(self.Format()), pauses_(self.number) {}

void ClusterSessionLock::BeginTry(bool claim) {
  any_answer_ = false;
  state_ = claim ? State::kToClaim : State::kNotClaimed;
}

std::vector<NodeSet::Read> ClusterSessionLock::Read(const std::vector<uint32_t>& nodes, const NodeItems& items,
                                                    TimePoint deadline, NodeSet::Values values) {
  const std::optional<NodeSet::Claim> claim = NextClaim(items);
  std::vector<NodeSet::Read> reads;
  if (!claim) {
    reads = context_.nodes->ReadAll(nodes, items.key, deadline, nullptr, values);
  } else {
    std::vector<uint32_t> asked = nodes;
    if (std::find(nodes.begin(), nodes.end(), claim->node) == nodes.end()) asked.push_back(claim->node);
    const TimePoint sent_at = context_.clock->Now();
    reads = context_.nodes->ReadAll(asked, items.key, deadline, &*claim, values);
    state_ = State::kUnanswered;
    for (const NodeSet::Read& read : reads) {
      if (read.node == claim->node && Answered(read.reply)) NoteClaim(read.reply, sent_at);
    }
  }
  any_answer_ |=
      std::any_of(reads.begin(), reads.end(), [](const NodeSet::Read& read) { return Answered(read.reply); });
  return reads;
}

// What the next flight has to claim.
std::optional<NodeSet::Claim> ClusterSessionLock::NextClaim(const NodeItems& items) {
  if (state_ != State::kToClaim) return std::nullopt;
  const std::optional<uint32_t> node = ChooseNode(items);
  if (!node) {
    state_ = State::kNotClaimed;
    return std::nullopt;
  }
  node_ = *node;
  key_ = LockKey(items.key);
  return NodeSet::Claim{*node, {key_, holder_, context_.leases->TimeToLive()}};
}

// The first node of the placement that works: where the record is written first.
std::optional<uint32_t> ClusterSessionLock::ChooseNode(const NodeItems& items) const {
  for (const uint32_t node : items.placement) {
    if (!context_.nodes->WorthAsking(node)) continue;
    if (std::find(refused_.begin(), refused_.end(), node) == refused_.end()) return node;
  }
  return std::nullopt;
}

// What has become of a claim.
void ClusterSessionLock::NoteClaim(const NodeReply& reply, TimePoint sent_at) {
  if (reply.lock_owner == holder_) {
    Hold(reply.lock_token, sent_at);
    return;
  }
  if (reply.lock_owner.empty()) {  // stays unanswered: the next node's turn
    refused_.push_back(node_);
    return;
  }
  state_ = State::kTaken;
  const std::optional<LockHolder> other = LockHolder::Parse(reply.lock_owner);
  other_ = other ? other->ToString() : "another program";
  // Of this server, whose own lock we hold: its worker died, or its release got lost. Or not a lock at all.
  const bool leftover = !other || other->realm == realm_;
  if (!other) context_.store->counters().corrupt_records.Add();
  if (leftover) TakeOver(reply.lock_token);
}

// By a conditional write: if it succeeds, the item was there all the time since it was read, so nobody else had the
// lock, and what was read with it holds.
void ClusterSessionLock::TakeOver(const NodeToken& held) {
  const TimePoint sent_at = context_.clock->Now();
  const std::vector<NodeReply> replies = context_.nodes->WriteAll(
      {{node_, held}}, key_, holder_, context_.leases->TimeToLive(), NodeDeadline(context_, sent_at));
  const NodeReply& reply = replies.front();
  if (reply.status == NodeStatus::kStored && reply.token.incarnation == held.incarnation) Hold(reply.token, sent_at);
}

void ClusterSessionLock::Hold(const NodeToken& token, TimePoint since) {
  state_ = State::kHeld;
  lease_ = std::make_shared<Lease>(key_, holder_, context_.nodes->member(node_).hash, context_.access,
                                   context_.session_open, token, since);
  context_.leases->Add(lease_);
}

bool ClusterSessionLock::StillTaken(TimePoint deadline) {
  const std::vector<NodeSet::Read> reads = context_.nodes->ReadAll({node_}, key_, deadline);
  if (reads.front().reply.status != NodeStatus::kHit) return false;
  const std::optional<LockHolder> other = LockHolder::Parse(reads.front().reply.value);
  return other && other->realm != realm_;
}

std::string ClusterSessionLock::TakeLoss() {
  if (lease_ == nullptr || loss_told_) return {};
  std::string why = context_.leases->Lost(lease_);
  loss_told_ = !why.empty();
  return why;
}

void ClusterSessionLock::Release() {
  state_ = State::kNotClaimed;
  const std::shared_ptr<Lease> lease = std::exchange(lease_, nullptr);
  if (lease == nullptr) return;
  const std::optional<NodeToken> token = context_.leases->End(lease);
  if (token) context_.nodes->Release(node_, key_, *token, NodeDeadline(context_, context_.clock->Now()));
}

}  // namespace clustered_session
