// MetaNode: a memcached node that knows meta commands (1.6.10 and later), over sockets of our own. Layer: memcached;
// made by memcached_node.cc. Belongs to one process and thread. The connection is opened at the first use and kept over
// requests; after fork() the child opens its own.
//
// The time of an operation includes resolving the node's name. Several nodes are waited for at once (see flight.h).
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

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/cluster/flight.h"
#include "src/cluster/health.h"
#include "src/memcached/meta_attempt.h"
#include "src/memcached/node_engine.h"
#include "src/memcached/resolver.h"

namespace clustered_session {

class MetaNode final : public NodeEngine, private Pollable {
 public:
  // `counters` and `health` live in shared memory and outlive the node; `health` may be null. REQUIRES: not kSasl
  MetaNode(const NodeTarget& target, NodeHealth* health, Counters* counters);

  bool Connected() const override { return first_->connection().open(); }
  void StartBatch(BatchParts parts, TimePoint deadline) override;
  NodeReply FinishBatch() override { return Finish(NodeOperation::Kind::kBatch); }
  void StartStats(TimePoint deadline) override;
  NodeReply FinishStats() override { return Finish(NodeOperation::Kind::kStats); }
  Pollable* pollable() override { return this; }
  std::unique_ptr<KeyListing> ListKeys() override;
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;
  void Extend(std::string_view key, std::string_view bytes) override;

 private:
  void Launch() override;
  void Await() override;
  void GiveUp() override;

  bool done() const override { return has_reply(); }
  void WaitBegins(TimePoint now) override;
  bool WaitBriefly() override;
  TimePoint AddWaits(std::vector<pollfd>* waits) override;
  void Advance(std::span<const pollfd> waits, TimePoint polled_at) override;

  void Connect(TimePoint now);
  void TakeAddresses(TimePoint now);
  void Open(const HostAddresses& hosts, TimePoint now);
  void AskBeside(TimePoint now);
  void Judge(TimePoint now);
  void TakeFailure(TimePoint now);

  NodeHealth* const health_;
  std::unique_ptr<MetaAttempt> first_;                   // its connection is kept
  std::unique_ptr<MetaAttempt> beside_;                  // on a second connection
  uint32_t mark_ = static_cast<uint32_t>(RandomBits());  // of the last operation

  TimePoint beside_at_;  // when the node is asked on a second connection, if it is
  std::shared_ptr<Resolver::Query> lookup_;
  TimePoint connect_deadline_;
  TimePoint lookup_deadline_;
  MetaProblem beside_problem_;
  bool may_be_forgotten_ = false;  // the connection that was there
  bool retried_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_NODE_H_
