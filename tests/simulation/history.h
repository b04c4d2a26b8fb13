// History: one seeded run of browsers, web servers and nodes under faults, judged by oracles that know nothing of the
// implementation: they look only at what requests were told and at what the nodes hold. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/session/web_server.h"

namespace clustered_session {

struct HistoryOptions {
  int servers = 3;
  int nodes = 3;
  int tabs = 3;  // browsers that share one session, each with cookies of its own
  int events = 60;
  bool partitions = true;
  bool node_restarts = true;
  bool destroys = true;
  bool lossy = true;           // answers that get lost, writes that arrive late
  bool one_at_a_time = false;  // a node only fails while the others that work have all that it has
};

class History {
 public:
  History(uint64_t seed, const HistoryOptions& options);
  ~History();

  // Runs to the end. Empty if every oracle is content; else what was violated, in a line.
  std::string Run();

  // What happened, a line per event: for replaying one seed.
  const std::vector<std::string>& trace() const { return trace_; }
  // Counts over the run, so that a test can see that the faults really happened.
  struct Tally {
    uint64_t requests = 0;
    uint64_t acknowledged = 0;
    uint64_t takeovers = 0;
    uint64_t conflicts = 0;
    uint64_t destroys = 0;
    uint64_t failed_starts = 0;
  };
  const Tally& tally() const { return tally_; }

 private:
  struct Tab {
    Browser browser;
    std::unique_ptr<Request> request;  // one under way, or none
    int server = 0;                    // that serves it
    std::string payload;               // as it was read
    int life = 0;                      // of the session, as it was read
  };
  struct Token {  // a key of $_SESSION that one request has added
    bool acknowledged = false;
    bool excused = false;  // its last copy was lost to a fault that may lose it
    bool undecided = false;  // added where the session may have been destroyed or not: it may be of either life
    int life = 0;          // of the session: each destruction ends one
  };

  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }
  void Say(const std::string& line);
  void Step();
  void StartRequest(Tab* tab, int number);
  void FinishRequest(Tab* tab, int number);
  void DestroySession(Tab* tab, int number);
  void Fault();
  void Heal();
  void CheckAfter(const std::string& event, bool copies_may_vanish);
  void CheckEnd();
  bool Survivable(const FakeMemcached& fails) const;
  int64_t LastTombstone() const;
  std::set<std::string> TokensOn(const FakeMemcached& node) const;
  std::string Describe() const;
  void Violated(const std::string& what);

  HistoryOptions options_;
  std::mt19937_64 random_;
  FakeClock clock_;
  std::vector<std::unique_ptr<FakeMemcached>> nodes_;
  std::vector<std::unique_ptr<WebServer>> servers_;
  std::vector<Tab> tabs_;
  std::string session_id_;
  std::string storage_key_;
  std::map<std::string, Token> tokens_;
  std::map<std::string, int> holders_;  // of each token, after the last event
  int next_token_ = 0;
  int life_ = 0;
  int undecided_life_ = -1;  // that a destruction may end which no node has been told of yet
  std::map<std::string, FakeMemcached::Item> old_items_;
  std::string violation_;
  std::vector<std::string> trace_;
  Tally tally_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_
