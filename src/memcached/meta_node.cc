// Operations on a node with meta commands: names, connections, tries. See meta_node.h. Layer: memcached.
#include "src/memcached/meta_node.h"

#include <algorithm>
#include <utility>

#include "src/cluster/flight.h"
#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

constexpr Duration kNap = std::chrono::milliseconds(1);

}  // namespace

MetaNode::MetaNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health, Counters* counters,
                   const NodeCredentials& credentials)
    : parsed_(address),
      address_(address.ToString()),
      timeouts_(timeouts),
      credentials_(credentials),
      health_(health),
      counters_(counters),
      first_(std::make_unique<MetaAttempt>(parsed_, timeouts_, credentials_, health, counters)) {}

// -- Starting -------------------------------------------------------------------------------------------------------

void MetaNode::StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) {
  Begin(MetaOperation::Kind::kRead, key, deadline);
  if (claim != nullptr) operation_.claim = *claim;
  Launch();
}

void MetaNode::StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                          const NodeToken& expected, TimePoint deadline) {
  Begin(MetaOperation::Kind::kWrite, key, deadline);
  operation_.value = value;
  operation_.expiration = NodeItemExpiration(ttl);
  operation_.expected = expected;
  operation_.mark = NewMark();
  Launch();
}

void MetaNode::Begin(MetaOperation::Kind kind, std::string_view key, TimePoint deadline) {
  // An answer nobody waited for must not be taken for the next one.
  if (!done_) first_->Drop();
  beside_.reset();
  lookup_.reset();
  operation_ = MetaOperation();
  operation_.kind = kind;
  operation_.key = key;
  started_ = std::chrono::steady_clock::now();
  limit_ = deadline;
  operation_.deadline = std::min(deadline, started_ + timeouts_.connect + timeouts_.operation);
  beside_at_ = started_ + std::min(timeouts_.operation, operation_.deadline - started_) / 4;
  beside_problem_ = MetaProblem();
  may_be_forgotten_ = retried_ = done_ = not_meta_ = false;
  reply_ = NodeReply();
}

void MetaNode::Launch() {
  if (!IsNodeItemKey(operation_.key)) return Fail(NodeFailure::kLocal, "not a key that memcached accepts");
  const TimePoint used_at = first_->connection().used_at();
  const bool suspect = used_at < first_->process().ForgottenAt();
  if (!first_->connection().usable() || suspect) return Connect(started_);
  may_be_forgotten_ = started_ - used_at >= timeouts_.idle;
  first_->Begin(&operation_, started_);
  Judge(started_);
}

// Where the node was reached last is good enough while the name server is not there, which has half of the time then.
void MetaNode::Connect(TimePoint now) {
  first_->Drop();
  connect_deadline_ = std::min(operation_.deadline, now + timeouts_.connect);
  if (parsed_.is_unix()) return Open({parsed_.unix_path}, now);
  if (Resolver::IsNumeric(parsed_.host)) return Open({parsed_.host}, now);
  lookup_ = Resolver::OfProcess().Begin(parsed_.host);
  const bool kept = !first_->process().KeptAddress().empty();
  lookup_deadline_ = kept ? now + (connect_deadline_ - now) / 2 : connect_deadline_;
}

void MetaNode::TakeAddresses(TimePoint now) {
  std::optional<Result<HostAddresses>> found = lookup_->Take();
  if (!found && now < lookup_deadline_) return;
  lookup_.reset();
  if (!found) found = Error(ErrorCode::kTimeout, "cannot resolve its name: no answer");
  const std::string kept = first_->process().KeptAddress();
  if (found->ok()) return Open(found->value(), now);
  if (!kept.empty()) return Open({kept}, now);
  Fail(NodeFailure::kResolve, found->error().message());
}

void MetaNode::Open(const HostAddresses& hosts, TimePoint now) {
  first_->Open(hosts, now, connect_deadline_);
  first_->Begin(&operation_, now);
  Judge(now);
}

// The connection may be forgotten: the node is asked on another one, where it was reached last.
void MetaNode::AskBeside(TimePoint now) {
  may_be_forgotten_ = false;
  beside_ = std::make_unique<MetaAttempt>(parsed_, timeouts_, credentials_, health_, counters_);
  beside_->Open({first_->connection().host()}, now, std::min(operation_.deadline, now + timeouts_.connect));
  beside_->Begin(&operation_, now);
  Judge(now);
}

// -- Waiting --------------------------------------------------------------------------------------------------------

void MetaNode::WaitBegins(TimePoint now) {
  const Duration late = now - started_;
  for (TimePoint* each : {&operation_.deadline, &connect_deadline_, &lookup_deadline_}) {
    *each = std::min(*each + late, std::max(*each, limit_));
  }
  beside_at_ += late;
  first_->connection().Postpone(late, limit_);
}

bool MetaNode::WaitBriefly() {
  if (lookup_ != nullptr || first_->fresh() || !first_->under_way()) return done_;
  if (std::chrono::steady_clock::now() + std::chrono::milliseconds(10) > operation_.deadline) return done_;
  first_->WaitBriefly();
  Judge(std::chrono::steady_clock::now());
  return done_;
}

TimePoint MetaNode::AddWaits(std::vector<pollfd>* waits) {
  if (lookup_ != nullptr) {
    const int descriptor = lookup_->descriptor();
    waits->push_back({descriptor, POLLIN, 0});
    return descriptor >= 0 ? lookup_deadline_ : std::min(lookup_deadline_, std::chrono::steady_clock::now() + kNap);
  }
  TimePoint until = may_be_forgotten_ ? beside_at_ : TimePoint::max();
  for (MetaAttempt* each : {first_.get(), beside_.get()}) {
    if (each == nullptr || !each->under_way()) continue;
    waits->push_back(each->connection().Wanted());
    until = std::min(until, each->connection().deadline());
  }
  return until;
}

void MetaNode::Advance(std::span<const pollfd> waits, TimePoint polled_at) {
  if (lookup_ != nullptr) return TakeAddresses(polled_at);
  size_t index = 0;
  for (MetaAttempt* each : {first_.get(), beside_.get()}) {
    if (each == nullptr || !each->under_way()) continue;
    each->Advance(waits[index++], polled_at);
  }
  Judge(polled_at);
  if (done_ || !may_be_forgotten_ || lookup_ != nullptr) return;
  if (first_->connection().heard()) {
    may_be_forgotten_ = false;
  } else if (polled_at >= beside_at_) {
    AskBeside(polled_at);
  }
}

// -- Ending ---------------------------------------------------------------------------------------------------------

// The first answer counts. A failure counts if no other try is under way.
void MetaNode::Judge(TimePoint now) {
  if (done_ || lookup_ != nullptr) return;
  for (MetaAttempt* each : {first_.get(), beside_.get()}) {
    if (each != nullptr && each->done() && !each->failed()) return TakeAnswer(each, now);
  }
  if (beside_ != nullptr && beside_->done()) {
    beside_problem_ = beside_->connection().problem();
    beside_.reset();
  }
  if (first_->done() && beside_ == nullptr) TakeFailure(now);
}

void MetaNode::TakeAnswer(MetaAttempt* attempt, TimePoint now) {
  reply_ = attempt->TakeReply();
  done_ = true;
  if (attempt == beside_.get()) {
    first_ = std::move(beside_);
    first_->process().SetForgotten(now);
  }
  beside_.reset();
}

// What a new connection has failed at tells more than an old one that kept silent.
void MetaNode::TakeFailure(TimePoint now) {
  const MetaProblem problem = first_->connection().problem();
  if (beside_problem_.failure != NodeFailure::kNone) {
    not_meta_ = beside_problem_.not_meta;
    return Fail(beside_problem_.failure, beside_problem_.what);
  }
  const bool fresh = first_->fresh();
  if (problem.lost && !fresh && !retried_ && now < operation_.deadline) {
    retried_ = true;
    may_be_forgotten_ = false;
    return Connect(now);
  }
  // Some proxies close the connection at what they do not know.
  not_meta_ = problem.not_meta || (problem.lost && fresh && !retried_ && now < operation_.deadline);
  Fail(problem.failure, problem.what);
}

void MetaNode::Fail(NodeFailure failure, const std::string& what) {
  first_->Drop();
  beside_.reset();
  lookup_.reset();
  done_ = true;
  reply_ = NodeReply();
  reply_.status = NodeStatus::kError;
  reply_.failure = failure;
  reply_.error = "node " + name() + " (" + address_ + "): " + what;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  const auto elapsed_ms = std::chrono::round<std::chrono::milliseconds>(elapsed).count();
  if (elapsed_ms > 0) reply_.error += " after " + std::to_string(elapsed_ms) + " ms";
}

NodeReply MetaNode::Finish(MetaOperation::Kind kind) {
  if (operation_.kind != kind) {
    started_ = std::chrono::steady_clock::now();
    Fail(NodeFailure::kLocal, "no such operation under way");
  } else if (!done_ && lookup_ == nullptr && !first_->connection().ours()) {
    Fail(NodeFailure::kLocal, "the connection belongs to another process");
  } else if (!done_) {
    Pollable* const self = this;
    DriveFlight({&self, 1});
  }
  operation_.kind = MetaOperation::Kind::kNone;
  if (reply_.status == NodeStatus::kError && !not_meta_) counters_->node_errors.Add();
  return std::move(reply_);
}

void MetaNode::Release(std::string_view key, const NodeToken& held, TimePoint) {
  MetaConnection& connection = first_->connection();
  if (!connection.usable() || !held.known() || held.incarnation != first_->process().incarnation()) return;
  std::string text;
  AppendRemove(key, held.cas, &text);
  (void)connection.SendNow(text);
}

}  // namespace clustered_session
