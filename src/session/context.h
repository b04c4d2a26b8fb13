// What one open of a session works with: settings, the local store, the nodes, the clock. Layer: session.
// Worker makes contexts and never changes one that it has given out; tests and the simulation build their own.
#ifndef CLUSTERED_SESSION_SESSION_CONTEXT_H_
#define CLUSTERED_SESSION_SESSION_CONTEXT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/base/clock.h"
#include "src/base/session_id.h"
#include "src/base/session_key.h"
#include "src/cluster/node_set.h"
#include "src/cluster/node_settings.h"
#include "src/local/local_store.h"
#include "src/record/merge.h"
#include "src/record/record_codec.h"
#include "src/session/notice.h"
#include "src/session/old_handler.h"
#include "src/session/signed_id.h"

namespace clustered_session {

enum class AffinityMode : uint8_t {
  kCookie,    // the client's affinity cookie says which server served it last
  kBalancer,  // the operator vouches that the balancer routes a session to one server
};

enum class LockMode : uint8_t {
  kNone,     // requests of one session run side by side; conflicts are resolved at write
  kLocal,    // one request per session among the workers of this server
  kCluster,  // one request per session among all servers; one server's workers as with kLocal
};

enum class WriteMode : uint8_t {
  kThrough,  // the request waits for the nodes
  kBehind,   // a thread of the server tells them; until then the session is as safe as this server
};

enum class ConflictRule : uint8_t { kMerge, kMine, kTheirs };

struct SessionSettings {
  std::string server_id;
  std::string prefix = "cs:";
  uint32_t copies = 2;  // at least 1; more than there are nodes means all
  Duration local_trust = std::chrono::seconds(10);
  Duration retry_interval = std::chrono::seconds(2);
  Duration takeover_grace = std::chrono::seconds(60);
  AffinityMode affinity = AffinityMode::kCookie;
  LockMode lock = LockMode::kLocal;
  Duration lock_wait = std::chrono::seconds(30);
  uint32_t lock_waiters_max = 32;  // requests that wait for one session on this server; 0: any number
  Duration connect_timeout = std::chrono::milliseconds(100);
  Duration operation_timeout = std::chrono::milliseconds(250);
  Authentication authentication = Authentication::kText;
  std::string username;  // for all nodes; empty: none is sent, which SASL cannot be without
  std::string password;
  std::string key_file;  // an absolute path; empty: records are plain, IDs unsigned
  EncryptionMode encryption = EncryptionMode::kRequire;
  CipherChoice cipher = CipherChoice::kAuto;
  SignedIds signed_ids = SignedIds::kMake;
  uint32_t compression_level = 0;         // 0: records are not compressed
  uint32_t compression_threshold = 2048;  // bytes
  NodeTls tls;                            // for the nodes at tls://
  WriteMode write = WriteMode::kThrough;
  uint32_t behind_max = 10000;                       // unreplicated entries from which on kBehind waits like kThrough
  Duration flush_timeout = std::chrono::seconds(5);  // at the end of a process, for what is left to write
  uint32_t repair_rate = 2000;                       // sessions a second that a server brings back to nodes; 0 = none
  bool repair_listing = true;                        // it has nodes list their keys for what no server holds any more
  Duration news_interval = std::chrono::milliseconds(500);  // between looks at what other servers tell; 0 = none
  ConflictRule on_conflict = ConflictRule::kMerge;
  OldHandlerAddress migrate_from;  // what no node knows is asked of it
  OldHandlerAddress migrate_to;    // writes and destructions are mirrored to it
  bool migrate_shared = false;     // other servers still run it: each read asks it as well
  bool migrate_new_ids = false;    // what is taken over gets an ID of our own
  PayloadFormat format = PayloadFormat::kPhp;

  bool Migrates() const { return !migrate_from.empty() || !migrate_to.empty(); }
  bool SharesWithOldHandler() const { return migrate_shared && !migrate_from.empty() && migrate_from == migrate_to; }
  // A server with the old handler would take a session that has another ID for one that is logged out.
  bool GivesNewIds() const { return migrate_new_ids && !migrate_from.empty() && !SharesWithOldHandler(); }
};

struct SharedState;
class LockLeases;

// How another thread of this process reaches a pool's nodes, by connections of its own.
struct NodeAccess {
  std::string save_path;
  SessionSettings settings;  // of which timeouts, retry_interval, credentials and tls matter
};

struct SessionContext {
  SessionSettings settings;
  LocalStore* store = nullptr;
  NodeSet* nodes = nullptr;  // empty in single-server mode
  const Clock* clock = nullptr;
  SharedState* shared = nullptr;
  uint8_t pool =
      0;  // where shared->pools keeps these settings; 0 = nowhere: only this pool's requests can write for it
  uint64_t pool_hash = 0;        // of the settings, which tells whether `pool` still is theirs; 0 = it is for ever
  LockLeases* leases = nullptr;  // of this process; needed for LockMode::kCluster
  std::function<bool()> session_open;  // see Worker::SetSessionOpen(); empty: always
  std::shared_ptr<const NodeAccess> access;
  RecordCodec codec;             // with the keys of settings.key_file
  std::string* spare = nullptr;  // empty: memory for what this thread's next session reads; null: each makes its own
  SessionKey space;              // tells pools of one server apart that differ in save_path

  // From the key of a session on all servers to its key in the local store, and back.
  SessionKey InSpace(SessionKey key) const {
    for (size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] ^= space.bytes[i];
    return key;
  }
};

// For a context that outlives whoever is handed the pointer.
inline std::shared_ptr<const SessionContext> Borrow(const SessionContext& context) {
  return {std::shared_ptr<void>(), &context};
}

// A whole read, and a whole write, has one deadline for all that it asks of nodes; only the replicator puts it off,
// once.
inline TimePoint NodeDeadline(const SessionContext& context, TimePoint now) {
  return now + context.settings.connect_timeout + context.settings.operation_timeout;
}

// Whether only such IDs are known as servers with a key file have made.
inline bool RequiresSignedIds(const SessionContext& context) {
  return context.codec.keys != nullptr && context.settings.signed_ids == SignedIds::kRequire;
}

inline bool AnyNodeWorthAsking(const NodeSet& nodes) {
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (nodes.WorthAsking(i)) return true;
  }
  return false;
}

// Whether a node has answered a read.
inline bool Answered(const NodeReply& reply) {
  return reply.status == NodeStatus::kHit || reply.status == NodeStatus::kMiss;
}

// Whether enough of a read's or write's time is left to ask more nodes: one that is asked with less, after others have
// used it up, would be taken for failing by all workers.
inline bool TimeToAsk(const SessionContext& context, TimePoint deadline) {
  return context.clock->Now() + context.settings.operation_timeout / 2 <= deadline;
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_CONTEXT_H_
