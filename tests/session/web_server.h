// WebServer and Browser: whole requests over the core, with the real local store and imagined nodes. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SESSION_WEB_SERVER_H_
#define CLUSTERED_SESSION_TESTS_SESSION_WEB_SERVER_H_

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "src/session/cluster_lock.h"
#include "src/session/lock_leases.h"
#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_node.h"

namespace clustered_session {

// Makes all that is random of web servers, which is session IDs and so their placement, and instances, follow from
// `seed` from here on.
void SeedWebServers(uint64_t seed);

// What a browser keeps: its session ID and its affinity cookie.
struct Browser {
  std::string session_id;
  std::optional<AffinityCookie> affinity;
};

// The random part of a session ID, of numbers that a test has seeded.
std::string RandomPartOf(std::mt19937_64* random);

// One web server of the cluster: its shared memory, its connections and its settings.
class WebServer {
 public:
  WebServer(std::string server_id, const std::vector<FakeMemcached*>& nodes, const Clock* clock,
            size_t local_memory = 1u << 20);

  // The server dies and starts anew: its local copies are gone, it is another instance, and reaches every node. Of its
  // requests none may be left: see DieAfter().
  void Restart();
  // Likewise, and its list of nodes is another one from then on, and while that is being changed, the one before.
  void Restart(const std::vector<FakeMemcached*>& nodes, const std::vector<FakeMemcached*>& previous = {});
  // What it sends to nodes after so many operations more reaches them no longer; 0: it is dead, and its requests may be
  // ended without anybody noticing.
  void DieAfter(int operations) { operations_left_ = operations; }

  SessionContext& context() { return context_; }
  const SessionContext& context() const { return context_; }
  FakeNode& connection(size_t index) { return *connections_[index]; }
  FakeNode& renewing_connection(size_t index) { return *renewing_connections_[index]; }
  LockLeases& leases() { return *leases_; }
  // As the thread does that renews cluster locks; returns when it would do so next.
  TimePoint RenewLocks();
  // Cuts the server off from a node, or not.
  void Partition(size_t node, bool cut);
  Counters& counters() { return store_->counters(); }
  LocalStore& store() { return *store_; }

 private:
  void Build();
  std::unique_ptr<NodeSet> Connect(std::vector<FakeNode*>* connections);

  std::string server_id_;
  std::vector<FakeMemcached*> servers_;  // of both lists
  std::vector<FakeMemcached*> previous_;
  size_t only_before_ = 0;
  const Clock* clock_;
  size_t local_memory_;
  std::unique_ptr<LocalStore> store_;
  int operations_left_ = -1;
  std::vector<FakeNode*> connections_;
  std::unique_ptr<NodeSet> nodes_;
  std::vector<FakeNode*> renewing_connections_;  // the thread has its own
  std::unique_ptr<NodeSet> renewing_nodes_;
  std::unique_ptr<LockLeases> leases_;
  std::string spare_;
  SessionContext context_;
};

// One request of one browser, step by step as PHP's session module would drive it.
class Request {
 public:
  Request(WebServer* server, Browser* browser, bool strict = false, uint32_t lifetime_s = kLifetime);
  ~Request() { End(); }

  // session_start(): the payload, or the error.
  Result<std::string> Start();
  // session_write_close() with this payload.
  Status Finish(std::string_view payload);
  // The end of a request that leaves the session as it was.
  Status FinishUnchanged() { return Finish(payload_); }
  Status Destroy();
  // session_regenerate_id(`destroy`): the old session is written with `payload` or left to its successor, which is read
  // under a new ID and then needs a Finish(). `between`: what others do while neither is open. The status is that of
  // the old session's write.
  Status Regenerate(bool destroy, std::string_view payload, const std::function<void()>& between);
  void End();

  // Waits for nodes since the request began.
  uint64_t waits() const { return server_->counters().node_waits.Get() - waits_before_; }
  const std::vector<Notice>& notices() const { return notices_; }
  Session& session() { return *session_; }

  static constexpr uint32_t kLifetime = 1440;  // seconds

 private:
  void CollectNotices();

  WebServer* server_;
  Browser* browser_;
  bool strict_;
  uint32_t lifetime_s_;
  std::optional<Session> session_;
  std::string payload_;
  std::vector<Notice> notices_;
  uint64_t waits_before_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SESSION_WEB_SERVER_H_
