// NodeSet: the nodes of one save_path, asked at once and waited for once, with their shared health. Layer: cluster.
// Belongs to one process and thread; lives over requests, with its connections.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_SET_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_SET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/clock.h"
#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/health_table.h"
#include "src/cluster/node.h"
#include "src/cluster/node_watch.h"

namespace clustered_session {

class NodeSet {
 public:
  struct Member {
    NodeAddress address;
    std::unique_ptr<Node> node;
    HealthHandle health;  // shared with all who ask the node in the same way
    uint32_t hash = 0;    // NodeNameHash
  };
  // The list before, while it is being changed: addresses as it has them, and which member each is.
  struct PreviousList {
    std::vector<NodeAddress> addresses;
    std::vector<uint32_t> members;
  };
  struct Read {
    uint32_t node = 0;  // index of the member
    NodeReply reply;
  };
  // A lock to be claimed with a read, on one of the nodes that are read.
  struct Claim {
    uint32_t node = 0;
    LockClaim lock;
  };
  struct WriteTarget {
    uint32_t node = 0;
    NodeToken expected;
  };

  // A node without an open connection is not asked with less than `connect_time_min` left until a deadline: the time
  // that others took to connect would be charged to it.
  // `all`: of the nodes together, shared with all who ask the same ones in the same way.
  NodeSet(std::vector<Member> members, Duration retry_interval, const Clock* clock, Counters* counters,
          Duration connect_time_min = Duration::zero(), HealthHandle all = nullptr);

  size_t size() const { return members_.size(); }
  bool empty() const { return members_.empty(); }
  const Member& member(uint32_t index) const { return members_[index]; }
  // Of the list: the first members. Behind them are those that only the previous list has.
  const std::vector<NodeAddress>& addresses() const { return addresses_; }
  const PreviousList& previous() const { return previous_; }
  // REQUIRES: each of its members exists. Those that are in it alone, the last `only_before` ones, are in the list no
  // more.
  void SetPrevious(PreviousList previous, size_t only_before);

  // "node <name> (<address>)", for messages.
  std::string Label(uint32_t index) const;

  // Whether asking the node now makes sense: it is not known to fail, or its next probe is due. Asks nobody.
  bool WorthAsking(uint32_t index) const { return watch_.WorthAsking(index); }

  // For a session that has no other node left: lets this worker ask once more those of `nodes` that are not worth it,
  // as far as health allows that: each by one worker of the server in a tenth of a second. False: none may be asked.
  bool GrantLastTries(const std::vector<uint32_t>& nodes);

  // Whether what the node holds should be waited for: not if it is gone, does not let this caller in, or fails for
  // long.
  bool ExpectedBack(uint32_t index) const;

  // Whether the node holds what was written more than `age` ago, as far as its sentinel tells: it has not lost its
  // memory since. Of several nodes, whether one does; one wait.
  bool AnyOlder(const std::vector<uint32_t>& nodes, std::chrono::seconds age, TimePoint deadline);

  // Whether no node of the set answers; `since` receives when that began.
  bool Alone(TimePoint* since) const { return watch_.Alone(since); }

  // The smallest item size limit, in bytes, of those nodes that have told theirs; UINT64_MAX if none has.
  uint64_t SmallestItemMax() const;

  // Which of the nodes that are read show the item's value. The others show its mark.
  enum class Values : uint8_t { kAll, kOne, kNone };

  // Asks all `nodes` at once; one wait, with a claim as well. A node that health says to skip, or the second mention of
  // one, is kSkipped. The one node that shows the value is the first that is asked.
  std::vector<Read> ReadAll(const std::vector<uint32_t>& nodes, std::string_view key, TimePoint deadline,
                            const Claim* claim = nullptr, Values values = Values::kAll);

  // Writes to all `targets` at once; one wait. Replies in the order of `targets`. `mark`: see Node::StartWrite.
  std::vector<NodeReply> WriteAll(const std::vector<WriteTarget>& targets, std::string_view key, std::string_view value,
                                  std::chrono::seconds ttl, TimePoint deadline, uint32_t mark = 0);

  // A batch for each of some nodes, all at once; one wait, which is no request's and is not counted. Replies in the
  // order of `batches`.
  struct Batch {
    uint32_t node = 0;
    std::vector<BatchPart> parts;
  };
  std::vector<NodeReply> RunBatches(const std::vector<Batch>& batches, TimePoint deadline);

  // The same for parts of any nodes. `take` is told what became of each, node by node: `part` is an index, and of a
  // node that has not `answered` each part has the reply that the whole batch has.
  struct NodePart {
    uint32_t node = 0;
    BatchPart part;
  };
  using TakePart = std::function<void(size_t part, NodeReply reply, bool answered)>;
  void RunParts(const std::vector<NodePart>& parts, TimePoint deadline, const TakePart& take);

  // The figures of all nodes that have a connection open, by node, see Node; one wait, which is no request's. What
  // becomes of it is no sign of a node's health: many services refuse it.
  std::vector<NodeReply> ReadStats(const std::vector<bool>& wanted, TimePoint deadline);

  // See Node; null, too, while no connection to it is open.
  std::unique_ptr<KeyListing> ListKeys(uint32_t node);

  // Gives a lock back, if it is still the one that `held` names; no wait.
  void Release(uint32_t node, std::string_view key, const NodeToken& held, TimePoint deadline);

  // Puts `bytes` behind an item's; no wait. See Node.
  void Extend(uint32_t node, std::string_view key, std::string_view bytes);

  // Who hears of each change of state that this set notices, one line each: the log. Nobody, until this is called.
  void TellTo(NodeEventSink sink) { watch_.TellTo(std::move(sink)); }

  // What that line says behind the name of a node that does not resolve.
  void SetResolveHint(std::string hint) { watch_.SetResolveHint(std::move(hint)); }

 private:
  void ShowContested(const std::vector<WriteTarget>& targets, std::string_view key, std::string_view value,
                     TimePoint deadline, std::vector<NodeReply>* replies);
  void Await(const std::vector<bool>& asked);
  void Leave(uint32_t index, const NodeReply& reply, TimePoint began);
  bool MayAsk(uint32_t index, TimePoint deadline);
  std::vector<size_t> StartOrder(const std::vector<uint32_t>& nodes) const;
  std::vector<Member> members_;
  std::vector<NodeAddress> addresses_;
  PreviousList previous_;
  std::vector<TimePoint> done_at_;  // of this flight, by member; epoch: its engine waits by itself
  NodeWatch watch_;
  Duration connect_time_min_;
  const Clock* clock_;
  Counters* counters_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_SET_H_
