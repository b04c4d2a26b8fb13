// Worker: what one process (or thread) keeps over requests: its nodes with their connections, by save_path. Layer:
// session. Not thread-safe: one object per thread. After fork() the child's object opens connections of its own.
#ifndef CLUSTERED_SESSION_SESSION_WORKER_H_
#define CLUSTERED_SESSION_SESSION_WORKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/keyring.h"
#include "src/base/result.h"
#include "src/cluster/node_settings.h"
#include "src/session/context.h"
#include "src/session/shared_state.h"

namespace clustered_session {

class Worker {
 public:
  // `store` was made with shared_extra = sizeof(SharedState), which is initialized. Both outlive the worker. `log`:
  // where its events are kept for, see event_log.h.
  Worker(LocalStore* store, const Clock* clock, uint64_t log = 0);

  // What the contexts from now on hold cluster locks with; null if they hold none. Outlives the worker.
  void SetLeases(LockLeases* leases) { leases_ = leases; }

  // Whether this worker's request has a session open. Asked by the thread that renews cluster locks. Set it before the
  // first context is made; without it, a request is taken to run until it gives its lock back.
  void SetSessionOpen(std::function<bool()> session_open) { session_open_ = std::move(session_open); }

  // The context for this save_path and these settings. It stays as it is: `settings_generation` changes whenever a
  // setting changes, and the next call makes another one, on the same connections. The worker must outlive it. Errors:
  // kInvalidArgument, see ParseSavePath() and Keyring::Load(); or SASL without a user name, or with TLS. kUnsupported:
  // TLS in a build without it.
  Result<std::shared_ptr<const SessionContext>> ContextFor(std::string_view save_path, const SessionSettings& settings,
                                                           uint64_t settings_generation);

 private:
  struct Pool {
    std::string save_path;
    NodeTimeouts timeouts;
    NodeCredentials credentials;
    NodeTls tls;
    Duration retry_interval;
    uint64_t settings_generation = 0;
    TimePoint number_at;  // when a number is asked for again, if there is none
    std::shared_ptr<NodeSet> nodes;
    std::string key_file;  // that `keys` are of, for the prefix `keys_prefix`
    std::string keys_prefix;
    std::shared_ptr<const PoolKeys> keys;
    std::shared_ptr<const SessionContext> context;
  };

  SharedState* shared() { return static_cast<SharedState*>(store_->Extra()); }
  Result<std::shared_ptr<NodeSet>> MakeNodes(std::string_view save_path, const SessionSettings& settings);
  static Status UpdateKeys(Pool* pool, const SessionSettings& settings);
  bool NumberIsDue(const Pool& pool);
  void WatchNodeList(const SessionContext& context);
  std::shared_ptr<const SessionContext> MakeContext(Pool* pool, const SessionSettings& settings);

  LocalStore* store_;
  const Clock* clock_;
  const uint64_t log_;
  LockLeases* leases_ = nullptr;
  std::function<bool()> session_open_;
  std::vector<std::unique_ptr<Pool>> pools_;  // the last used first
  std::string spare_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_WORKER_H_
