// One operation of a classic node, see classic_operation.h. Layer: memcached.
#include "src/memcached/classic_operation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

TimePoint Now() { return std::chrono::steady_clock::now(); }

}  // namespace

ClassicOperation::ClassicOperation(const NodeTarget& target, std::unique_ptr<ClassicConnection> connection,
                                   const NodeProcess& known, const NodeOperation& operation)
    : target_(target),
      connection_(std::move(connection)),
      process_(known),
      value_(operation.value),
      lock_key_(operation.claim.key),
      lock_owner_(operation.claim.owner),
      operation_(operation) {
  operation_.value = value_;
  operation_.claim.key = lock_key_;
  operation_.claim.owner = lock_owner_;
  // Others may have met another process meanwhile, to which a proxy has led this connection, too.
  if (!connection_->open() || process_.kept().incarnation.load() != process_.incarnation()) process_.Forget();
}

void ClassicOperation::Fail(ClassicStatus status) {
  Disconnect();
  outcome_.reply = NodeReply();
  outcome_.reply.status = NodeStatus::kError;
  outcome_.reply.failure = status.failure;
  outcome_.reply.error = std::move(status.what);
}

void ClassicOperation::Disconnect() {
  connection_->Drop();
  process_.Forget();
}

// Where the node was reached last is good enough while the name server is not there, and has half of the time then.
Result<HostAddresses> ClassicOperation::Addresses(TimePoint deadline) const {
  const NodeAddress& address = target_.address;
  if (address.is_unix()) return HostAddresses{address.unix_path};
  const std::string kept = KeptAddress(process_.kept());
  const TimePoint now = Now();
  Result<HostAddresses> found =
      Resolver::OfProcess().Resolve(address.host, kept.empty() ? deadline : now + (deadline - now) / 2);
  if (!found.ok() && !kept.empty()) return HostAddresses{kept};
  return found;
}

bool ClassicOperation::Connect() {
  fresh_ = !connection_->open();
  if (!fresh_) return true;
  const TimePoint deadline = std::min(operation_.deadline, Now() + target_.timeouts.connect);
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
    status = connection_->Open(target_, host, share, operation_.deadline);
    outcome_.waits += connection_->login_waits();
    if (!status.ok()) continue;
    if (!target_.address.is_unix() && host != target_.address.host) KeepAddress(&process_.kept(), host);
    ++outcome_.connects;
    return true;
  }
  Fail(std::move(status));
  return false;
}

// An old connection may be gone without our knowing; then once more on a fresh one. Sending a conditional write twice
// is safe: if the first one was stored after all, the second meets another token or an item that exists, changes
// nothing, and reads back the very bytes that were sent.
void ClassicOperation::Run() {
  for (;;) {
    if (!Connect()) return;
    if (operation_.kind == NodeOperation::Kind::kWrite && !PrepareWrite()) return;
    const TimePoint now = Now();
    const bool doubtful = !fresh_ && now - connection_->used_at() >= target_.timeouts.idle;
    ClassicStatus status = Fly(doubtful ? now + (operation_.deadline - now) / 2 : operation_.deadline);
    if (status.ok()) return;
    // Who has evicted the sentinel gets it again with the next connection.
    const bool may_be_stale =
        status.failure == NodeFailure::kClosed || status.empty || (doubtful && status.failure == NodeFailure::kTimeout);
    if (fresh_ || retried_ || !may_be_stale || Now() >= operation_.deadline) return Fail(std::move(status));
    Disconnect();
    retried_ = true;
  }
}

ClassicStatus ClassicOperation::SendStore(TimePoint deadline) {
  if (operation_.kind == NodeOperation::Kind::kWrite) {
    conditional_ = process_.Gave(operation_.expected);
    const uint64_t cas = conditional_ ? operation_.expected.cas : 0;
    return connection_->SendStore(operation_.key, value_, NodeItemExpiration(operation_.ttl), cas, deadline);
  }
  if (lock_key_.empty()) return {};
  return connection_->SendStore(lock_key_, lock_owner_, NodeItemExpiration(operation_.claim.lease), 0, deadline);
}

ClassicStatus ClassicOperation::Fly(TimePoint deadline) {
  std::array<std::string_view, 3> keys = {operation_.key};
  size_t size = 1;
  if (operation_.key != kSentinelKey) keys[size++] = kSentinelKey;
  if (!lock_key_.empty()) keys[size++] = lock_key_;
  const std::span<const std::string_view> asked(keys.data(), size);
  ClassicStatus status = SendStore(deadline);
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
  process_.Learn(&seen->value);
  return true;
}

// Before a token or a large value is sent on a connection whose node process is not known.
bool ClassicOperation::LearnIncarnation() {
  ++outcome_.waits;
  const std::array<std::string_view, 1> keys = {kSentinelKey};
  std::vector<ClassicItem> items;
  ClassicStatus status = connection_->SendGets(keys, operation_.deadline);
  if (status.ok()) status = connection_->Fetch(keys, operation_.deadline, &items);
  if (status.ok()) return Learn(items);
  Fail(std::move(status));
  return false;
}

// The connection is lost by asking where the node does not tell, as with a proxy that closes at what it does not know.
void ClassicOperation::AskSizeMax() {
  const TimePoint now = Now();
  outcome_.waits += 2;  // libmemcached asks for the version first
  // Half of what is left: a node that keeps silent about this may still store.
  const uint64_t size_max = connection_->AskItemSizeMax(now + (operation_.deadline - now) / 2);
  process_.SetItemSizeMax(size_max);
  if (size_max == 0) Disconnect();
}

// Goes on until the write may be sent. False: there is a reply.
bool ClassicOperation::PrepareWrite() {
  for (;;) {
    switch (process_.NextStep(operation_)) {
      case WriteStep::kAskIncarnation:
        if (!LearnIncarnation()) return false;
        break;
      case WriteStep::kAskSizeMax:
        AskSizeMax();
        if (!connection_->open() && !Connect()) return false;
        break;
      case WriteStep::kTooLarge:
        outcome_.reply = process_.OrTooLarge(operation_, {});
        return false;
      case WriteStep::kSend:
        return true;
    }
  }
}

void ClassicOperation::TakeItems(std::vector<ClassicItem> items) {
  // The node may have no room for the sentinel, or have evicted it. On a connection that has seen it, the process is
  // still the same; else it gets a name for this answer only.
  const bool nameless = !Learn(items) && !process_.known();
  if (nameless) process_.Learn(nullptr);
  ClassicItem* item = nullptr;
  ClassicItem* lock = nullptr;
  for (ClassicItem& each : items) {
    if (each.key == operation_.key) item = &each;
    if (!lock_key_.empty() && each.key == lock_key_) lock = &each;
  }
  outcome_.reply = operation_.kind == NodeOperation::Kind::kWrite ? WriteReply(item) : ReadReply(item, lock);
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
  const bool unchanged = item == nullptr ? !conditional_ : conditional_ && item->cas == operation_.expected.cas;
  reply.status = NodeStatus::kConflict;
  if (!unchanged) return reply;
  // The node did not store what it could have stored: for its size, perhaps.
  reply.status = NodeStatus::kRefused;
  if (process_.MayBeTooLarge(operation_)) AskSizeMax();
  return process_.OrTooLarge(operation_, std::move(reply));
}

}  // namespace clustered_session
