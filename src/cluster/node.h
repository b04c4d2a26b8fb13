// Node: one memcached server as the core sees it. Layer: cluster. The only seam between the protocol and the network:
// meta_node.h and classic_node.h implement it, tests implement it with a simulation.
//
// Two steps per operation, so that several nodes are asked at once and waited for once: Start*() sends and does not
// wait for the answer; Finish*() waits for it. At most one operation is under way per node. A Node belongs to one
// process and one thread; after fork() the child opens connections of its own.
//
// A write is conditional always: it is acknowledged only if the node says that it holds the very bytes that were sent.
// What it holds instead is what the next attempt needs: the other writer's record and its token. Some nodes tell it in
// the same round trip, others have to be asked.
#ifndef CLUSTERED_SESSION_CLUSTER_NODE_H_
#define CLUSTERED_SESSION_CLUSTER_NODE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/key_listing.h"

namespace clustered_session {

// The CAS token of an item. It holds only on the incarnation (a node process between start and end) that gave it.
struct NodeToken {
  uint64_t cas = 0;          // 0 = none: the item is expected to be absent
  uint32_t incarnation = 0;  // 0 = unknown

  bool known() const { return cas != 0; }
  friend bool operator==(const NodeToken&, const NodeToken&) = default;
};

// A lock that all servers respect: an item that is added if it is absent, in the same flight as a read. Who adds it has
// the lock until it releases it or the lease is over. The views must outlive FinishRead().
struct LockClaim {
  std::string_view key;
  std::string_view owner;        // the item's value: names this claim and no other
  std::chrono::seconds lease{};  // the item's time to live, at least a second
};

// What a read shows of an item. Every item has a mark: a number that its writer has given it, the same for the same
// bytes and most likely another one for others. It tells whether two nodes hold the same without showing it twice.
enum class Show : uint8_t {
  kValue,
  kMark,  // the token and the mark alone, of an engine that can; the others show the value
};

enum class NodeStatus : uint8_t {
  kHit,        // read: `value` and `token` are the item's; or `mark` and `token`, and `value_left_out`
  kMiss,       // read: no such item
  kStored,     // write: the node holds the bytes that were sent; `token` is theirs, `value` may be empty
  kConflict,   // write: the node holds something else, in `value` and `token`; or, where a token was expected, no item
               // any more: then `value` is empty and `token` none
  kContested,  // write: the node holds something else, which it has not shown; NodeSet asks for it if there is time
  kRefused,    // write: the node did not store it (out of memory, too large) and holds what it held before, if it did;
               // `token` is that item's, `value` may be empty
  kTooLarge,   // write: larger than the node's item_size_max (`size_max`); nothing was changed
  kError,      // no answer: refused, timed out, closed, or not the protocol; `error` says which in one line
  kSkipped,    // health says not to ask this node now
};

// What an operation with kError has failed at. NodeSet charges the node's health by it: not all of them are the node's.
enum class NodeFailure : uint8_t {
  kNone,            // no failure, or none that the engine can tell
  kConnectRefused,  // nobody listens there, or the way there is reported closed
  kConnectTimeout,  // no connection within connect_timeout
  kPermission,      // this process may not open the node's unix socket, or has not what TLS takes
  kResolve,         // the node's name has no address
  kCredentials,     // the node refuses the user name or the password, or asks for them
  kTimeout,         // no whole answer within operation_timeout
  kClosed,          // the node closed or reset the connection
  kErrorAnswer,     // the node answered with an error line, such as SERVER_ERROR
  kGarbage,         // the answer is not memcached's protocol
  kTls,             // no TLS with the node, or it broke: see the message
  kLocal,           // this process could not ask: no descriptor, another process's connection, not a key
};
inline constexpr size_t kNodeFailures = static_cast<size_t>(NodeFailure::kLocal) + 1;

struct NodeReply {
  NodeStatus status = NodeStatus::kSkipped;
  std::string value;
  NodeToken token;
  bool value_left_out = false;  // of a read with Show::kMark
  uint32_t mark = 0;            // with value_left_out: the item's; 0 = none is known
  uint64_t size_max = 0;        // bytes, with kTooLarge
  std::chrono::seconds ttl{};   // of a part that is kReadAge: what the item has left; 0: not known, or it is for ever
  std::string lock_owner;       // of a read with a claim: who has the lock now; empty: nobody, the node refused it
  NodeToken lock_token;         // of the lock's item
  NodeFailure failure = NodeFailure::kNone;  // with kError
  std::string error;                         // one line, with kError: names the node; no key, no payload
  std::vector<NodeReply> batch;              // of a batch with kHit: the replies to its parts, in their order
};

// A part of a batch: one item.
struct BatchPart {
  enum class Kind : uint8_t {
    kLook,     // kHit: `token` is the item's; `value` may be empty. Or kMiss
    kRead,     // as a read
    kReadAge,  // as a read, with `ttl`
    kStore,    // as a write, but what the node holds instead may be left out (kContested)
  };
  Kind kind = Kind::kLook;
  std::string_view key;
  std::string_view value;  // of a store
  std::chrono::seconds ttl{};
  NodeToken expected;
  uint32_t mark = 0;  // of a store, as with Node::StartWrite
};
using BatchParts = std::span<const BatchPart>;

// So many parts at most; and a store's value is no larger: a write asks first how large an item the node takes.
inline constexpr size_t kBatchPartsMax = 256;
inline constexpr size_t kBatchValueMax = 64 << 10;  // bytes

class Pollable;

class Node {
 public:
  virtual ~Node() = default;

  // The name in session IDs and in messages; unique in a save_path.
  virtual const std::string& name() const = 0;
  // host:port or unix:/path, for people.
  virtual const std::string& address() const = 0;

  // Whether a connection is open: then starting an operation does not wait for the network.
  virtual bool Connected() const = 0;

  // Asks for the item, and before that, with a `claim`, for the lock. `deadline` bounds all of the operation,
  // connecting included.
  virtual void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim = nullptr,
                         Show show = Show::kValue) = 0;
  virtual NodeReply FinishRead() = 0;

  // Stores `value` if the item is still the one that `expected` names (or absent, if it names none, or if the token
  // is of another incarnation than the node's), for `ttl`, and reads it back. `key` and `value` must outlive Finish.
  // `mark`: of the item; 0: the engine chooses one that no other write has.
  virtual void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                          const NodeToken& expected, TimePoint deadline, uint32_t mark = 0) = 0;
  virtual NodeReply FinishWrite() = 0;

  // Many items in one operation, for what no request waits for. All of them are answered, in `batch`, or none: then
  // some may have been stored. `parts` and what they view must outlive Finish. An engine that cannot send them at once
  // does one after the other in Finish. REQUIRES: at most kBatchPartsMax, of kBatchValueMax each
  virtual void StartBatch(BatchParts parts, TimePoint deadline);
  virtual NodeReply FinishBatch();

  // The operation that was started, for a loop that waits for several at once before it calls Finish; null: Finish
  // itself waits. Owned by the node.
  virtual Pollable* pollable() { return nullptr; }

  // Asks for the node's own figures, as "stats" gives them; for no request. kHit: `value` has its lines. kMiss: the
  // node tells none. kSkipped: not asked, as it takes another engine, or has no connection open.
  virtual void StartStats(TimePoint deadline);
  virtual NodeReply FinishStats();

  // Begins to list the node's keys, on a connection of its own; null: it makes no lists. The node outlives the listing.
  // REQUIRES: Connected()
  virtual std::unique_ptr<KeyListing> ListKeys();

  // Removes the item if it is still the one that `held` names. Waits for nothing: if it does not arrive, the item's
  // time to live ends it. REQUIRES: no operation under way
  virtual void Release(std::string_view key, const NodeToken& held, TimePoint deadline) = 0;

  // Puts `bytes` behind the item's, if there is such an item. Waits for nothing, and may not arrive; an engine that
  // cannot do so leaves it out. REQUIRES: no operation under way
  virtual void Extend(std::string_view key, std::string_view bytes);

 protected:
  // A batch by single operations, each with its own `deadline`.
  NodeReply OneByOne(BatchParts parts, const std::function<TimePoint()>& deadline);

 private:
  BatchParts batch_;
  TimePoint batch_deadline_;
};

// What a contested write of `value` has come to, by what a `read` after it has shown. Our own bytes: it was stored, its
// answer lost, and it was sent again.
NodeReply ContestedReply(NodeReply read, std::string_view value);

// A stable 32-bit name of a node for shared memory, never 0: of name and address, so that a replaced node is another
// one.
uint32_t NodeNameHash(std::string_view name, std::string_view address);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_CLUSTER_NODE_H_
