// The steps of an operation on a connection, see meta_attempt.h. Layer: memcached.
#include "src/memcached/meta_attempt.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

constexpr MetaCommand Get(std::string_view key) { return {MetaCommand::Kind::kGet, key, {}, 0, 0, 0}; }

}  // namespace

void MetaAttempt::Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline) {
  process_.Forget();
  fresh_ = true;
  connection_.Open(hosts, now, deadline);
}

void MetaAttempt::Begin(const MetaOperation* operation, TimePoint now) {
  operation_ = operation;
  done_ = answered_ = false;
  NextStep(now);
  Continue(now);
}

void MetaAttempt::Drop() {
  connection_.Drop();
  operation_ = nullptr;
}

void MetaAttempt::WaitBriefly() {
  connection_.WaitBriefly();
  Continue(std::chrono::steady_clock::now());
}

void MetaAttempt::Advance(const pollfd& wait, TimePoint polled_at) {
  connection_.Advance(wait, polled_at);
  Continue(polled_at);
}

NodeReply MetaAttempt::TakeReply() {
  operation_ = nullptr;
  fresh_ = false;
  return std::move(reply_);
}

void MetaAttempt::Continue(TimePoint now) {
  if (connection_.TakeConnected()) {
    counters_->node_connects.Add();
    const bool by_name = !node_.is_unix() && connection_.host() != node_.host;
    if (by_name) process_.KeepAddress(connection_.host());
  }
  while (!done_ && !connection_.under_way()) {
    if (connection_.failed()) {
      TakeFailure(now);
    } else {
      TakeStep(now);
    }
  }
}

// -- What is asked --------------------------------------------------------------------------------------------------

// Decides what may be sent: nothing that the node's limit forbids, and a token only to the process that gave it.
void MetaAttempt::NextStep(TimePoint now) {
  if (operation_->kind == MetaOperation::Kind::kRead) return AskFlight();
  const bool large = operation_->value.size() > kAskSizeMaxBefore;
  const uint64_t last_known = process_.LastItemSizeMax();
  const bool suspect = last_known != 0 && TooLarge(last_known);  // perhaps of a process that is gone
  if (!process_.known() && (operation_->expected.known() || large || suspect)) return AskIncarnation();
  if (large && process_.ItemSizeMax() == 0 && process_.keeps_limit()) return AskSettings(Step::kSettings, now);
  if (!AnswerTooLarge()) AskFlight();
}

// Before anything else is sent: one wait, part of connecting.
void MetaAttempt::AskIncarnation() {
  step_ = Step::kIncarnation;
  counters_->node_waits.Add();
  const MetaCommand command = Get(kSentinelKey);
  connection_.Ask({&command, 1}, operation_->deadline);
}

void MetaAttempt::AskSettings(Step step, TimePoint now) {
  step_ = step;
  counters_->node_waits.Add();
  const MetaCommand command{MetaCommand::Kind::kSettings, {}, {}, 0, 0, 0};
  // Half of what is left: a node that keeps silent about this may still store.
  connection_.Ask({&command, 1}, now + (operation_->deadline - now) / 2);
}

void MetaAttempt::AskFlight() {
  using Kind = MetaCommand::Kind;
  step_ = Step::kFlight;
  const LockClaim& claim = operation_->claim;
  std::array<MetaCommand, kMetaCommandsMax> commands;
  size_t size = 0;
  if (operation_->kind == MetaOperation::Kind::kWrite) {
    conditional_ = operation_->expected.known() && operation_->expected.incarnation == process_.incarnation();
    const uint64_t cas = conditional_ ? operation_->expected.cas : 0;
    commands[size++] = {Kind::kStore, operation_->key, operation_->value, operation_->expiration,
                        cas,          operation_->mark};
  } else {
    if (!claim.key.empty()) {
      commands[size++] = {Kind::kOffer, claim.key, claim.owner, NodeItemExpiration(claim.lease), 0, 0};
    }
    commands[size++] = Get(operation_->key);
    if (!claim.key.empty()) commands[size++] = Get(claim.key);
  }
  if (!process_.known()) commands[size++] = Get(kSentinelKey);
  commands_size_ = size;
  connection_.Ask({commands.data(), size}, operation_->deadline);
}

// -- What is answered -----------------------------------------------------------------------------------------------

void MetaAttempt::Answer(NodeReply reply) {
  reply_ = std::move(reply);
  done_ = answered_ = true;
}

void MetaAttempt::LearnFrom(const MetaReply& sentinel) {
  process_.Learn(sentinel.result == MetaResult::kHit ? &sentinel.value : nullptr);
}

// A step was answered.
void MetaAttempt::TakeStep(TimePoint now) {
  switch (step_) {
    case Step::kIncarnation:
      LearnFrom(connection_.reply(0));
      return NextStep(now);
    case Step::kSettings:
      process_.SetItemSizeMax(connection_.reply(0).cas);
      return NextStep(now);
    case Step::kSettingsAfter:
      process_.SetItemSizeMax(connection_.reply(0).cas);
      if (!AnswerTooLarge()) Answer(std::move(reply_));
      return;
    case Step::kFlight:
      return TakeFlight(now);
  }
}

// A step was not answered. Without the limit it goes on: a node, or a proxy, that does not tell it is not asked again.
// Its answer may still come, so it is not waited for another one on the same connection.
void MetaAttempt::TakeFailure(TimePoint now) {
  if (step_ == Step::kSettings) {
    process_.SetItemSizeMax(0);
    Open({connection_.host()}, now, std::min(operation_->deadline, now + timeouts_.connect));
    NextStep(now);
  } else if (step_ == Step::kSettingsAfter) {
    process_.SetItemSizeMax(0);
    Answer(std::move(reply_));
  } else {
    done_ = true;
  }
}

void MetaAttempt::TakeFlight(TimePoint now) {
  if (!process_.known()) LearnFrom(connection_.reply(commands_size_ - 1));
  if (operation_->kind == MetaOperation::Kind::kWrite) return TakeStore(connection_.reply(0), now);
  const bool claims = !operation_->claim.key.empty();
  MetaReply& got = connection_.reply(claims ? 1 : 0);
  NodeReply reply;
  reply.status = NodeStatus::kMiss;
  if (got.result == MetaResult::kHit) {
    reply.status = NodeStatus::kHit;
    reply.value = std::move(got.value);
    reply.token = {got.cas, process_.incarnation()};
  }
  if (claims && connection_.reply(2).result == MetaResult::kHit) {
    reply.lock_owner = std::move(connection_.reply(2).value);
    reply.lock_token = {connection_.reply(2).cas, process_.incarnation()};
  }
  Answer(std::move(reply));
}

void MetaAttempt::TakeStore(const MetaReply& stored, TimePoint now) {
  NodeReply reply;
  reply.status = NodeStatus::kConflict;
  if (stored.result == MetaResult::kStored) {
    reply.status = NodeStatus::kStored;
    reply.token = {stored.cas, process_.incarnation()};
  } else if (stored.result == MetaResult::kOther) {
    reply.status = NodeStatus::kContested;
  } else if (stored.result == MetaResult::kRefused) {
    // The node did not store what it could have stored: for its size, perhaps.
    reply.status = NodeStatus::kRefused;
    reply.token = {stored.cas, process_.incarnation()};
    if (operation_->value.size() > kAskSizeMaxAfter && process_.keeps_limit()) {
      reply_ = std::move(reply);
      if (process_.ItemSizeMax() == 0) return AskSettings(Step::kSettingsAfter, now);
      if (!AnswerTooLarge()) Answer(std::move(reply_));
      return;
    }
  }
  Answer(std::move(reply));
}

bool MetaAttempt::TooLarge(uint64_t size_max) const {
  return operation_->key.size() + operation_->value.size() + kNodeItemOverhead > size_max;
}

// If the value is larger than the node takes, that is the answer.
bool MetaAttempt::AnswerTooLarge() {
  const uint64_t size_max = process_.ItemSizeMax();
  if (size_max == 0 || !TooLarge(size_max)) return false;
  NodeReply reply;
  reply.status = NodeStatus::kTooLarge;
  reply.size_max = size_max;
  Answer(std::move(reply));
  return true;
}

}  // namespace clustered_session
