// FaultTable: one fault of a node, at the level of whole requests: two web servers with all their real parts over three
// real memcached, each behind a proxy, and what the requests, the acknowledged updates and the nodes came to. Layer:
// tests.
#ifndef CLUSTERED_SESSION_TESTS_SESSION_FAULT_TABLE_H_
#define CLUSTERED_SESSION_TESTS_SESSION_FAULT_TABLE_H_

#include <memory>
#include <string>
#include <vector>

#include "src/session/session.h"
#include "src/session/worker.h"
#include "tests/session/web_server.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {

// A web server with one worker: its own shared memory, real connections, the system's clock.
class RealServer {
 public:
  RealServer(std::string server_id, std::string save_path, SessionSettings settings);

  // A request that appends `change` to the session, and makes it if the browser has none. What it found before.
  Result<std::string> Serve(Browser* browser, const std::string& change);

  // As if the retry interval was over: nodes that failed are tried by the next request.
  void MakeNodesDue();
  // Writes what no node has taken; how many sessions are left.
  size_t Flush();
  uint64_t failures();  // of node operations, by the health that its workers share
  LocalStore& store() { return *store_; }

 private:
  const SessionContext& Context();

  SystemClock clock_;
  const std::string save_path_;
  SessionSettings settings_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<Worker> worker_;
};

class FaultTable {
 public:
  static constexpr size_t kNodes = 3;
  static constexpr uint32_t kCopies = 2;

  struct Options {
    std::string fault;   // the row's name
    bool waits = false;  // timeouts are short, as the fault uses them up; else long: nobody may wait for one
    size_t sessions = 24;
    bool by_name = false;                  // the nodes are m1.test, m2.test, m3.test, and not 127.0.0.1
    MemcachedProcess::Options first = {};  // of node 0
  };

  // What the row says.
  struct Row {
    int requests = 0;
    int failed = 0;      // of sessions that were local or had a copy on a node that answers
    int lost = 0;        // acknowledged updates that a fresh server does not find on the nodes
    Duration longest{};  // request
    Duration longest_max{};
    int slow = 0;      // requests that took longer than operation_timeout
    int slow_max = 0;  // what one wait per server and retry interval comes to
    size_t safe = 0;   // sessions whose newest record is on `copies` nodes, or all that answer, before it is over
    size_t whole = 0;  // those whose first `copies` nodes hold it after one more use, which changes nothing
    size_t sessions = 0;
    std::string first_error;
  };

  explicit FaultTable(const Options& options);

  MemcachedProcess& node(size_t index) { return *nodes_[index]; }
  FaultProxy& proxy(size_t index) { return *proxies_[index]; }
  RealServer& server(size_t index) { return *servers_[index]; }

  // So many requests of each session, each of which changes a key of its own. `filler`: bytes that each adds.
  void Serve(int rounds, size_t filler = 0);

  // The fault has begun, and only `answering` nodes are left. From here on every other session that has a copy there is
  // served by a server that has none.
  void BeginFault(const std::vector<size_t>& answering);

  // The fault is about to be over: what the nodes that answer hold.
  void EndFault();

  // All nodes are well again: each session is used once more. What the row says, also on stdout.
  Row Finish();

  // The bytes on a node under the session's key.
  std::string Bytes(size_t node, size_t session) const;

 private:
  struct Visitor {
    Browser browser;
    size_t server = 0;
    std::vector<std::string> acknowledged;  // what each request that succeeded has appended

    std::string payload() const;
  };

  void ServeOne(size_t session, const std::string& change);
  int SlowMax() const;
  bool Safe(size_t session) const;
  bool Whole(size_t session) const;
  int CountLost();

  const Options options_;
  SessionSettings settings_;
  std::string save_path_;
  std::vector<std::unique_ptr<MemcachedProcess>> nodes_;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
  std::vector<std::unique_ptr<RealServer>> servers_;
  std::vector<Visitor> visitors_;
  int round_ = 0;
  TimePoint fault_began_{};
  std::vector<size_t> answering_;
  std::vector<Duration> slow_time_;  // by server
  Row row_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SESSION_FAULT_TABLE_H_
