// What a node's answers mean, and what its size limit allows to be sent. Layer: cluster. See memcached_client.h.
#include <utility>

#include "src/cluster/memcached_client.h"

namespace clustered_session {
namespace {

// What an item takes beside key and value: memcached 1.6 takes 59 bytes, older ones up to 40 more.
constexpr size_t kItemOverhead = 100;
// A node whose limit is unknown is asked for it (one more wait, once per incarnation and server) before a value of this
// size is sent. Smaller values are sent at once; if the node refuses one, it is asked then.
constexpr size_t kAskFirstSize = 64 << 10;
constexpr size_t kAskAfterSize = 1000;  // memcached's smallest limit is 1 KB

}  // namespace

bool MemcachedNode::TooLarge(uint64_t size_max) const {
  return operation_.key.size() + operation_.value.size() + kItemOverhead > size_max;
}

// False if the connection was lost by asking, as with a proxy that closes at what it does not know. It is not asked
// again.
bool MemcachedNode::AskSizeMax() {
  const TimePoint now = std::chrono::steady_clock::now();
  counters_->node_waits.Add();
  // Half of what is left: a node that keeps silent about this may still store.
  const Result<uint64_t> size_max = connection_.AskItemSizeMax(now + (operation_.deadline - now) / 2);
  process_.SetItemSizeMax(size_max.ok() ? *size_max : 0);
  if (!size_max.ok()) connection_.Drop();
  return size_max.ok();
}

NodeReply MemcachedNode::TooLargeReply(uint64_t size_max) const {
  NodeReply reply;
  reply.status = NodeStatus::kTooLarge;
  reply.size_max = size_max;
  return reply;
}

// Decides what may be sent: nothing that the node's limit forbids, and a token only to the process that gave it.
MemcachedNode::Next MemcachedNode::PrepareWrite() {
  const bool large = operation_.value.size() > kAskFirstSize;
  const uint64_t last_known = process_.LastItemSizeMax();
  const bool suspect = last_known != 0 && TooLarge(last_known);  // perhaps of a process that is gone
  if (!process_.known() && (operation_.expected.known() || large || suspect) && !Handshake()) return Next::kDone;

  if (large && process_.ItemSizeMax() == 0 && process_.keeps_limit() && !AskSizeMax()) return Next::kReconnect;
  if (const uint64_t size_max = process_.ItemSizeMax(); size_max != 0 && TooLarge(size_max)) {
    operation_.reply = TooLargeReply(size_max);
    return Next::kDone;
  }
  operation_.conditional = operation_.expected.known() && operation_.expected.incarnation == process_.incarnation();
  return Next::kSend;
}

void MemcachedNode::TakeAnswer(std::vector<MemcachedItem> items) {
  MemcachedItem* item = nullptr;
  MemcachedItem* lock = nullptr;
  MemcachedItem* sentinel = nullptr;
  for (MemcachedItem& each : items) {
    (each.key == operation_.key ? item : each.key == operation_.claim.key ? lock : sentinel) = &each;
  }
  if (!process_.known()) process_.Learn(sentinel != nullptr ? &sentinel->value : nullptr);
  if (operation_.kind == Kind::kWrite) {
    operation_.reply = WriteReply(item);
    return;
  }
  operation_.reply = NodeReply();
  operation_.reply.status = NodeStatus::kMiss;
  if (item != nullptr) operation_.reply = ReadReply(std::move(item->value), item->cas);
  if (lock == nullptr) return;
  operation_.reply.lock_owner = std::move(lock->value);
  operation_.reply.lock_token = {lock->cas, process_.incarnation()};
}

void MemcachedNode::TakeReplies() {
  if (!process_.known()) {  // the last one is the sentinel's
    const MemcachedReply& sentinel = replies_[commands_size_ - 1];
    process_.Learn(sentinel.result == CommandResult::kHit ? &sentinel.value : nullptr);
  }
  if (operation_.kind == Kind::kWrite) {
    operation_.reply = StoreReply(replies_[0]);
    return;
  }
  const bool claims = !operation_.claim.key.empty();
  MemcachedReply& got = replies_[claims ? 1 : 0];
  operation_.reply = NodeReply();
  operation_.reply.status = NodeStatus::kMiss;
  if (got.result == CommandResult::kHit) operation_.reply = ReadReply(std::move(got.value), got.cas);
  if (!claims || replies_[2].result != CommandResult::kHit) return;
  operation_.reply.lock_owner = std::move(replies_[2].value);
  operation_.reply.lock_token = {replies_[2].cas, process_.incarnation()};
}

NodeReply MemcachedNode::ReadReply(std::string value, uint64_t cas) const {
  NodeReply reply;
  reply.status = NodeStatus::kHit;
  reply.value = std::move(value);
  reply.token = {cas, process_.incarnation()};
  return reply;
}

// Our bytes may have been stored and replaced by another writer before they were read back. That is a conflict like any
// other: what that writer wrote was made from ours, or its own write would have been refused.
NodeReply MemcachedNode::WriteReply(MemcachedItem* item) {
  NodeReply reply;
  if (item != nullptr) reply = ReadReply(std::move(item->value), item->cas);
  if (item != nullptr && reply.value == operation_.value) {
    reply.status = NodeStatus::kStored;
    return reply;
  }
  const bool unchanged = item == nullptr ? !operation_.conditional
                                         : operation_.conditional && item->cas == operation_.expected.cas;
  reply.status = NodeStatus::kConflict;
  return unchanged ? Refusal(std::move(reply)) : reply;
}

NodeReply MemcachedNode::StoreReply(const MemcachedReply& stored) {
  NodeReply reply;
  switch (stored.result) {
    case CommandResult::kStored:
      reply.status = NodeStatus::kStored;
      reply.token = {stored.cas, process_.incarnation()};
      return reply;
    case CommandResult::kOther:
      reply.status = NodeStatus::kContested;
      return reply;
    case CommandResult::kRefused:
      reply.token = {stored.cas, process_.incarnation()};
      return Refusal(std::move(reply));
    case CommandResult::kGone:
    case CommandResult::kHit:
    case CommandResult::kMiss:
      break;
  }
  reply.status = NodeStatus::kConflict;
  return reply;
}

// The node did not store what it could have stored: for its size, perhaps.
NodeReply MemcachedNode::Refusal(NodeReply reply) {
  reply.status = NodeStatus::kRefused;
  if (operation_.value.size() <= kAskAfterSize || !process_.keeps_limit()) return reply;
  if (process_.ItemSizeMax() == 0) (void)AskSizeMax();
  if (const uint64_t size_max = process_.ItemSizeMax(); size_max != 0 && TooLarge(size_max)) {
    return TooLargeReply(size_max);
  }
  return reply;
}

}  // namespace clustered_session
