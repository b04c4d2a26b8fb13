// NodeEngine: what the engines of a node have in common: one operation at a time, its deadline, and how it fails.
// Layer: memcached. Belongs to one process and thread.
#ifndef CLUSTERED_SESSION_MEMCACHED_NODE_ENGINE_H_
#define CLUSTERED_SESSION_MEMCACHED_NODE_ENGINE_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "src/base/counters.h"
#include "src/base/save_path.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"

namespace clustered_session {

struct NodeTarget {
  NodeAddress address;
  NodeTimeouts timeouts;
  NodeCredentials credentials;
  NodeTls tls{};  // for an address with TLS
};

// What is asked of a node. The views live until the operation's end.
struct NodeOperation {
  enum class Kind : uint8_t { kRead, kWrite, kBatch, kStats };
  Kind kind = Kind::kRead;
  std::string key;
  LockClaim claim{};  // of a read; an empty key: none
  std::string_view value{};
  std::chrono::seconds ttl{};
  NodeToken expected{};
  TimePoint deadline{};
  BatchParts batch{};
  Show show = Show::kValue;  // of a read
  uint32_t mark = 0;         // of a write; 0 = any
};

class NodeEngine : public Node {
 public:
  // `counters` live in shared memory and outlive the node.
  NodeEngine(const NodeTarget& target, Counters* counters);

  const std::string& name() const final { return target_.address.name; }
  const std::string& address() const final { return address_; }
  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) final;
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline, uint32_t mark) final;
  NodeReply FinishRead() final { return Finish(NodeOperation::Kind::kRead); }
  NodeReply FinishWrite() final { return Finish(NodeOperation::Kind::kWrite); }

  // An operation takes at most connect + operation, or until its deadline if that is earlier.
  void Start(const NodeOperation& operation);
  NodeReply Finish(NodeOperation::Kind kind);
  // The last operation, also when it has ended.
  const NodeOperation& operation() const { return operation_; }
  // Whether it has failed because the node knows no meta commands. That is not counted as an error.
  bool not_meta() const { return not_meta_; }

 protected:
  // Begins the operation and waits for nothing.
  virtual void Launch() = 0;
  // Waits for its end. REQUIRES: !has_reply(). Afterwards there is one
  virtual void Await() = 0;
  // Ends what is under way without an answer, in a forked child without touching what is the parent's.
  virtual void GiveUp() = 0;

  bool has_reply() const { return reply_.has_value(); }
  void Answer(NodeReply reply) { reply_ = std::move(reply); }
  // Gives up; the reply is an error that names the node.
  void Fail(NodeFailure failure, const std::string& what);

  const NodeTarget target_;
  const std::string address_;
  Counters* const counters_;
  NodeOperation operation_;
  TimePoint started_;
  TimePoint limit_;  // that the caller has set; operation_.deadline is no later
  bool not_meta_ = false;

 private:
  bool under_way_ = false;  // started and not finished
  uint64_t process_ = 0;    // that started it, by its number among forks
  std::optional<NodeReply> reply_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_NODE_ENGINE_H_
