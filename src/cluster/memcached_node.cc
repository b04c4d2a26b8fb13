// Operations on a memcached node: connecting, sending, waiting, one retry. Layer: cluster. See memcached_client.h.
//
// An operation is one flight. On a fresh connection, and to a node that knows no meta commands: [credentials, add of the
// sentinel, question] [cas or add, with no answer] [gets]. The answer to the "gets" tells everything: whether our bytes
// are stored, what is there instead, its token. On a connection that has said that it knows them: [cas or add] [mg]; what
// is there instead of our bytes is then for a read to tell (NodeStatus::kContested). So it is where SASL is asked for:
// [SASL, add of the sentinel] [replace or add] [get of the sentinel], and each command has its reply.
#include "src/cluster/memcached_node.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "src/cluster/memcached_client.h"

namespace clustered_session {
namespace {

bool KeyIsValid(std::string_view key) {
  return !key.empty() && key.size() <= kNodeKeyLengthMax &&
         std::all_of(key.begin(), key.end(), [](char c) { return static_cast<unsigned char>(c) > 32 && c != 127; });
}

// memcached takes more than 30 days for a time of day. Its clock may differ from ours: then such an item lives that
// much longer or shorter, in a month.
int64_t Expiration(std::chrono::seconds ttl) {
  constexpr int64_t kRelativeMax = 30 * 24 * 3600;
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  const int64_t seconds = std::clamp<int64_t>(ttl.count(), 1, kMax);  // 0 would be for ever
  return seconds <= kRelativeMax ? seconds : std::min<int64_t>(std::time(nullptr) + seconds, kMax);
}

NodeFailure ConnectFailure(const Error& error) {
  if (error.code() == ErrorCode::kTimeout) return NodeFailure::kConnectTimeout;
  if (error.code() != ErrorCode::kUnavailable) return NodeFailure::kLocal;
  // All that libmemcached leaves of the system's number is its text.
  const auto because = [&](int number) { return error.message().ends_with(std::generic_category().message(number)); };
  if (because(EACCES) || because(EPERM)) return NodeFailure::kPermission;
  return because(EMFILE) || because(ENFILE) ? NodeFailure::kLocal : NodeFailure::kConnectRefused;
}

}  // namespace

void MemcachedNode::StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) {
  Begin(Kind::kRead, key, deadline);
  if (claim != nullptr) operation_.claim = *claim;
  Launch();
}

void MemcachedNode::StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                               const NodeToken& expected, TimePoint deadline) {
  Begin(Kind::kWrite, key, deadline);
  operation_.value = value;
  operation_.expiration = Expiration(ttl);
  operation_.expected = expected;
  Launch();
}

void MemcachedNode::Begin(Kind kind, std::string_view key, TimePoint deadline) {
  // An answer nobody waited for must not be taken for the next one.
  if (operation_.in_flight) connection_.Drop();
  operation_ = Operation();
  operation_.kind = kind;
  operation_.key = key;
  operation_.started = std::chrono::steady_clock::now();
  operation_.deadline = std::min(deadline, operation_.started + timeouts_.connect + timeouts_.operation);
}

void MemcachedNode::Fail(const std::string& what, NodeFailure failure) {
  connection_.Drop();
  operation_.in_flight = false;
  operation_.reply = NodeReply();
  operation_.reply.status = NodeStatus::kError;
  operation_.reply.failure = failure;
  const auto elapsed = std::chrono::steady_clock::now() - operation_.started;
  operation_.reply.error = "node " + name() + " (" + address_ + "): " + what;
  const auto elapsed_ms = std::chrono::round<std::chrono::milliseconds>(elapsed).count();
  if (elapsed_ms > 0) operation_.reply.error += " after " + std::to_string(elapsed_ms) + " ms";
}

// Where it was reached last is good enough while the name server is not there, and has half of the time then.
Result<HostAddresses> MemcachedNode::Addresses(TimePoint deadline) {
  if (parsed_.is_unix()) return HostAddresses{parsed_.unix_path};
  const std::string kept = process_.KeptAddress();
  const TimePoint now = std::chrono::steady_clock::now();
  Result<HostAddresses> found =
      Resolver::OfProcess().Resolve(parsed_.host, kept.empty() ? deadline : now + (deadline - now) / 2);
  if (!found.ok() && !kept.empty()) return HostAddresses{kept};
  return found;
}

bool MemcachedNode::Connect() {
  if (connection_.Usable()) {
    operation_.fresh = false;
    return true;
  }
  connection_.Drop();
  process_.Forget();
  operation_.fresh = true;
  const TimePoint deadline = ConnectDeadline();
  const Result<HostAddresses> hosts = Addresses(deadline);
  Status status;
  if (hosts.ok()) {
    const SignalBlock block;
    status = connection_.Open(parsed_, hosts.value(), credentials_, plain_, deadline, kSentinelKey, RandomSentinel());
  } else {
    status = hosts.error();
  }
  if (!status.ok()) {
    Fail(status.error().message(), hosts.ok() ? ConnectFailure(status.error()) : NodeFailure::kResolve);
    return false;
  }
  if (!parsed_.is_unix() && connection_.host() != parsed_.host) process_.KeepAddress(connection_.host());
  counters_->node_connects.Add();
  return true;
}

// Connects and sends. A connection that was idle may be gone without our knowing: then once more on a fresh one.
// Sending a conditional write twice is safe: if the first one was stored after all, the second one meets another token
// or an item that exists, changes nothing, and reads back the very bytes that were sent.
void MemcachedNode::Launch() {
  if (!KeyIsValid(operation_.key)) {
    operation_.reply.status = NodeStatus::kError;
    operation_.reply.error = "node " + name() + " (" + address_ + "): not a key that memcached accepts";
    operation_.reply.failure = NodeFailure::kLocal;
    return;
  }
  for (;;) {
    if (!Connect()) return;
    const Next next = operation_.kind == Kind::kWrite ? PrepareWrite() : Next::kSend;
    if (next == Next::kDone) return;
    if (next == Next::kReconnect) continue;
    if (SendFlight()) {
      operation_.in_flight = true;
      return;
    }
    const std::string error = "cannot send: " + connection_.LastError();
    if (operation_.fresh || operation_.retried || std::chrono::steady_clock::now() >= operation_.deadline) {
      Fail(error, NodeFailure::kClosed);
      return;
    }
    connection_.Drop();
    operation_.retried = true;
  }
}

Keys MemcachedNode::AskedKeys() {
  size_t count = 0;
  asked_keys_[count++] = operation_.key;
  if (!operation_.claim.key.empty()) asked_keys_[count++] = operation_.claim.key;
  if (!process_.known()) asked_keys_[count++] = kSentinelKey;
  return {asked_keys_.data(), count};
}

bool MemcachedNode::SendFlight() {
  operation_.numbered = connection_.numbered();
  return operation_.numbered ? SendNumbered() : SendPlain();
}

bool MemcachedNode::SendNumbered() {
  using Kind = MemcachedCommand::Kind;
  const LockClaim& claim = operation_.claim;
  commands_size_ = 0;
  if (operation_.kind == MemcachedNode::Kind::kWrite) {
    const uint64_t cas = operation_.conditional ? operation_.expected.cas : 0;
    commands_[commands_size_++] = {Kind::kStore, operation_.key, operation_.value, operation_.expiration, cas, NewMark()};
  } else {
    if (!claim.key.empty()) {
      commands_[commands_size_++] = {Kind::kOffer, claim.key, claim.owner, Expiration(claim.lease), 0, 0};
    }
    commands_[commands_size_++] = {Kind::kGet, operation_.key, {}, 0, 0, 0};
    if (!claim.key.empty()) commands_[commands_size_++] = {Kind::kGet, claim.key, {}, 0, 0, 0};
  }
  if (!process_.known()) commands_[commands_size_++] = {Kind::kGet, kSentinelKey, {}, 0, 0, 0};
  return connection_.SendCommands({commands_.data(), commands_size_}, operation_.deadline);
}

bool MemcachedNode::SendPlain() {
  const TimePoint deadline = operation_.deadline;
  const LockClaim& claim = operation_.claim;
  std::optional<SignalBlock> block;
  if (operation_.value.size() > kSentUnblockedMax) block.emplace();
  // The commands leave together: else the first wakes the node, and the second does so again.
  connection_.BeginFlight();
  bool sent = true;
  if (operation_.kind == Kind::kRead) {
    sent = claim.key.empty() || connection_.SendAdd(claim.key, claim.owner, Expiration(claim.lease), deadline);
  } else if (operation_.conditional) {
    sent = connection_.SendCas(operation_.key, operation_.value, operation_.expiration, operation_.expected.cas,
                               deadline);
  } else {
    sent = connection_.SendAdd(operation_.key, operation_.value, operation_.expiration, deadline);
  }
  if (!sent || !connection_.SendGets(AskedKeys(), deadline)) return false;  // the connection is dropped
  connection_.EndFlight();
  return true;
}

// Learns the incarnation before anything else is sent: one wait, part of connecting.
bool MemcachedNode::Handshake() {
  counters_->node_waits.Add();
  FlightResult result = connection_.numbered() ? AskSentinelNumbered() : AskSentinelPlain();
  if (!result.ok) Fail(result.error, result.failure);
  return result.ok;
}

FlightResult MemcachedNode::AskSentinelPlain() {
  const std::array<std::string_view, 1> keys = {kSentinelKey};
  connection_.BeginFlight();
  if (!connection_.SendGets(keys, operation_.deadline)) return {false, "cannot send: " + connection_.LastError(), false};
  connection_.EndFlight();
  const MemcachedAnswer answer = connection_.Receive(keys, operation_.deadline);
  if (answer.ok) process_.Learn(answer.items.empty() ? nullptr : &answer.items.front().value);
  return answer;
}

FlightResult MemcachedNode::AskSentinelNumbered() {
  commands_[0] = {MemcachedCommand::Kind::kGet, kSentinelKey, {}, 0, 0, 0};
  const Commands commands(commands_.data(), 1);
  if (!connection_.SendCommands(commands, operation_.deadline)) {
    return {false, "cannot send: " + connection_.LastError(), false};
  }
  FlightResult result = connection_.ReceiveReplies(commands, replies_, operation_.deadline);
  if (result.ok) process_.Learn(replies_[0].result == CommandResult::kHit ? &replies_[0].value : nullptr);
  return result;
}

// Whether a connection that was lost before it answered is worth another one: it may have been gone for long, or the
// node does not bear being asked whether it knows meta commands.
bool MemcachedNode::MayTryAgain(const FlightResult& result) {
  if (!result.lost || operation_.retried || std::chrono::steady_clock::now() >= operation_.deadline) return false;
  if (!operation_.fresh) return true;
  if (credentials_.method == Authentication::kSasl) return false;  // is not asked
  plain_ = !plain_;
  return plain_;
}

FlightResult MemcachedNode::Receive() {
  for (;;) {
    FlightResult result;
    if (operation_.numbered) {
      result = connection_.ReceiveReplies({commands_.data(), commands_size_}, replies_, operation_.deadline);
      if (result.ok) TakeReplies();
    } else {
      MemcachedAnswer answer = connection_.Receive(AskedKeys(), operation_.deadline);
      result = answer;
      if (result.ok) TakeAnswer(std::move(answer.items));
      if (connection_.numbered()) connection_.ReadPatiently(timeouts_.operation);
    }
    if (result.ok || !MayTryAgain(result)) return result;
    connection_.Drop();
    operation_.retried = true;
    operation_.in_flight = false;
    Launch();
    if (!operation_.in_flight) return result;
  }
}

// Signals may arrive: waiting is ours and keeps its deadline, and libmemcached only reads what has arrived.
NodeReply MemcachedNode::Finish(Kind kind) {
  if (operation_.kind != kind) {
    operation_ = Operation();
    operation_.started = std::chrono::steady_clock::now();
    Fail("no such operation under way", NodeFailure::kLocal);
  } else if (operation_.in_flight) {
    const FlightResult result = Receive();
    if (!result.ok && operation_.in_flight) Fail(result.error, result.failure);
    operation_.in_flight = false;
  }
  operation_.kind = Kind::kNone;
  if (operation_.reply.status == NodeStatus::kError) counters_->node_errors.Add();
  return std::move(operation_.reply);
}

void MemcachedNode::Release(std::string_view key, const NodeToken& held, TimePoint deadline) {
  if (!connection_.Usable() || !held.known() || held.incarnation != process_.incarnation()) return;
  if (!connection_.SendRemove(key, held.cas, deadline)) connection_.Drop();
}

std::unique_ptr<Node> MakeMemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                        Counters* counters, const NodeCredentials& credentials) {
  return std::make_unique<MemcachedNode>(address, timeouts, health, counters, credentials);
}

}  // namespace clustered_session
