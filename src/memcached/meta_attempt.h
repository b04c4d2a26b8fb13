// MetaAttempt: an operation on one connection to a node, step by step: what is asked, and what the replies mean. Layer:
// memcached; for meta_node.h only, which may have two of them at a time. The connection stays for the next operation.
// Belongs to one thread.
//
// A step is one flight. Usually it is the only one:
//   a read    [add of the lock] [mg] [mg of the lock]
//   a write   [cas or add, mg without the value]
// Before a write on a new connection there may be one that asks for the node's incarnation, and before or after one of
// a large value, one that asks for the node's item_size_max.
#ifndef CLUSTERED_SESSION_MEMCACHED_META_ATTEMPT_H_
#define CLUSTERED_SESSION_MEMCACHED_META_ATTEMPT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/counters.h"
#include "src/cluster/node.h"
#include "src/memcached/meta_connection.h"
#include "src/memcached/node_process.h"

namespace clustered_session {

// What is asked of a node. The views live until the operation's end.
struct MetaOperation {
  enum class Kind : uint8_t { kNone, kRead, kWrite };
  Kind kind = Kind::kNone;
  std::string key;
  LockClaim claim;  // of a read; an empty key: none
  std::string_view value;
  int64_t expiration = 0;  // as memcached takes it
  NodeToken expected;
  uint32_t mark = 0;  // of this operation alone, see MetaCommand
  TimePoint deadline;
};

class MetaAttempt {
 public:
  // All live longer, the last two in shared memory; `health` may be null.
  MetaAttempt(const NodeAddress& node, const NodeTimeouts& timeouts, const NodeCredentials& credentials,
              NodeHealth* health, Counters* counters)
      : node_(node), connection_(node, credentials), timeouts_(timeouts), process_(health), counters_(counters) {}

  // Begins to connect; for the rest of the connection's interface there is connection().
  void Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline);
  MetaConnection& connection() { return connection_; }
  const MetaConnection& connection() const { return connection_; }
  NodeProcess& process() { return process_; }

  // Begins the operation. REQUIRES: a connection that is usable or was just opened; `operation` lives until the end
  void Begin(const MetaOperation* operation, TimePoint now);
  // Gives the operation and the connection up.
  void Drop();
  bool under_way() const { return operation_ != nullptr && !done_; }
  bool done() const { return operation_ != nullptr && done_; }
  // Of one that is done: the operation has failed, and the connection's problem says why; or it has a reply.
  bool failed() const { return !answered_; }
  NodeReply TakeReply();
  bool fresh() const { return fresh_; }  // the connection was opened for this operation

  void WaitBriefly();
  void Advance(const pollfd& wait, TimePoint polled_at);

 private:
  enum class Step : uint8_t { kIncarnation, kSettings, kFlight, kSettingsAfter };

  void NextStep(TimePoint now);
  void AskIncarnation();
  void AskSettings(Step step, TimePoint now);
  void AskFlight();
  void Continue(TimePoint now);
  void TakeStep(TimePoint now);
  void TakeFailure(TimePoint now);
  void TakeFlight(TimePoint now);
  void TakeStore(const MetaReply& stored, TimePoint now);
  void Answer(NodeReply reply);
  bool TooLarge(uint64_t size_max) const;
  bool AnswerTooLarge();
  void LearnFrom(const MetaReply& sentinel);

  const NodeAddress& node_;
  MetaConnection connection_;
  const NodeTimeouts& timeouts_;
  NodeProcess process_;
  Counters* const counters_;
  const MetaOperation* operation_ = nullptr;
  NodeReply reply_;
  Step step_ = Step::kFlight;
  size_t commands_size_ = 0;
  bool fresh_ = false;
  bool done_ = false;
  bool answered_ = false;
  bool conditional_ = false;  // sent with the expected token
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_ATTEMPT_H_
