#include "tests/support/fake_node.h"

#include <utility>

#include "src/cluster/sentinel.h"

namespace clustered_session {
namespace {

// In two parts, and what is gone by then is not shown.
class FakeListing final : public KeyListing {
 public:
  FakeListing(FakeMemcached* server, bool reached) : server_(server), reached_(reached) {
    for (const auto& [key, item] : server->items()) keys_.push_back(key);
  }

  State Step(Duration, const Take& take) override {
    if (!reached_ || server_->down() || server_->hung()) return State::kFailed;
    if (server_->lists() != State::kWhole) return server_->lists();
    for (size_t count = keys_.size() / 2 + 1; count > 0 && !keys_.empty(); --count) {
      const FakeMemcached::Item* item = server_->Find(keys_.back());
      if (item != nullptr) take(keys_.back(), keys_.back().size() + item->value.size() + 60);
      keys_.pop_back();
    }
    return keys_.empty() ? State::kWhole : State::kUnderWay;
  }

 private:
  FakeMemcached* server_;
  const bool reached_;
  std::vector<std::string> keys_;
};

}  // namespace

FakeMemcached::FakeMemcached(std::string name, const Clock* clock)
    : name_(std::move(name)), clock_(clock), empty_at_s_(clock->UnixSeconds() - 30 * 24 * 3600) {}

void FakeMemcached::RestartEmpty() {
  RestartWith({});
  empty_at_s_ = clock_->UnixSeconds();
}

void FakeMemcached::Flush() {
  items_.clear();
  flushed_ = true;
}

std::string FakeMemcached::Sentinel() const { return SentinelValue(std::to_string(incarnation_), empty_at_s_); }

void FakeMemcached::RestartWith(std::map<std::string, Item> items) {
  items_ = std::move(items);
  flushed_ = false;
  last_cas_ = 0;
  delayed_.clear();  // they were on connections to the process that is gone
  for (auto& [key, item] : items_) item.cas = ++last_cas_;
  if (!keeps_incarnation_) ++incarnation_;
}

FakeMemcached::Item* FakeMemcached::Find(const std::string& key) {
  const auto found = items_.find(key);
  if (found == items_.end()) return nullptr;
  if (found->second.expires_at > clock_->Now()) return &found->second;
  items_.erase(found);
  return nullptr;
}

// Counts one more that went well, or says that this one does not.
bool FakeMemcached::IsDue(int* after) {
  if (*after < 0) return false;
  return (*after)-- == 0;
}

void FakeMemcached::Happen(std::function<void()>* what) {
  if (const std::function<void()> due = std::exchange(*what, {})) due();
}

NodeReply FakeMemcached::Unreachable() const {
  NodeReply reply;
  reply.status = NodeStatus::kError;
  reply.failure = NodeFailure::kConnectRefused;
  reply.error = "node " + name_ + " (fake:" + name_ + "): connection refused";
  return reply;
}

NodeReply FakeMemcached::Silent() const {
  NodeReply reply = Unreachable();
  reply.failure = NodeFailure::kTimeout;
  reply.error = "node " + name_ + " (fake:" + name_ + "): no answer";
  return reply;
}

bool FakeMemcached::AwaitAnswer(TimePoint deadline) const {
  if (hung_ != nullptr && InTime(deadline)) hung_->Advance(deadline - clock_->Now());
  return hung_ == nullptr;
}

NodeReply FakeMemcached::Read(const std::string& key, const LockClaim* claim, Show show) {
  ++reads;
  if (down_) return Unreachable();
  if (claim != nullptr) Store(std::string(claim->key), std::string(claim->owner), claim->lease, {}, 0);
  if (IsDue(&lose_answer_after_) || (show == Show::kValue && key == loses_value_of_)) return Silent();
  NodeReply reply;
  if (const Item* lock = claim == nullptr ? nullptr : Find(std::string(claim->key)); lock != nullptr) {
    reply.lock_owner = lock->value;
    reply.lock_token = {lock->cas, incarnation_};
  }
  if (key == kSentinelKey && !flushed_) {
    reply.status = NodeStatus::kHit;
    reply.value = Sentinel();
    reply.token = {1, incarnation_};
    return reply;
  }
  const Item* item = Find(key);
  reply.status = item == nullptr ? NodeStatus::kMiss : NodeStatus::kHit;
  if (item == nullptr) return reply;
  reply.token = {item->cas, incarnation_};
  reply.ttl = std::chrono::duration_cast<std::chrono::seconds>(item->expires_at - clock_->Now());
  reply.value_left_out = show == Show::kMark && leaves_out_;
  if (reply.value_left_out) {
    reply.mark = item->mark;
  } else {
    reply.value = item->value;
    ++values_shown;
  }
  return reply;
}

void FakeMemcached::Release(const std::string& key, const NodeToken& held) {
  const Item* item = down_ || held.incarnation != incarnation_ ? nullptr : Find(key);
  if (item != nullptr && item->cas == held.cas) items_.erase(key);
}

void FakeMemcached::Extend(const std::string& key, std::string_view bytes) {
  Item* item = down_ || hung_ != nullptr || full_ ? nullptr : Find(key);
  if (item == nullptr) return;
  item->value += bytes;
  NewToken(item);
}

// A conditional write as memcached's cas and add do it. Whether the condition held.
bool FakeMemcached::Store(const std::string& key, const std::string& value, std::chrono::seconds ttl,
                          const NodeToken& expected, uint32_t mark) {
  const Item* item = Find(key);
  const bool token_holds = expected.known() && expected.incarnation == incarnation_;
  const bool matches = token_holds ? item != nullptr && item->cas == expected.cas : item == nullptr;
  if ((matches || unconditional_) && !full_) items_[key] = {value, ++last_cas_, clock_->Now() + ttl, mark};
  return matches;
}

// The network gives up a write that it had kept: what a server sent long ago reaches the node now.
void FakeMemcached::DeliverDelayed() {
  for (const DelayedWrite& write : std::exchange(delayed_, {})) {
    Store(write.key, write.value, write.ttl, write.expected, write.mark);
  }
}

NodeReply FakeMemcached::Write(const std::string& key, const std::string& value, std::chrono::seconds ttl,
                               const NodeToken& expected, uint32_t mark) {
  ++writes;
  Happen(&before_write_);
  if (down_ || writes_left_ == 0) return Unreachable();
  if (writes_left_ > 0) --writes_left_;
  NodeReply reply;
  if (value.size() > size_max_) {
    reply.status = NodeStatus::kTooLarge;
    reply.size_max = size_max_;
    return reply;
  }
  if (IsDue(&delay_write_after_)) {
    delayed_.push_back({key, value, ttl, expected, mark});
    return Silent();
  }
  const bool matched = Store(key, value, ttl, expected, mark);
  const Item* item = Find(key);
  if (IsDue(&lose_answer_after_)) return Silent();
  if (item != nullptr) {
    reply.value = item->value;
    reply.token = {item->cas, incarnation_};
  }
  // As memcached_node.cc tells it: refused is what changed nothing although its condition held.
  reply.status = item != nullptr && item->value == value ? NodeStatus::kStored
                 : matched                               ? NodeStatus::kRefused
                                                         : NodeStatus::kConflict;
  Happen(&after_write_);
  return reply;
}

bool FakeNode::Reaches() {
  ++asked_;
  if (partitioned_) return false;
  if (operations_left_ == nullptr || *operations_left_ < 0) return true;
  if (*operations_left_ == 0) return false;
  --*operations_left_;
  return true;
}

// What is cut off is refused at once.
void FakeNode::StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) {
  deadline_ = NodeTime(deadline);
  in_time_ = server_->InTime(deadline_);
  reached_ = Reaches();
  reply_ = reached_ ? server_->Read(std::string(key), claim, show) : server_->Unreachable();
}

void FakeNode::StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                          const NodeToken& expected, TimePoint deadline, uint32_t mark) {
  deadline_ = NodeTime(deadline);
  in_time_ = server_->InTime(deadline_);
  reached_ = Reaches();
  reply_ =
      reached_ ? server_->Write(std::string(key), std::string(value), ttl, expected, mark) : server_->Unreachable();
  if (reply_.status == NodeStatus::kStored) stored_.push_back({std::string(key), std::string(value)});
}

// All that is asked at once arrives at once.
void FakeNode::StartBatch(BatchParts parts, TimePoint deadline) {
  deadline_ = NodeTime(deadline);
  in_time_ = server_->InTime(deadline_);
  reached_ = Reaches();
  if (reached_) ++server_->batches;
  batch_ = parts;
  reply_ = {};
  reply_.status = NodeStatus::kHit;
  for (const BatchPart& part : parts) {
    const std::string key(part.key);
    NodeReply one = !reached_ ? server_->Unreachable()
                    : part.kind == BatchPart::Kind::kStore
                        ? server_->Write(key, std::string(part.value), part.ttl, part.expected, part.mark)
                        : server_->Read(key, nullptr, part.kind == BatchPart::Kind::kLook ? Show::kMark : Show::kValue);
    if (one.status == NodeStatus::kError) {
      reply_ = std::move(one);
      return;
    }
    reply_.batch.push_back(Shown(std::move(one)));
  }
}

NodeReply FakeNode::FinishBatch() {
  NodeReply reply = Finish();
  for (size_t i = 0; i < reply.batch.size(); ++i) {
    if (reply.batch[i].status != NodeStatus::kStored) continue;
    stored_.push_back({std::string(batch_[i].key), std::string(batch_[i].value)});
  }
  return reply;
}

std::unique_ptr<KeyListing> FakeNode::ListKeys() {
  if (server_->lists() == KeyListing::State::kNone) return nullptr;
  ++server_->lists_begun;
  return std::make_unique<FakeListing>(server_, Reaches());
}

void FakeNode::Release(std::string_view key, const NodeToken& held, TimePoint) {
  if (Reaches()) server_->Release(std::string(key), held);
}

void FakeNode::Extend(std::string_view key, std::string_view bytes) {
  if (Reaches()) server_->Extend(std::string(key), bytes);
}

NodeReply FakeNode::Shown(NodeReply reply) const {
  if (reply.status != NodeStatus::kConflict || !reply.token.known() || server_->shows()) return reply;
  NodeReply contested;
  contested.status = NodeStatus::kContested;
  return contested;
}

NodeReply FakeNode::Finish() {
  NodeReply reply = std::exchange(reply_, {});
  if (reached_ && (!server_->AwaitAnswer(deadline_) || !in_time_)) {
    if (reply.status == NodeStatus::kStored) stored_.pop_back();
    reply = server_->Silent();
  }
  reply = Shown(std::move(reply));
  failed_last_ = reply.status == NodeStatus::kError;
  connected_ = !failed_last_;
  if (!failed_last_) ++answered_;
  return reply;
}

}  // namespace clustered_session
