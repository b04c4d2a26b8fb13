// Operations on a node with meta commands: names, connections, tries. See meta_node.h. Layer: memcached.
#include "src/memcached/meta_node.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/memcached/meta_listing.h"

namespace clustered_session {
namespace {

constexpr Duration kLookupNap = std::chrono::milliseconds(1);

bool UnderWay(const MetaAttempt* attempt) {
  return attempt != nullptr && attempt->state() == MetaAttempt::State::kUnderWay;
}

// libmemcached has no TLS, so nothing can take over.
void DemandMeta(MetaProblem* problem) {
  if (std::exchange(problem->not_meta, false)) {
    problem->what = "does not know meta commands, which TLS takes here: memcached 1.6.10 or later";
  }
}

}  // namespace

MetaNode::MetaNode(const NodeTarget& target, NodeHealth* health, Counters* counters)
    : NodeEngine(target, counters), health_(health), first_(std::make_unique<MetaAttempt>(target_, health, counters)) {}

// -- Starting -------------------------------------------------------------------------------------------------------

// All parts in one flight.
void MetaNode::StartBatch(BatchParts parts, TimePoint deadline) {
  const std::string key(parts.empty() ? std::string_view() : parts.front().key);
  Start({NodeOperation::Kind::kBatch, key, {}, {}, {}, {}, deadline, parts});
}

void MetaNode::StartStats(TimePoint deadline) {
  Start({.kind = NodeOperation::Kind::kStats, .key = std::string(kSentinelKey), .deadline = deadline});
}

void MetaNode::GiveUp() {
  first_->Drop();
  beside_.reset();
  lookup_.reset();
}

void MetaNode::Launch() {
  mark_ += 0x9e3779b9;  // no two that could meet are the same: a Weyl sequence from a random start
  beside_at_ = started_ + std::min(target_.timeouts.operation, operation_.deadline - started_) / 4;
  beside_problem_ = MetaProblem();
  may_be_forgotten_ = retried_ = false;
  const TimePoint used_at = first_->connection().used_at();
  const bool suspect = used_at < FromNanos(first_->process().kept().forgotten_at_ns.load(std::memory_order_acquire));
  if (!first_->connection().usable() || suspect) return Connect(started_);
  may_be_forgotten_ = started_ - used_at >= target_.timeouts.idle;
  first_->Begin(&operation_, mark_, started_);
  Judge(started_);
}

// Where the node was reached last is good enough while the name server is not there, which has half of the time then.
void MetaNode::Connect(TimePoint now) {
  first_->Drop();
  connect_deadline_ = std::min(operation_.deadline, now + target_.timeouts.connect);
  const NodeAddress& address = target_.address;
  if (address.is_unix()) return Open({address.unix_path}, now);
  if (Resolver::IsNumeric(address.host)) return Open({address.host}, now);
  lookup_ = Resolver::OfProcess().Begin(address.host);
  const bool kept = !KeptAddress(first_->process().kept()).empty();
  lookup_deadline_ = kept ? now + (connect_deadline_ - now) / 2 : connect_deadline_;
}

void MetaNode::TakeAddresses(TimePoint now) {
  std::optional<Result<HostAddresses>> found = lookup_->Take();
  if (!found && now < lookup_deadline_) return;
  lookup_.reset();
  if (!found) found = Error(ErrorCode::kTimeout, "cannot resolve its name: no answer");
  const std::string kept = KeptAddress(first_->process().kept());
  if (found->ok()) return Open(found->value(), now);
  if (!kept.empty()) return Open({kept}, now);
  Fail(NodeFailure::kResolve, found->error().message());
}

void MetaNode::Open(const HostAddresses& hosts, TimePoint now) {
  first_->Open(hosts, now, connect_deadline_);
  first_->Begin(&operation_, mark_, now);
  Judge(now);
}

// The connection may be forgotten: the node is asked on another one, where it was reached last.
void MetaNode::AskBeside(TimePoint now) {
  may_be_forgotten_ = false;
  beside_ = std::make_unique<MetaAttempt>(target_, health_, counters_);
  beside_->Open({first_->connection().host()}, now, std::min(operation_.deadline, now + target_.timeouts.connect));
  beside_->Begin(&operation_, mark_, now);
  Judge(now);
}

// -- Waiting --------------------------------------------------------------------------------------------------------

void MetaNode::Await() {
  Pollable* const self = this;
  DriveFlight({&self, 1});
}

void MetaNode::WaitBegins(TimePoint now) {
  const Duration late = now - started_;
  for (TimePoint* each : {&operation_.deadline, &connect_deadline_, &lookup_deadline_}) {
    *each = std::min(*each + late, std::max(*each, limit_));
  }
  beside_at_ += late;
  first_->connection().Postpone(late, limit_);
}

bool MetaNode::WaitBriefly() {
  if (lookup_ != nullptr || first_->fresh() || !UnderWay(first_.get())) return done();
  if (std::chrono::steady_clock::now() + std::chrono::milliseconds(10) > operation_.deadline) return done();
  first_->WaitBriefly();
  Judge(std::chrono::steady_clock::now());
  return done();
}

TimePoint MetaNode::AddWaits(std::vector<pollfd>* waits) {
  if (lookup_ != nullptr) {
    const int descriptor = lookup_->descriptor();
    waits->push_back({descriptor, POLLIN, 0});
    return descriptor >= 0 ? lookup_deadline_
                           : std::min(lookup_deadline_, std::chrono::steady_clock::now() + kLookupNap);
  }
  TimePoint until = may_be_forgotten_ ? beside_at_ : TimePoint::max();
  for (MetaAttempt* each : {first_.get(), beside_.get()}) {
    if (!UnderWay(each)) continue;
    waits->push_back(each->connection().Wanted());
    until = std::min(until, each->connection().deadline());
  }
  return until;
}

void MetaNode::Advance(std::span<const pollfd> waits, TimePoint polled_at) {
  if (lookup_ != nullptr) return TakeAddresses(polled_at);
  size_t index = 0;
  for (MetaAttempt* each : {first_.get(), beside_.get()}) {
    if (UnderWay(each)) each->Advance(waits[index++], polled_at);
  }
  Judge(polled_at);
  if (done() || !may_be_forgotten_ || lookup_ != nullptr) return;
  if (first_->connection().heard()) {
    may_be_forgotten_ = false;
  } else if (polled_at >= beside_at_) {
    AskBeside(polled_at);
  }
}

// -- Ending ---------------------------------------------------------------------------------------------------------

// The first answer counts. A failure counts if no other try is under way.
void MetaNode::Judge(TimePoint now) {
  using State = MetaAttempt::State;
  if (done() || lookup_ != nullptr) return;
  const bool by_beside = beside_ != nullptr && beside_->state() == State::kAnswered;
  if (by_beside && first_->state() != State::kAnswered) {
    first_ = std::move(beside_);
    first_->process().kept().forgotten_at_ns.store(ToNanos(now), std::memory_order_release);
  }
  if (first_->state() == State::kAnswered) {
    beside_.reset();
    return Answer(first_->TakeReply());
  }
  if (beside_ != nullptr && beside_->state() == State::kFailed) {
    beside_problem_ = beside_->connection().problem();
    beside_.reset();
  }
  if (first_->state() == State::kFailed && beside_ == nullptr) TakeFailure(now);
}

// What a new connection has failed at tells more than an old one that kept silent.
void MetaNode::TakeFailure(TimePoint now) {
  MetaProblem problem = first_->connection().problem();
  if (target_.address.tls) {
    for (MetaProblem* each : {&problem, &beside_problem_}) DemandMeta(each);
  }
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
  not_meta_ =
      problem.not_meta || (problem.lost && fresh && !retried_ && !target_.address.tls && now < operation_.deadline);
  Fail(problem.failure, problem.what);
}

std::unique_ptr<KeyListing> MetaNode::ListKeys() {
  return std::make_unique<MetaListing>(target_, first_->connection().host());
}

void MetaNode::Release(std::string_view key, const NodeToken& held, TimePoint) {
  MetaConnection& connection = first_->connection();
  if (!connection.usable() || !first_->process().Gave(held)) return;
  std::string text;
  AppendRemove(key, held.cas, &text);
  connection.SendNow(text);
}

void MetaNode::Extend(std::string_view key, std::string_view bytes) {
  MetaConnection& connection = first_->connection();
  if (!connection.usable()) return;
  std::string text;
  AppendExtend(key, bytes, &text);
  connection.SendNow(text);
}

}  // namespace clustered_session
