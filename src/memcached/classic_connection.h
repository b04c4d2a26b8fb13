// ClassicConnection: one connection to one node, by libmemcached (>= 1.1.4). Layer: memcached; for classic_operation.h
// only. classic_connection.cc is the only file that knows libmemcached.
//
// A connection is used by one thread at a time. Its calls wait: each poll of libmemcached's ends at the deadline at the
// latest, but a node that sends a byte now and then keeps a call for longer. So all that wait run on a thread that
// handles no signals and that nobody has to wait for (see classic_node.h); another thread may interrupt it. After
// anything that failed the connection is to be dropped: libmemcached would open another one by itself. After fork() the
// child may only drop it.
//
// libmemcached trusts the node: see docs/security.md for what a node that lies can do.
#ifndef CLUSTERED_SESSION_MEMCACHED_CLASSIC_CONNECTION_H_
#define CLUSTERED_SESSION_MEMCACHED_CLASSIC_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/node.h"
#include "src/memcached/node_engine.h"

struct memcached_st;

namespace clustered_session {

struct ClassicStatus {
  NodeFailure failure = NodeFailure::kNone;
  std::string what;    // what happened, without the node's name
  bool empty = false;  // there was an answer, but not one item: perhaps the node has none any more

  bool ok() const { return failure == NodeFailure::kNone; }
};

struct ClassicItem {
  std::string key;
  std::string value;
  uint64_t cas = 0;
};

class ClassicConnection {
 public:
  ClassicConnection();
  ~ClassicConnection();
  ClassicConnection(const ClassicConnection&) = delete;
  ClassicConnection& operator=(const ClassicConnection&) = delete;

  // Connects to `host` (numeric, or the path of the node's unix socket) by `connect_deadline`, logs in if there are
  // credentials, and offers the sentinel, with no answer. With SASL, a node that knows no SASL is used without it.
  // REQUIRES: !open()
  ClassicStatus Open(const NodeTarget& target, const std::string& host, TimePoint connect_deadline, TimePoint deadline);

  bool open() const { return memcached_ != nullptr; }
  bool OpenHere() const;  // and not by the process that this one was forked from

  // Each sends a command and waits for nothing but room to send. A store has no answer of its own: the item is added,
  // or with a `cas` that of this token replaced.
  ClassicStatus SendStore(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas,
                          TimePoint deadline);
  ClassicStatus SendGets(std::span<const std::string_view> keys, TimePoint deadline);

  // Waits for the answer to SendGets(keys): those of the items that exist. One at least of the keys must be known to
  // exist: libmemcached takes an error line and an empty answer for the same.
  ClassicStatus Fetch(std::span<const std::string_view> keys, TimePoint deadline, std::vector<ClassicItem>* items);

  // The node's item_size_max in bytes. 0: it has not told it, and the connection is to be dropped.
  uint64_t AskItemSizeMax(TimePoint deadline);

  // Removes an item if it is the one that `cas` names, without an answer. May be called with signals.
  void SendRemove(std::string_view key, uint64_t cas);

  // From any thread: the call that is under way waits for what it is waiting for, and for nothing after that, as no
  // call on this connection does any more.
  void Interrupt();

  // Closes. In a forked child it does not touch the parent's connection. May be called with signals, and at any time.
  void Drop();

  TimePoint used_at() const { return used_at_; }  // when the last answer came
  uint64_t login_waits() const { return login_waits_; }

  // Room for one result of libmemcached's, and for what a key that is too long overruns behind it.
  struct GuardedResult;

 private:
  // How far the time goes for opening.
  struct Deadlines {
    TimePoint connect;
    TimePoint all;
  };

  void SetPollTimeout(TimePoint deadline);
  bool Create(const NodeTarget& target, const std::string& host);
  int Store(std::string_view key, std::string_view value, int64_t expiration, uint64_t cas, TimePoint deadline);
  ClassicStatus OpenOnce(const NodeTarget& target, bool with_sasl, const std::string& host, const Deadlines& deadlines,
                         bool* knows_sasl);
  int LogIn(const NodeCredentials& credentials, TimePoint deadline);
  ClassicStatus OpenStatus(int code, const Deadlines& deadlines) const;
  ClassicStatus StatusOf(int code, bool sending) const;
  ClassicStatus Refused() const;

  std::mutex mutex_;  // guards, where another thread may interrupt: interrupted_, and the life of memcached_
  bool interrupted_ = false;
  memcached_st* memcached_ = nullptr;
  std::unique_ptr<GuardedResult> result_;
  uint64_t process_ = 0;  // that opened it, by its number among forks
  bool authenticates_ = false;
  uint64_t login_waits_ = 0;
  TimePoint used_at_;
};

// Whether the libmemcached that is loaded is one whose timeouts can be trusted (>= 1.1.4); `version` receives its
// version.
bool LibmemcachedUsable(const char** version);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_MEMCACHED_CLASSIC_CONNECTION_H_
