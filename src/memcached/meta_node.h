// MetaNode: a memcached node that knows meta commands (1.6.10 and later), over sockets of our own. Layer: memcached;
// made by memcached_node.cc. Belongs to one process and thread. The connection is opened at the first use and kept over
// requests; after fork() the child opens its own.
//
// An operation takes at most connect + operation, or until its deadline if that is earlier, resolving the node's name
// included. Several nodes are waited for at once (see flight.h).
//
// A connection that was idle may be gone without our knowing: a firewall, a balancer or a NAT on the way has forgotten
// it. That is no failure of the node. If it was closed or reset, the operation is tried once more on a new connection.
// If there is no answer after a quarter of the operation's time, the node is asked on a second connection as well, and
// the first answer counts. If that is the second one's, all workers are told, by the node's health: a connection that
// was last used before that is opened anew before its next use.
//
// Sending a conditional write twice is safe: if the first one was stored after all, the second one meets another token
// or an item that exists, changes nothing, and a read shows the very bytes that were sent.
#ifndef CLUSTERED_SESSION_MEMCACHED_META_NODE_H_
#define CLUSTERED_SESSION_MEMCACHED_META_NODE_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/health.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"
#include "src/cluster/pollable.h"
#include "src/memcached/meta_attempt.h"
#include "src/memcached/resolver.h"

namespace clustered_session {

class MetaNode final : public Node, private Pollable {
 public:
  // `counters` and `health` live in shared memory and outlive the node; `health` may be null. REQUIRES: not kSasl
  MetaNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health, Counters* counters,
           const NodeCredentials& credentials);

  const std::string& name() const override { return parsed_.name; }
  const std::string& address() const override { return address_; }

  bool Connected() const override { return first_->connection().open(); }
  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) override;
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline) override;
  NodeReply FinishRead() override { return Finish(MetaOperation::Kind::kRead); }
  NodeReply FinishWrite() override { return Finish(MetaOperation::Kind::kWrite); }
  Pollable* pollable() override { return this; }
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;

  // Whether the last operation has failed because the node knows no meta commands.
  bool not_meta() const { return not_meta_; }
  // The last operation, also when it has ended.
  const MetaOperation& operation() const { return operation_; }

 private:
  bool done() const override { return done_; }
  void WaitBegins(TimePoint now) override;
  bool WaitBriefly() override;
  TimePoint AddWaits(std::vector<pollfd>* waits) override;
  void Advance(std::span<const pollfd> waits, TimePoint polled_at) override;

  void Begin(MetaOperation::Kind kind, std::string_view key, TimePoint deadline);
  void Launch();
  void Connect(TimePoint now);
  void TakeAddresses(TimePoint now);
  void Open(const HostAddresses& hosts, TimePoint now);
  void AskBeside(TimePoint now);
  void Judge(TimePoint now);
  void TakeFailure(TimePoint now);
  void TakeAnswer(MetaAttempt* attempt, TimePoint now);
  void Fail(NodeFailure failure, const std::string& what);
  NodeReply Finish(MetaOperation::Kind kind);
  // No two that could meet are the same: a Weyl sequence from a random start.
  uint32_t NewMark() { return mark_ += 0x9e3779b9; }

  const NodeAddress parsed_;
  const std::string address_;
  const NodeTimeouts timeouts_;
  const NodeCredentials credentials_;
  NodeHealth* const health_;
  Counters* const counters_;
  std::unique_ptr<MetaAttempt> first_;                   // its connection is kept
  std::unique_ptr<MetaAttempt> beside_;                  // on a second connection
  uint32_t mark_ = static_cast<uint32_t>(RandomBits());  // of the last write

  MetaOperation operation_;
  TimePoint started_;
  TimePoint limit_;      // that the caller has set
  TimePoint beside_at_;  // when the node is asked on a second connection, if it is
  std::unique_ptr<Resolver::Waiter> lookup_;
  TimePoint connect_deadline_;
  TimePoint lookup_deadline_;
  MetaProblem beside_problem_;
  bool may_be_forgotten_ = false;  // the connection that was there
  bool retried_ = false;
  bool done_ = true;
  bool not_meta_ = false;
  NodeReply reply_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_NODE_H_
