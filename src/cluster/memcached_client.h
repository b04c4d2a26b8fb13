// MemcachedNode: the Node that memcached_node.h makes. Layer: cluster; for memcached_node.cc, which sends and waits, and
// memcached_replies.cc, which says what the answers mean and what may be sent at all.
#ifndef CLUSTERED_SESSION_CLUSTER_MEMCACHED_CLIENT_H_
#define CLUSTERED_SESSION_CLUSTER_MEMCACHED_CLIENT_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "src/cluster/memcached_answer.h"
#include "src/cluster/memcached_connection.h"
#include "src/cluster/memcached_node.h"
#include "src/cluster/node_process.h"
#include "src/cluster/resolver.h"

namespace clustered_session {

class MemcachedNode final : public Node {
 public:
  MemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health, Counters* counters,
                const NodeCredentials& credentials)
      : parsed_(address),
        address_(address.ToString()),
        timeouts_(timeouts),
        credentials_(credentials),
        process_(health),
        counters_(counters) {}

  ~MemcachedNode() override { connection_.Drop(); }

  const std::string& name() const override { return parsed_.name; }
  const std::string& address() const override { return address_; }

  bool Connected() const override { return connection_.connected(); }
  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) override;
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline) override;
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
    bool numbered = false;     // to commands_
    NodeReply reply;           // if nothing is to come
  };

  void Begin(Kind kind, std::string_view key, TimePoint deadline);
  void Launch();
  Result<HostAddresses> Addresses(TimePoint deadline);
  bool Connect();
  bool Handshake();
  FlightResult AskSentinelPlain();
  FlightResult AskSentinelNumbered();
  Next PrepareWrite();
  bool SendFlight();
  // No two that could meet are the same: a Weyl sequence from a random start.
  uint32_t NewMark() { return mark_ += 0x9e3779b9; }
  bool SendPlain();
  bool SendNumbered();
  NodeReply Finish(Kind kind);
  FlightResult Receive();
  bool MayTryAgain(const FlightResult& result);
  void TakeAnswer(std::vector<MemcachedItem> items);
  void TakeReplies();
  NodeReply ReadReply(std::string value, uint64_t cas) const;
  NodeReply WriteReply(MemcachedItem* item);
  NodeReply StoreReply(const MemcachedReply& stored);
  NodeReply Refusal(NodeReply reply);
  bool AskSizeMax();
  bool TooLarge(uint64_t size_max) const;
  NodeReply TooLargeReply(uint64_t size_max) const;
  void Fail(const std::string& what, NodeFailure failure);
  Keys AskedKeys();
  TimePoint ConnectDeadline() const {
    return std::min(operation_.deadline, std::chrono::steady_clock::now() + timeouts_.connect);
  }

  const NodeAddress parsed_;
  const std::string address_;
  const NodeTimeouts timeouts_;
  const NodeCredentials credentials_;
  NodeProcess process_;
  Counters* const counters_;
  MemcachedConnection connection_;
  uint32_t mark_ = static_cast<uint32_t>(RandomBits());  // of the last store
  bool plain_ = false;  // it closes the connection when it is asked for meta commands
  Operation operation_;
  std::array<std::string_view, 3> asked_keys_;
  std::array<MemcachedCommand, kCommandsMax> commands_;
  std::array<MemcachedReply, kCommandsMax> replies_;
  size_t commands_size_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_MEMCACHED_CLIENT_H_
