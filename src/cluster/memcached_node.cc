// Operations on a memcached node: sending, waiting, one retry, incarnations and size limits. Layer: cluster.
//
// An operation is one flight: [credentials and add of the sentinel, on a fresh connection] [cas or add, with no answer]
// [gets].
// The node's answer to the "gets" tells everything: whether our bytes are stored, what is there instead, its token.
#include "src/cluster/memcached_node.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/cluster/memcached_answer.h"
#include "src/cluster/memcached_connection.h"

namespace clustered_session {
namespace {

// A time of 1970. (-1 would do, too, but is not in the grammar of some proxies.)
constexpr int64_t kGoneAtOnce = 30 * 24 * 3600 + 1;

// An item that the first to connect to a node process adds with a random value; its hash is the process's incarnation,
// for all servers. Shorter than any storage key. If the node evicts it, the next one adds another: tokens of before are
// then not used (see StartWrite), which costs a round trip and is never wrong.
constexpr std::string_view kSentinelKey = "cs:node-incarnation";

// What an item takes beside key and value: memcached 1.6 takes 59 bytes, older ones up to 40 more.
constexpr size_t kItemOverhead = 100;
// A node whose limit is unknown is asked for it (one more wait, once per incarnation and server) before a value of this
// size is sent. Smaller values are sent at once; if the node refuses one, it is asked then.
constexpr size_t kAskFirstSize = 64 << 10;
constexpr size_t kAskAfterSize = 1000;  // memcached's smallest limit is 1 KB
constexpr uint64_t kNoSizeLimit = std::numeric_limits<uint64_t>::max();  // asked, and the node does not tell

uint64_t RandomBits() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
    bits = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  return bits;
}

std::string RandomHex() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = RandomBits();
    for (int i = 0; i < 16; ++i, bits >>= 4) text += kDigits[bits & 15];
  }
  return text;
}

uint32_t NonZeroHash(std::string_view text) {
  const auto hash = static_cast<uint32_t>(XXH3_64bits(text.data(), text.size()));
  return hash != 0 ? hash : 1;
}

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

class MemcachedNode final : public Node {
 public:
  MemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health, Counters* counters,
                const NodeCredentials& credentials)
      : parsed_(address),
        address_(address.ToString()),
        timeouts_(timeouts),
        credentials_(credentials),
        health_(health),
        counters_(counters) {}

  ~MemcachedNode() override { connection_.Drop(); }

  const std::string& name() const override { return parsed_.name; }
  const std::string& address() const override { return address_; }

  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) override {
    Begin(Kind::kRead, key, deadline);
    if (claim != nullptr) operation_.claim = *claim;
    Launch();
  }

  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline) override {
    Begin(Kind::kWrite, key, deadline);
    operation_.value = value;
    operation_.expiration = Expiration(ttl);
    operation_.expected = expected;
    Launch();
  }

  NodeReply FinishRead() override { return Finish(Kind::kRead); }
  NodeReply FinishWrite() override { return Finish(Kind::kWrite); }
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;

 private:
  enum class Kind : uint8_t { kNone, kRead, kWrite };
  enum class Next : uint8_t { kSend, kReconnect, kDone };

  struct Operation {
    Kind kind = Kind::kNone;
    std::string key;
    std::string_view value;
    int64_t expiration = 0;
    NodeToken expected;
    LockClaim claim;           // of a read; an empty key: none
    TimePoint started;
    TimePoint deadline;
    bool conditional = false;  // sent as a cas with the expected token
    bool fresh = false;        // sent on a connection that was opened for it
    bool retried = false;
    bool in_flight = false;    // an answer is to come
    NodeReply reply;           // if nothing is to come
  };

  void Begin(Kind kind, std::string_view key, TimePoint deadline);
  void Launch();
  bool Connect();
  bool Handshake();
  Next PrepareWrite();
  bool SendFlight();
  NodeReply Finish(Kind kind);
  MemcachedAnswer Receive();
  NodeReply ReadReply(MemcachedItem* item) const;
  NodeReply WriteReply(MemcachedItem* item);
  void LearnIncarnation(const MemcachedItem* sentinel);
  uint64_t KnownSizeMax() const;
  bool AskSizeMax();
  bool TooLarge(uint64_t size_max) const {
    return operation_.key.size() + operation_.value.size() + kItemOverhead > size_max;
  }
  NodeReply TooLargeReply(uint64_t size_max) const;
  void Fail(const std::string& what);
  Keys AskedKeys();
  TimePoint ConnectDeadline() const {
    return std::min(operation_.deadline, std::chrono::steady_clock::now() + timeouts_.connect);
  }

  const NodeAddress parsed_;
  const std::string address_;
  const NodeTimeouts timeouts_;
  const NodeCredentials credentials_;
  NodeHealth* const health_;
  Counters* const counters_;
  MemcachedConnection connection_;
  uint32_t incarnation_ = 0;  // of the connection; 0 = not yet known
  Operation operation_;
  std::array<std::string_view, 3> asked_keys_;
};

void MemcachedNode::Begin(Kind kind, std::string_view key, TimePoint deadline) {
  // An answer nobody waited for must not be taken for the next one.
  if (operation_.in_flight) connection_.Drop();
  operation_ = Operation();
  operation_.kind = kind;
  operation_.key = key;
  operation_.started = std::chrono::steady_clock::now();
  operation_.deadline = std::min(deadline, operation_.started + timeouts_.connect + timeouts_.operation);
}

void MemcachedNode::Fail(const std::string& what) {
  connection_.Drop();
  operation_.in_flight = false;
  operation_.reply = NodeReply();
  operation_.reply.status = NodeStatus::kError;
  const auto elapsed = std::chrono::steady_clock::now() - operation_.started;
  operation_.reply.error = "node " + name() + " (" + address_ + "): " + what;
  const auto elapsed_ms = std::chrono::round<std::chrono::milliseconds>(elapsed).count();
  if (elapsed_ms > 0) operation_.reply.error += " after " + std::to_string(elapsed_ms) + " ms";
}

bool MemcachedNode::Connect() {
  if (connection_.Usable()) {
    operation_.fresh = false;
    return true;
  }
  connection_.Drop();
  incarnation_ = 0;
  operation_.fresh = true;
  const SignalBlock block;
  const Status status = connection_.Open(parsed_, credentials_, ConnectDeadline(), kSentinelKey, RandomHex());
  if (!status.ok()) {
    Fail(status.error().message());
    return false;
  }
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
      Fail(error);
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
  if (incarnation_ == 0) asked_keys_[count++] = kSentinelKey;
  return {asked_keys_.data(), count};
}

bool MemcachedNode::SendFlight() {
  const TimePoint deadline = operation_.deadline;
  if (operation_.kind == Kind::kRead) {
    const LockClaim& claim = operation_.claim;
    if (!claim.key.empty() && !connection_.SendAdd(claim.key, claim.owner, Expiration(claim.lease), deadline)) {
      return false;
    }
    return connection_.SendGets(AskedKeys(), deadline);
  }
  std::optional<SignalBlock> block;
  if (operation_.value.size() > kSentUnblockedMax) block.emplace();
  // The two commands leave together: else the first wakes the node, and the second does so again.
  connection_.BeginFlight();
  const bool sent = operation_.conditional
                        ? connection_.SendCas(operation_.key, operation_.value, operation_.expiration,
                                              operation_.expected.cas, deadline)
                        : connection_.SendAdd(operation_.key, operation_.value, operation_.expiration, deadline);
  if (!sent || !connection_.SendGets(AskedKeys(), deadline)) return false;  // the connection is dropped
  connection_.EndFlight();
  return true;
}

// Learns the incarnation before anything else is sent: one wait, part of connecting.
bool MemcachedNode::Handshake() {
  const std::array<std::string_view, 1> keys = {kSentinelKey};
  counters_->node_waits.Add();
  if (!connection_.SendGets(keys, operation_.deadline)) {
    Fail("cannot send: " + connection_.LastError());
    return false;
  }
  const MemcachedAnswer answer = connection_.Receive(keys, operation_.deadline);
  if (!answer.ok) {
    Fail(answer.error);
    return false;
  }
  LearnIncarnation(answer.items.empty() ? nullptr : &answer.items.front());
  return true;
}

void MemcachedNode::LearnIncarnation(const MemcachedItem* sentinel) {
  incarnation_ = sentinel != nullptr ? NonZeroHash(sentinel->value) : NonZeroHash(RandomHex());
  if (health_ == nullptr || sentinel == nullptr) return;
  if (health_->incarnation.load(std::memory_order_acquire) == incarnation_) return;
  health_->item_size_max.store(0, std::memory_order_release);  // first: a limit must not pass for another process's
  health_->incarnation.store(incarnation_, std::memory_order_release);
}

// 0 = not known. Before the incarnation is, what is kept may be of a process that is gone; learning it has cleared
// that.
uint64_t MemcachedNode::KnownSizeMax() const {
  return health_ != nullptr && incarnation_ != 0 ? health_->item_size_max.load(std::memory_order_acquire) : 0;
}

// False if the connection was lost by asking, as with a proxy that closes at what it does not know. It is not asked
// again.
bool MemcachedNode::AskSizeMax() {
  const TimePoint now = std::chrono::steady_clock::now();
  counters_->node_waits.Add();
  // Half of what is left: a node that keeps silent about this may still store.
  const Result<uint64_t> size_max = connection_.AskItemSizeMax(now + (operation_.deadline - now) / 2);
  const uint64_t known = size_max.ok() && *size_max > 0 ? *size_max : kNoSizeLimit;
  if (health_ != nullptr) health_->item_size_max.store(known, std::memory_order_release);
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
  const uint64_t last_known = health_ != nullptr ? health_->item_size_max.load(std::memory_order_acquire) : 0;
  const bool suspect = last_known != 0 && TooLarge(last_known);  // perhaps of a process that is gone
  if (incarnation_ == 0 && (operation_.expected.known() || large || suspect) && !Handshake()) return Next::kDone;

  if (large && KnownSizeMax() == 0 && health_ != nullptr && !AskSizeMax()) return Next::kReconnect;
  if (const uint64_t size_max = KnownSizeMax(); size_max != 0 && TooLarge(size_max)) {
    operation_.reply = TooLargeReply(size_max);
    return Next::kDone;
  }
  operation_.conditional = operation_.expected.known() && operation_.expected.incarnation == incarnation_;
  return Next::kSend;
}

MemcachedAnswer MemcachedNode::Receive() {
  for (;;) {
    MemcachedAnswer answer = connection_.Receive(AskedKeys(), operation_.deadline);
    if (answer.ok) return answer;
    const bool again = answer.lost && !operation_.fresh && !operation_.retried &&
                       std::chrono::steady_clock::now() < operation_.deadline;
    if (!again) return answer;
    connection_.Drop();
    operation_.retried = true;
    operation_.in_flight = false;
    Launch();
    if (!operation_.in_flight) return answer;
  }
}

// Signals may arrive: waiting is ours and keeps its deadline, and libmemcached only reads what has arrived.
NodeReply MemcachedNode::Finish(Kind kind) {
  if (operation_.kind != kind) {
    operation_ = Operation();
    operation_.started = std::chrono::steady_clock::now();
    Fail("no such operation under way");
  } else if (operation_.in_flight) {
    MemcachedAnswer answer = Receive();
    if (answer.ok) {
      operation_.in_flight = false;
      MemcachedItem* item = nullptr;
      MemcachedItem* lock = nullptr;
      const MemcachedItem* sentinel = nullptr;
      for (MemcachedItem& each : answer.items) {
        if (each.key == operation_.key) {
          item = &each;
        } else if (each.key == operation_.claim.key) {
          lock = &each;
        } else {
          sentinel = &each;
        }
      }
      if (incarnation_ == 0) LearnIncarnation(sentinel);
      operation_.reply = kind == Kind::kRead ? ReadReply(item) : WriteReply(item);
      if (lock != nullptr) {
        operation_.reply.lock_owner = std::move(lock->value);
        operation_.reply.lock_token = {lock->cas, incarnation_};
      }
    } else if (operation_.in_flight) {
      Fail(answer.error);
    }
  }
  operation_.kind = Kind::kNone;
  if (operation_.reply.status == NodeStatus::kError) counters_->node_errors.Add();
  return std::move(operation_.reply);
}

NodeReply MemcachedNode::ReadReply(MemcachedItem* item) const {
  NodeReply reply;
  reply.status = item != nullptr ? NodeStatus::kHit : NodeStatus::kMiss;
  if (item == nullptr) return reply;
  reply.value = std::move(item->value);
  reply.token = {item->cas, incarnation_};
  return reply;
}

// A conditional write of nothing that is gone at once.
void MemcachedNode::Release(std::string_view key, const NodeToken& held, TimePoint deadline) {
  if (!connection_.Usable() || held.incarnation != incarnation_ || !held.known()) return;
  if (!connection_.SendCas(key, {}, kGoneAtOnce, held.cas, deadline)) connection_.Drop();
}

// Our bytes may have been stored and replaced by another writer before they were read back. That is a conflict like any
// other: what that writer wrote was made from ours, or its own write would have been refused.
NodeReply MemcachedNode::WriteReply(MemcachedItem* item) {
  NodeReply reply = ReadReply(item);
  if (item != nullptr && reply.value == operation_.value) {
    reply.status = NodeStatus::kStored;
    return reply;
  }
  const bool unchanged = item == nullptr ? !operation_.conditional
                                         : operation_.conditional && item->cas == operation_.expected.cas;
  reply.status = unchanged ? NodeStatus::kRefused : NodeStatus::kConflict;
  if (!unchanged || operation_.value.size() <= kAskAfterSize || health_ == nullptr) return reply;
  if (KnownSizeMax() == 0) (void)AskSizeMax();
  if (const uint64_t size_max = KnownSizeMax(); size_max != 0 && TooLarge(size_max)) return TooLargeReply(size_max);
  return reply;
}

}  // namespace

std::unique_ptr<Node> MakeMemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                        Counters* counters, const NodeCredentials& credentials) {
  return std::make_unique<MemcachedNode>(address, timeouts, health, counters, credentials);
}

}  // namespace clustered_session
