// What the engines of a node have in common, see node_engine.h. Layer: memcached.
#include "src/memcached/node_engine.h"

#include <algorithm>
#include <utility>

#include "src/base/process_number.h"
#include "src/memcached/node_item.h"

namespace clustered_session {

NodeEngine::NodeEngine(const NodeTarget& target, Counters* counters)
    : target_(target), address_(target.address.ToString()), counters_(counters) {}

void NodeEngine::StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) {
  Start({.kind = NodeOperation::Kind::kRead,
         .key = std::string(key),
         .claim = claim != nullptr ? *claim : LockClaim(),
         .deadline = deadline,
         .show = show});
}

void NodeEngine::StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                            const NodeToken& expected, TimePoint deadline, uint32_t mark) {
  Start({.kind = NodeOperation::Kind::kWrite,
         .key = std::string(key),
         .value = value,
         .ttl = ttl,
         .expected = expected,
         .deadline = deadline,
         .mark = mark});
}

void NodeEngine::Start(const NodeOperation& operation) {
  // An answer nobody waited for must not be taken for the next one.
  if (under_way_ && !reply_) GiveUp();
  operation_ = operation;
  started_ = std::chrono::steady_clock::now();
  limit_ = operation.deadline;
  operation_.deadline = std::min(limit_, started_ + target_.timeouts.connect + target_.timeouts.operation);
  process_ = ProcessNumber();
  under_way_ = true;
  not_meta_ = false;
  reply_.reset();
  const bool bad_batch = operation.batch.size() > kBatchPartsMax ||
                         std::any_of(operation.batch.begin(), operation.batch.end(),
                                     [](const BatchPart& part) { return !IsNodeItemKey(part.key); });
  if (IsNodeItemKey(operation_.key) && !bad_batch) {
    Launch();
  } else {
    Fail(NodeFailure::kLocal, "not a key that memcached accepts");
  }
}

void NodeEngine::Fail(NodeFailure failure, const std::string& what) {
  GiveUp();
  NodeReply& reply = reply_.emplace();
  reply.status = NodeStatus::kError;
  reply.failure = failure;
  reply.error = "node " + name() + " (" + address_ + "): " + what;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  const auto elapsed_ms = std::chrono::round<std::chrono::milliseconds>(elapsed).count();
  if (elapsed_ms > 0) reply.error += " after " + std::to_string(elapsed_ms) + " ms";
}

NodeReply NodeEngine::Finish(NodeOperation::Kind kind) {
  if (!under_way_ || operation_.kind != kind) {
    started_ = std::chrono::steady_clock::now();
    Fail(NodeFailure::kLocal, "no such operation under way");
  } else if (!reply_ && process_ != ProcessNumber()) {
    Fail(NodeFailure::kLocal, "the connection belongs to another process");
  } else if (!reply_) {
    Await();
  }
  under_way_ = false;
  if (reply_->status == NodeStatus::kError && !not_meta_) counters_->node_errors.Add();
  return *std::exchange(reply_, std::nullopt);
}

}  // namespace clustered_session
