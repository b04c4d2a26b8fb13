// ClassicOperation: one read or write of an item, from connecting to the reply. Layer: memcached; for classic_node.h,
// which runs it on a thread of its own.
//
// It owns all that it touches: whoever started it may have given up waiting, and may be gone, while libmemcached still
// waits for the node. So what others share (health, counters) is copied in before it runs, and taken out after that.
//
// One flight: [add or cas, with no answer] [gets of the item, and of the sentinel]. What the "gets" shows tells
// everything: whether our bytes are stored, what is there instead, its token, and which process the node is. The
// sentinel is in each: an answer without a single item could be an error line as well, for libmemcached.
#ifndef CLUSTERED_SESSION_MEMCACHED_CLASSIC_OPERATION_H_
#define CLUSTERED_SESSION_MEMCACHED_CLASSIC_OPERATION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/memcached/classic_connection.h"
#include "src/memcached/node_engine.h"
#include "src/memcached/node_process.h"
#include "src/memcached/resolver.h"

namespace clustered_session {

class ClassicOperation {
 public:
  // What it has come to.
  struct Outcome {
    NodeReply reply;     // its error says what happened, without the node's name
    uint64_t waits = 0;  // beside that for the answer
    uint64_t connects = 0;
  };

  // The node's connection goes along, open or not; `known` is what is known of the process behind it. REQUIRES: not a
  // connection that a parent process has opened
  ClassicOperation(const NodeTarget& target, std::unique_ptr<ClassicConnection> connection, const NodeProcess& known,
                   const NodeOperation& operation);

  // Does it, and waits for the node.
  void Run();

  // From another thread, while it runs: it ends when what it is waiting for has come, or its time is over.
  void Interrupt() { connection_->Interrupt(); }

  // After Run().
  Outcome& outcome() { return outcome_; }
  const NodeProcess& process() const { return process_; }
  // Closed, if it may not be used again.
  std::unique_ptr<ClassicConnection> TakeConnection() { return std::move(connection_); }

  TimePoint deadline() const { return operation_.deadline; }

 private:
  bool Connect();
  Result<HostAddresses> Addresses(TimePoint deadline) const;
  void Disconnect();
  bool PrepareWrite();
  bool LearnIncarnation();
  void AskSizeMax();
  ClassicStatus Fly(TimePoint deadline);
  ClassicStatus SendStore(TimePoint deadline);
  bool Learn(const std::vector<ClassicItem>& items);
  void TakeItems(std::vector<ClassicItem> items);
  NodeReply HitReply(ClassicItem* item) const;
  NodeReply ReadReply(ClassicItem* item, ClassicItem* lock) const;
  NodeReply WriteReply(ClassicItem* item);
  void Fail(ClassicStatus status);

  const NodeTarget target_;
  std::unique_ptr<ClassicConnection> connection_;  // never null while it runs
  NodeProcess process_;
  const std::string value_;
  const std::string lock_key_;  // empty: no lock is claimed
  const std::string lock_owner_;
  NodeOperation operation_;   // its views are of the three above
  bool conditional_ = false;  // sent as a cas with the expected token
  bool fresh_ = false;        // on a connection that was opened for it
  bool retried_ = false;
  Outcome outcome_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_CLASSIC_OPERATION_H_
