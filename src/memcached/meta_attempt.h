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

class MetaAttempt {
 public:
  // All live longer, the last two in shared memory; `health` may be null.
  MetaAttempt(const NodeTarget& target, NodeHealth* health, Counters* counters)
      : target_(target), connection_(target), process_(health), counters_(counters) {}

  // Begins to connect; for the rest of the connection's interface there is connection().
  void Open(const HostAddresses& hosts, TimePoint now, TimePoint deadline);
  MetaConnection& connection() { return connection_; }
  const MetaConnection& connection() const { return connection_; }
  NodeProcess& process() { return process_; }

  // Begins the operation; `mark` is that of no other one, see MetaCommand. REQUIRES: a connection that is usable or was
  // just opened; `operation` lives until the end
  void Begin(const NodeOperation* operation, uint32_t mark, TimePoint now);
  // Gives the operation and the connection up.
  void Drop();
  enum class State : uint8_t { kNone, kUnderWay, kAnswered, kFailed };  // kFailed: the connection's problem says why
  State state() const { return state_; }
  NodeReply TakeReply();
  bool fresh() const { return fresh_; }  // the connection was opened for this operation

  void WaitBriefly();
  void Advance(const pollfd& wait, TimePoint polled_at);

 private:
  enum class Step : uint8_t { kIncarnation, kSettings, kFlight, kSettingsAfter };

  void NextStep(TimePoint now);
  void Ask(Step step, const MetaCommand& command, TimePoint deadline);
  void AskSettings(Step step, TimePoint now);
  void AskFlight();
  void Continue(TimePoint now);
  void TakeStep(TimePoint now);
  void TakeFailure(TimePoint now);
  void AskBatch();
  void TakeStats();
  void TakeBatch();
  void TakeRead();
  void TakeStore(const MetaReply& stored, TimePoint now);
  void Answer(NodeReply reply);
  void LearnFrom(const MetaReply& sentinel);

  const NodeTarget& target_;
  MetaConnection connection_;
  NodeProcess process_;
  Counters* const counters_;
  const NodeOperation* operation_ = nullptr;
  uint32_t mark_ = 0;
  NodeReply reply_;
  State state_ = State::kNone;
  Step step_ = Step::kFlight;
  size_t commands_size_ = 0;
  bool fresh_ = false;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_META_ATTEMPT_H_
