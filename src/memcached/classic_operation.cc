// One operation of a classic node, see classic_operation.h. Layer: memcached.
#include "src/memcached/classic_operation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

TimePoint Now() { return std::chrono::steady_clock::now(); }

NodeReply TooLargeReply(uint64_t size_max) {
  NodeReply reply;
  reply.status = NodeStatus::kTooLarge;
  reply.size_max = size_max;
  return reply;
}

}  // namespace

ClassicOperation::ClassicOperation(std::shared_ptr<const ClassicTarget> target,
                                   std::unique_ptr<ClassicConnection> connection, std::string sentinel,
                                   const NodeHealth* known)
    : target_(std::move(target)),
      connection_(std::move(connection)),
      process_(known != nullptr ? &known_ : nullptr),
      sentinel_(std::move(sentinel)) {
  if (known != nullptr) {
    known_.incarnation.store(known->incarnation.load(std::memory_order_acquire), std::memory_order_relaxed);
    known_.item_size_max.store(known->item_size_max.load(std::memory_order_acquire), std::memory_order_relaxed);
    for (int i = 0; i < 2; ++i) known_.address[i].store(known->address[i].load(std::memory_order_relaxed));
    known_.address_sum.store(known->address_sum.load(std::memory_order_relaxed));
  }
  if (!connection_->open() || sentinel_.empty()) return;
  // Others may have met another process meanwhile, to which a proxy has led this connection, too.
  const uint32_t seen_by_others = known_.incarnation.load(std::memory_order_relaxed);
  process_.Learn(&sentinel_);
  if (known != nullptr && process_.incarnation() != seen_by_others) process_.Forget();
}

void ClassicOperation::Read(std::string_view key, const LockClaim* claim) {
  kind_ = Kind::kRead;
  key_ = key;
  if (claim == nullptr) return;
  lock_key_ = claim->key;
  lock_owner_ = claim->owner;
  lock_expiration_ = NodeItemExpiration(claim->lease);
}

void ClassicOperation::Write(std::string_view key, std::string_view value, int64_t expiration,
                             const NodeToken& expected) {
  kind_ = Kind::kWrite;
  key_ = key;
  value_ = value;
  expiration_ = expiration;
  expected_ = expected;
}

void ClassicOperation::Fail(ClassicStatus status) {
  Disconnect();
  reply_ = NodeReply();
  reply_.status = NodeStatus::kError;
  reply_.failure = status.failure;
  reply_.error = std::move(status.what);
}

void ClassicOperation::Disconnect() {
  connection_->Drop();
  process_.Forget();
}

// Where the node was reached last is good enough while the name server is not there, and has half of the time then.
Result<HostAddresses> ClassicOperation::Addresses(TimePoint deadline) {
  const NodeAddress& address = target_->address;
  if (address.is_unix()) return HostAddresses{address.unix_path};
  const std::string kept = process_.KeptAddress();
  const TimePoint now = Now();
  Result<HostAddresses> found =
      Resolver::OfProcess().Resolve(address.host, kept.empty() ? deadline : now + (deadline - now) / 2);
  if (!found.ok() && !kept.empty()) return HostAddresses{kept};
  return found;
}

bool ClassicOperation::Connect() {
  fresh_ = !connection_->open();
  if (!fresh_) return true;
  const TimePoint deadline = std::min(deadline_, Now() + target_->timeouts.connect);
  const Result<HostAddresses> hosts = Addresses(deadline);
  if (!hosts.ok()) {
    Fail({NodeFailure::kResolve, hosts.error().message()});
    return false;
  }
  ClassicStatus status;
  for (size_t i = 0; i < hosts->size(); ++i) {
    const std::string& host = (*hosts)[i];
    // A fair share for each address: the first may be a black hole.
    const TimePoint now = Now();
    if (i > 0 && now >= deadline) break;
    const TimePoint share = now + (deadline - now) / static_cast<int64_t>(hosts->size() - i);
    status = connection_->Open(target_->address, target_->credentials, host, share, deadline_, kSentinelKey,
                               RandomSentinel());
    waits_ += connection_->login_waits();
    if (!status.ok()) continue;
    host_ = host;
    ++connects_;
    return true;
  }
  Fail(std::move(status));
  return false;
}

// An old connection may be gone without our knowing; then once more on a fresh one. Sending a conditional write twice
// is safe: if the first one was stored after all, the second meets another token or an item that exists, changes
// nothing, and reads back the very bytes that were sent.
void ClassicOperation::Run() {
  if (!IsNodeItemKey(key_)) return Fail({NodeFailure::kLocal, "not a key that memcached accepts"});
  for (;;) {
    if (!Connect()) return;
    const Next next = kind_ == Kind::kWrite ? PrepareWrite() : Next::kSend;
    if (next == Next::kDone) return;
    if (next == Next::kReconnect) continue;

    const TimePoint now = Now();
    const bool doubtful = !fresh_ && now - connection_->used_at() >= target_->timeouts.idle;
    ClassicStatus status = Fly(doubtful ? now + (deadline_ - now) / 2 : deadline_);
    if (status.ok()) return;
    // Who has evicted the sentinel gets it again with the next connection.
    const bool may_be_stale =
        status.failure == NodeFailure::kClosed || status.empty || (doubtful && status.failure == NodeFailure::kTimeout);
    if (fresh_ || retried_ || !may_be_stale || Now() >= deadline_) return Fail(std::move(status));
    Disconnect();
    retried_ = true;
  }
}

ClassicStatus ClassicOperation::SendCommands(TimePoint deadline) {
  if (kind_ == Kind::kWrite) {
    return conditional_ ? connection_->SendCas(key_, value_, expiration_, expected_.cas, deadline)
                        : connection_->SendAdd(key_, value_, expiration_, deadline);
  }
  return lock_key_.empty() ? ClassicStatus() : connection_->SendAdd(lock_key_, lock_owner_, lock_expiration_, deadline);
}

ClassicStatus ClassicOperation::Fly(TimePoint deadline) {
  std::array<std::string_view, 3> keys = {key_, kSentinelKey, lock_key_};
  const std::span<const std::string_view> asked(keys.data(), lock_key_.empty() ? 2 : 3);
  ClassicStatus status = SendCommands(deadline);
  if (status.ok()) status = connection_->SendGets(asked, deadline);
  std::vector<ClassicItem> items;
  if (status.ok()) status = connection_->Fetch(asked, deadline, &items);
  if (status.ok()) TakeItems(std::move(items));
  return status;
}

// True if the sentinel is among the items.
bool ClassicOperation::Learn(const std::vector<ClassicItem>& items) {
  const auto seen =
      std::find_if(items.begin(), items.end(), [](const ClassicItem& item) { return item.key == kSentinelKey; });
  if (seen == items.end()) return false;
  sentinel_ = seen->value;
  learnt_ = true;
  process_.Learn(&sentinel_);
  return true;
}

// Before a token or a large value is sent on a connection whose node process is not known.
bool ClassicOperation::LearnIncarnation() {
  ++waits_;
  const std::array<std::string_view, 1> keys = {kSentinelKey};
  std::vector<ClassicItem> items;
  ClassicStatus status = connection_->SendGets(keys, deadline_);
  if (status.ok()) status = connection_->Fetch(keys, deadline_, &items);
  if (!status.ok()) Fail(std::move(status));
  return status.ok() && Learn(items);
}

bool ClassicOperation::TooLarge(uint64_t size_max) const {
  return key_.size() + value_.size() + kNodeItemOverhead > size_max;
}

// False if the connection was lost by asking, as with a proxy that closes at what it does not know. It is not asked
// again.
bool ClassicOperation::AskSizeMax() {
  const TimePoint now = Now();
  waits_ += 2;  // libmemcached asks for the version first
  // Half of what is left: a node that keeps silent about this may still store.
  size_max_ = connection_->AskItemSizeMax(now + (deadline_ - now) / 2);
  asked_size_max_ = true;
  process_.SetItemSizeMax(size_max_);
  if (size_max_ == 0) Disconnect();
  return size_max_ != 0;
}

// Decides what may be sent: nothing that the node's limit forbids, and a token only to the process that gave it.
ClassicOperation::Next ClassicOperation::PrepareWrite() {
  const bool large = value_.size() > kAskSizeMaxBefore;
  const uint64_t last_known = process_.LastItemSizeMax();
  const bool suspect = last_known != 0 && TooLarge(last_known);  // perhaps of a process that is gone
  if (!process_.known() && (expected_.known() || large || suspect) && !LearnIncarnation()) return Next::kDone;
  if (large && process_.ItemSizeMax() == 0 && process_.keeps_limit() && !AskSizeMax()) return Next::kReconnect;
  if (const uint64_t size_max = process_.ItemSizeMax(); size_max != 0 && TooLarge(size_max)) {
    reply_ = TooLargeReply(size_max);
    return Next::kDone;
  }
  conditional_ = expected_.known() && expected_.incarnation == process_.incarnation();
  return Next::kSend;
}

void ClassicOperation::TakeItems(std::vector<ClassicItem> items) {
  // The node may have no room for the sentinel, or have evicted it. On a connection that has seen it, the process is
  // still the same; else it gets a name for this answer only.
  const bool nameless = !Learn(items) && !process_.known();
  if (nameless) process_.Learn(nullptr);
  ClassicItem* item = nullptr;
  ClassicItem* lock = nullptr;
  for (ClassicItem& each : items) {
    if (each.key == key_) item = &each;
    if (!lock_key_.empty() && each.key == lock_key_) lock = &each;
  }
  reply_ = kind_ == Kind::kWrite ? WriteReply(item) : ReadReply(item, lock);
  if (nameless) Disconnect();
}

NodeReply ClassicOperation::ReadReply(ClassicItem* item, ClassicItem* lock) const {
  NodeReply reply;
  reply.status = NodeStatus::kMiss;
  if (item != nullptr) reply = HitReply(item);
  if (lock == nullptr) return reply;
  reply.lock_owner = std::move(lock->value);
  reply.lock_token = {lock->cas, process_.incarnation()};
  return reply;
}

NodeReply ClassicOperation::HitReply(ClassicItem* item) const {
  NodeReply reply;
  reply.status = NodeStatus::kHit;
  reply.value = std::move(item->value);
  reply.token = {item->cas, process_.incarnation()};
  return reply;
}

// Our bytes may have been stored and replaced by another writer before they were read back. That is a conflict like any
// other: what that writer wrote was made from ours, or its own write would have been refused.
NodeReply ClassicOperation::WriteReply(ClassicItem* item) {
  NodeReply reply;
  if (item != nullptr) reply = HitReply(item);
  if (item != nullptr && reply.value == value_) {
    reply.status = NodeStatus::kStored;
    return reply;
  }
  const bool unchanged = item == nullptr ? !conditional_ : conditional_ && item->cas == expected_.cas;
  reply.status = NodeStatus::kConflict;
  return unchanged ? Refusal(std::move(reply)) : reply;
}

// The node did not store what it could have stored: for its size, perhaps.
NodeReply ClassicOperation::Refusal(NodeReply reply) {
  reply.status = NodeStatus::kRefused;
  if (value_.size() <= kAskSizeMaxAfter || !process_.keeps_limit()) return reply;
  if (process_.ItemSizeMax() == 0) (void)AskSizeMax();
  const uint64_t size_max = process_.LastItemSizeMax();
  return size_max != 0 && TooLarge(size_max) ? TooLargeReply(size_max) : reply;
}

}  // namespace clustered_session
