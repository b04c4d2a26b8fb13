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

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/result.h"
#include "src/base/save_path.h"
#include "src/cluster/health.h"
#include "src/cluster/node.h"
#include "src/cluster/node_settings.h"
#include "src/memcached/classic_connection.h"
#include "src/memcached/node_process.h"
#include "src/memcached/resolver.h"

namespace clustered_session {

struct ClassicTarget {
  NodeAddress address;
  NodeTimeouts timeouts;
  NodeCredentials credentials;
};

class ClassicOperation {
 public:
  enum class Kind : uint8_t { kRead, kWrite };

  // The node's connection goes along, open or not. `sentinel` is what the node has shown on it, `known` what is shared
  // about the node, null if nothing is. REQUIRES: not a connection that a parent process has opened
  ClassicOperation(std::shared_ptr<const ClassicTarget> target, std::unique_ptr<ClassicConnection> connection,
                   std::string sentinel, const NodeHealth* known);

  // What to do; all before Run().
  void Read(std::string_view key, const LockClaim* claim);
  void Write(std::string_view key, std::string_view value, int64_t expiration, const NodeToken& expected);
  void SetDeadline(TimePoint deadline) { deadline_ = deadline; }

  // Does it, and waits for the node.
  void Run();

  // From another thread, while it runs: it ends when what it is waiting for has come, or its time is over.
  void Interrupt() { connection_->Interrupt(); }

  // After Run(): the reply; its error says what happened, without the node's name.
  NodeReply TakeReply() { return std::move(reply_); }
  // Closed, if it may not be used again.
  std::unique_ptr<ClassicConnection> TakeConnection() { return std::move(connection_); }
  const std::string& sentinel() const { return sentinel_; }  // of the node as it was seen last; empty: not seen
  bool learnt() const { return learnt_; }                    // the sentinel was seen by this operation
  const std::string& host() const { return host_; }          // where it was reached, if it was connected to
  bool asked_size_max() const { return asked_size_max_; }
  uint64_t size_max() const { return size_max_; }  // bytes; 0: the node does not tell
  uint64_t waits() const { return waits_; }        // beside that for the answer
  uint64_t connects() const { return connects_; }

  Kind kind() const { return kind_; }
  TimePoint deadline() const { return deadline_; }

 private:
  enum class Next : uint8_t { kSend, kReconnect, kDone };

  bool Connect();
  Result<HostAddresses> Addresses(TimePoint deadline);
  void Disconnect();
  Next PrepareWrite();
  bool LearnIncarnation();
  bool AskSizeMax();
  ClassicStatus Fly(TimePoint deadline);
  ClassicStatus SendCommands(TimePoint deadline);
  bool Learn(const std::vector<ClassicItem>& items);
  void TakeItems(std::vector<ClassicItem> items);
  NodeReply HitReply(ClassicItem* item) const;
  NodeReply ReadReply(ClassicItem* item, ClassicItem* lock) const;
  NodeReply WriteReply(ClassicItem* item);
  NodeReply Refusal(NodeReply reply);
  bool TooLarge(uint64_t size_max) const;
  void Fail(ClassicStatus status);

  const std::shared_ptr<const ClassicTarget> target_;
  std::unique_ptr<ClassicConnection> connection_;  // never null while it runs
  NodeHealth known_{};  // as it was when the operation began, and as this operation has changed it
  NodeProcess process_;

  Kind kind_ = Kind::kRead;
  std::string key_;
  std::string value_;
  int64_t expiration_ = 0;
  NodeToken expected_;
  std::string lock_key_;  // empty: no lock is claimed
  std::string lock_owner_;
  int64_t lock_expiration_ = 0;
  TimePoint deadline_;

  bool conditional_ = false;  // sent as a cas with the expected token
  bool fresh_ = false;        // on a connection that was opened for it
  bool retried_ = false;

  NodeReply reply_;
  std::string sentinel_;
  bool learnt_ = false;
  std::string host_;
  bool asked_size_max_ = false;
  uint64_t size_max_ = 0;
  uint64_t waits_ = 0;
  uint64_t connects_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_CLASSIC_OPERATION_H_
