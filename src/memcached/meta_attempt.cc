// The steps of an operation on a connection, see meta_attempt.h. Layer: memcached.
#include "src/memcached/meta_attempt.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include "src/memcached/node_item.h"

namespace clustered_session {
namespace {

constexpr MetaCommand Get(std::string_view key) { return {MetaCommand::Kind::kGet, key, {}, 0, 0, 0}; }
constexpr MetaCommand Look(std::string_view key) { return {MetaCommand::Kind::kLook, key, {}, 0, 0, 0}; }

}  // namespace

void MetaAttempt::Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline) {
  process_.Forget();
  fresh_ = true;
  connection_.Open(hosts, now, deadline);
}

void MetaAttempt::Begin(const NodeOperation* operation, uint32_t mark, TimePoint now) {
  operation_ = operation;
  mark_ = mark;
  state_ = State::kUnderWay;
  NextStep(now);
  Continue(now);
}

void MetaAttempt::Drop() {
  connection_.Drop();
  state_ = State::kNone;
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
  state_ = State::kNone;
  fresh_ = false;
  return std::move(reply_);
}

void MetaAttempt::Continue(TimePoint now) {
  if (connection_.TakeConnected()) {
    counters_->node_connects.Add();
    if (connection_.whole_handshake()) counters_->tls_handshakes.Add();
    const bool by_name = !target_.address.is_unix() && connection_.host() != target_.address.host;
    if (by_name) KeepAddress(&process_.kept(), connection_.host());
  }
  while (state_ == State::kUnderWay && !connection_.under_way()) {
    if (connection_.failed()) {
      TakeFailure(now);
    } else {
      TakeStep(now);
    }
  }
}

// -- What is asked --------------------------------------------------------------------------------------------------

void MetaAttempt::NextStep(TimePoint now) {
  if (operation_->kind == NodeOperation::Kind::kRead) return AskFlight();
  if (operation_->kind == NodeOperation::Kind::kStats) {
    step_ = Step::kFlight;
    const MetaCommand command = {MetaCommand::Kind::kStats, {}, {}, 0, 0, 0};
    return connection_.Ask({&command, 1}, operation_->deadline);  // no request waits
  }
  if (operation_->kind == NodeOperation::Kind::kBatch) {
    const bool has_token = std::any_of(operation_->batch.begin(), operation_->batch.end(),
                                       [](const BatchPart& part) { return part.expected.known(); });
    if (!process_.known() && has_token) return Ask(Step::kIncarnation, Get(kSentinelKey), operation_->deadline);
    return AskBatch();
  }
  switch (process_.NextStep(*operation_)) {
    case WriteStep::kAskIncarnation:  // one wait, part of connecting
      return Ask(Step::kIncarnation, Get(kSentinelKey), operation_->deadline);
    case WriteStep::kAskSizeMax:
      return AskSettings(Step::kSettings, now);
    case WriteStep::kTooLarge:
      return Answer(process_.OrTooLarge(*operation_, {}));
    case WriteStep::kSend:
      return AskFlight();
  }
}

void MetaAttempt::Ask(Step step, const MetaCommand& command, TimePoint deadline) {
  step_ = step;
  counters_->node_waits.Add();
  connection_.Ask({&command, 1}, deadline);
}

// In half of the time that is left: a node that keeps silent about this may still store.
void MetaAttempt::AskSettings(Step step, TimePoint now) {
  Ask(step, {MetaCommand::Kind::kSettings, {}, {}, 0, 0, 0}, now + (operation_->deadline - now) / 2);
}

void MetaAttempt::AskFlight() {
  using Kind = MetaCommand::Kind;
  step_ = Step::kFlight;
  const LockClaim& claim = operation_->claim;
  std::array<MetaCommand, 4> commands;
  size_t size = 0;
  if (operation_->kind == NodeOperation::Kind::kWrite) {
    const uint64_t cas = process_.Gave(operation_->expected) ? operation_->expected.cas : 0;
    commands[size++] = {Kind::kStore,
                        operation_->key,
                        operation_->value,
                        NodeItemExpiration(operation_->ttl),
                        cas,
                        operation_->mark != 0 ? operation_->mark : mark_};
  } else {
    if (!claim.key.empty()) {
      commands[size++] = {Kind::kOffer, claim.key, claim.owner, NodeItemExpiration(claim.lease), 0, 0};
    }
    commands[size++] = operation_->show == Show::kMark ? Look(operation_->key) : Get(operation_->key);
    if (!claim.key.empty()) commands[size++] = Get(claim.key);
  }
  if (!process_.known()) commands[size++] = Get(kSentinelKey);
  commands_size_ = size;
  connection_.Ask({commands.data(), size}, operation_->deadline);
}

void MetaAttempt::AskBatch() {
  using Kind = MetaCommand::Kind;
  step_ = Step::kFlight;
  std::vector<MetaCommand> commands;
  commands.reserve(operation_->batch.size() + 1);
  for (const BatchPart& part : operation_->batch) {
    const uint64_t cas = process_.Gave(part.expected) ? part.expected.cas : 0;
    switch (part.kind) {
      case BatchPart::Kind::kLook:
        commands.push_back(Look(part.key));
        break;
      case BatchPart::Kind::kRead:
        commands.push_back(Get(part.key));
        break;
      case BatchPart::Kind::kReadAge:
        commands.push_back({Kind::kGetAge, part.key, {}, 0, 0, 0});
        break;
      case BatchPart::Kind::kStore:
        commands.push_back({Kind::kStore, part.key, part.value, NodeItemExpiration(part.ttl), cas,
                            part.mark != 0 ? part.mark : mark_});
        break;
    }
  }
  if (!process_.known()) commands.push_back(Get(kSentinelKey));
  commands_size_ = commands.size();
  connection_.Ask(commands, operation_->deadline);
}

// -- What is answered -----------------------------------------------------------------------------------------------

void MetaAttempt::Answer(NodeReply reply) {
  reply_ = std::move(reply);
  state_ = State::kAnswered;
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
      return Answer(process_.OrTooLarge(*operation_, std::move(reply_)));
    case Step::kFlight:
      if (operation_->kind == NodeOperation::Kind::kStats) return TakeStats();
      if (!process_.known()) LearnFrom(connection_.reply(commands_size_ - 1));
      if (operation_->kind == NodeOperation::Kind::kBatch) return TakeBatch();
      return operation_->kind == NodeOperation::Kind::kRead ? TakeRead() : TakeStore(connection_.reply(0), now);
  }
}

// A step was not answered. Without the limit it goes on: a node, or a proxy, that does not tell it is not asked again.
// Its answer may still come, so it is not waited for another one on the same connection.
void MetaAttempt::TakeFailure(TimePoint now) {
  if (step_ == Step::kSettings) {
    process_.SetItemSizeMax(0);
    Open({connection_.host()}, now, std::min(operation_->deadline, now + target_.timeouts.connect));
    NextStep(now);
  } else if (step_ == Step::kSettingsAfter) {
    process_.SetItemSizeMax(0);
    Answer(std::move(reply_));
  } else {
    state_ = State::kFailed;
  }
}

void MetaAttempt::TakeStats() {
  MetaReply& got = connection_.reply(0);
  NodeReply reply;
  reply.status = got.result == MetaResult::kHit ? NodeStatus::kHit : NodeStatus::kMiss;
  reply.value = std::move(got.value);
  Answer(std::move(reply));
}

void MetaAttempt::TakeBatch() {
  NodeReply all;
  all.status = NodeStatus::kHit;
  all.batch.resize(operation_->batch.size());
  for (size_t i = 0; i < all.batch.size(); ++i) {
    MetaReply& got = connection_.reply(i);
    NodeReply& reply = all.batch[i];
    const NodeToken token{got.cas, process_.incarnation()};
    switch (got.result) {
      case MetaResult::kHit:
        reply.status = NodeStatus::kHit;
        reply.value = std::move(got.value);
        reply.value_left_out = operation_->batch[i].kind == BatchPart::Kind::kLook;
        reply.mark = got.mark;
        reply.ttl = std::chrono::seconds(std::max<int64_t>(got.ttl, 0));
        break;
      case MetaResult::kMiss:
        reply.status = NodeStatus::kMiss;
        break;
      case MetaResult::kStored:
        reply.status = NodeStatus::kStored;
        break;
      case MetaResult::kOther:
        reply.status = NodeStatus::kContested;
        continue;
      case MetaResult::kGone:
        reply.status = NodeStatus::kConflict;
        continue;
      case MetaResult::kRefused:
        reply.status = NodeStatus::kRefused;
        break;
    }
    if (got.cas != 0) reply.token = token;
  }
  Answer(std::move(all));
}

void MetaAttempt::TakeRead() {
  const bool claims = !operation_->claim.key.empty();
  MetaReply& got = connection_.reply(claims ? 1 : 0);
  NodeReply reply;
  reply.status = NodeStatus::kMiss;
  if (got.result == MetaResult::kHit) {
    reply.status = NodeStatus::kHit;
    reply.value = std::move(got.value);
    reply.token = {got.cas, process_.incarnation()};
    reply.value_left_out = operation_->show == Show::kMark;
    reply.mark = got.mark;
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
    if (process_.MayBeTooLarge(*operation_)) {
      reply_ = std::move(reply);
      return AskSettings(Step::kSettingsAfter, now);
    }
    reply = process_.OrTooLarge(*operation_, std::move(reply));
  }
  Answer(std::move(reply));
}

}  // namespace clustered_session
