// Witness: the oracles of wide histories. They know what requests were told and shown, which nodes have answered them,
// what each node holds and has lost by a fault, and the time: nothing of versions, epochs or lineage. Layer: tests.
//
// What is lost or comes back is excused only by the faults that a guarantee excludes: an acknowledged key, if every
// node that held it has lost it; an end, if every node that knew of it has. Between two repairs copies may go one after
// the other; once all servers say that all is whole, what they have is on nodes enough.
//
// witness.cc keeps the facts; witness_nodes.cc judges what becomes of a node's item; witness_requests.cc what requests
// are shown and told.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_WITNESS_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_WITNESS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/wide_plan.h"
#include "tests/simulation/world.h"

namespace clustered_session {

// One request, from its session_start().
struct Turn {
  int server = 0;
  int process = 0;
  std::string session;  // its ID
  uint32_t lifetime_s = 0;
  std::set<std::string> shown;  // keys
  std::string payload;
  int generation = 0;             // of the session, to which the keys belong
  std::vector<uint64_t> answers;  // that its server had from each node before
  std::set<int> answered;         // the nodes that have answered its start
  bool asked = false;             // a node
  bool created = false;           // the ID was made in this request
  bool may_ask = false;           // not every node had just failed
  int overs = 0;                  // Account::overs at its start
  bool unsure = false;            // it was shown nothing, and no node that has answered knows of the last end
  uint64_t by_others = 0;         // Account::finished of other processes at its start
  TimePoint began;                // by its server's clock
  TimePoint looked_at;            // the true time
};

struct Deed {                  // what a request does to the session
  std::set<std::string> adds;  // keys
  std::string removes;         // a key, or none
  size_t size = 0;             // of the payload, in bytes
  bool is_use = true;          // false: read_and_close, which prolongs nothing
};

// What has happened in an event: why a node's item may have changed.
struct Cause {
  std::string what;
  int lossy_node = -1;         // a fault has taken items from it
  bool all_lost = false;       // all of them
  const Turn* turn = nullptr;  // the request that wrote
  std::string ended;           // the ID of a session that was destroyed in it
};

class Witness {
 public:
  Witness(const WidePlan& plan, World* world, std::vector<std::string>* trace)
      : plan_(plan), world_(*world), trace_(*trace) {}

  const std::string& violation() const { return violation_; }
  void Say(const std::string& line) { trace_.push_back(line); }

  // `turn` is completed.
  void Started(Turn* turn, const Result<std::string>& read);
  void Attempts(Turn* turn, const Deed& deed);
  // `replaces`: the session that this one was to be destroyed for, or null.
  void Finished(const Turn& turn, const Deed& deed, const Status& status, const Turn* replaces);
  void Destroyed(const Turn& turn);
  // By a server that has not read it; `answered`: the nodes that it reached.
  void DestroyedUnread(int server, const std::string& session, const std::set<int>& answered);
  // A thread of the server has written or looked, so that nodes have confirmed what it has.
  void ThreadRan(int server, const std::string& what);
  void Killed(int process);
  // `lossy_node`: it has lost items by that, or -1; `all`: all that it had.
  void Failed(const std::string& what, int lossy_node, bool all = false);
  void Happened(const std::string& what);
  // A node's record was written by a server of a later release, or is as before again.
  void Rewritten(const std::string& session, int node);
  void NodeLeaps(int node) { leaped_.insert(node); }

  // All servers say that all is whole: any single node may lose all that it has, but for sessions that no server has
  // and that something else than a node's restart had left with too few copies.
  void JudgeWhole();

  // At the end.
  void CheckFlushed();
  void CheckShown(const Turn& turn);

  std::vector<std::string> Sessions() const;
  std::set<int> AnsweredSince(int server, const std::vector<uint64_t>& answers);
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t destroyed() const { return destroyed_; }

 private:
  struct Key {                   // of $_SESSION; each is added by one request, and never changed
    int generation = 0;          // of the session: each destruction ends one
    bool told = false;           // the client was told that it is saved
    bool stored = false;         // a node has acknowledged it
    bool blind = false;          // of a session that was begun where its last end could not be seen
    bool removed = false;        // by a request, or about to be
    bool undecided = false;      // nothing is promised, or no longer
    uint64_t conflicts = 0;      // that all servers had counted when it was added
    int local_to = -1;           // the process that was all that had it
    std::set<int> forgotten_by;  // nodes that held it and lost all memory since
    int64_t holders = 0;         // of the session's nodes
    bool doubled = false;        // the proper ones held it, and have lost it since by restarts alone, if at all
    bool evicted = false;        // a node has lost it and not all that it held, which it tells nobody
  };
  struct Held {  // by one node
    bool present = false;
    bool tombstone = false;
    bool later = false;  // of a later format
    std::set<std::string> keys;
    std::string bytes;
    TimePoint until;  // true time
    int knows = -1;   // the last generation that it knows to be over
  };
  struct Serving {                      // by one process
    std::optional<TimePoint> answered;  // by a node; by its own clock
    TimePoint used;                     // likewise
    uint32_t lifetime_s = 0;
  };
  struct Account {  // of one session ID
    std::string storage_key;
    std::map<std::string, Key> keys;
    std::vector<Held> nodes;
    std::map<int, Serving> serving;    // by process
    std::map<int, uint64_t> finished;  // requests, by process
    int generation = 0;
    std::set<int> forgotten_ends;           // generations whose end no node knows any more
    int overs = 0;                          // times that a server took it for over, as nobody had used it
    bool end_at_large = false;              // of a session without keys, by a server that has told no node so far
    std::map<std::string, int> tombstones;  // by their bytes, the generation that each ends
    std::optional<TimePoint> kept_until;    // what a request that reached the nodes may count on
  };

  Account& AccountOf(const std::string& session);
  void Violated(const std::string& what);
  std::string Describe();
  bool Current(const Account& account, const Key& key) const;
  bool MayLose(const Key& key) const { return !plan_.merges() && world_.Conflicts() > key.conflicts; }
  bool OverAt(const Account& account, int server) const;
  static uint64_t FinishedByOthers(const Account& account, int process);

  // witness_nodes.cc
  void Observe(const Cause& cause);
  void NoteStored();
  Held LookAt(int node, const std::string& session, const Cause& cause);
  void ForgetExpired(Account* account);
  void NoteHolders(const std::string& session, Account* account, const Cause& cause);
  void JudgeHeld(int server, const std::string& session, const Account& account);
  void JudgeHeldByNone(const std::string& session, const Account& account);
  static int64_t HoldersOf(const Account& account, const std::vector<int>& placed, const std::string& key);
  static void NoteForgotten(int node, const Held& after, Account* account);
  void JudgeNode(int node, const Account& account, const Held& after, const Cause& cause);
  void JudgeLostKeys(int node, const Account& account, const std::vector<Held>& all, const Cause& cause);
  static int KnownBy(const Account& account, const Held& held, const Held& before, const Turn* turn);
  void ForgetEnds(Account* account, const Cause& cause);
  void ForgetKeys(Account* account, const Cause& cause);
  void NoteOver(int server, Account* account);
  std::set<int> OfPlaced(int server, const std::string& session, const std::set<int>& nodes);
  void ExcuseUnseen(const std::string& session, Account* account);
  bool EndsUnseen(const Account& account, const std::set<int>& answered);
  bool KnowsEnd(const Account& account, int node, int generation) const;

  // witness_requests.cc
  void JudgeFailedStart(const Turn& turn, const std::string& error);
  void JudgeShown(const Turn& turn, const Account& account);
  void JudgeEmpty(const Turn& turn, const Account& account);
  void JudgeUnasked(const Turn& turn, const Account& account);
  void JudgeLocal(const Turn& turn, const Account& account);
  bool MayRefuse(const Account& account, ErrorCode code) const;
  void JudgeKept(const Turn& turn, const Account& account);
  void JudgeLeftovers(const Turn& turn, const Account& account);
  void JudgeSuccessor(const Turn& before, const Turn& after);
  static bool Certain(const Turn& turn, const Account& account);
  void JudgeGone(const Account& account, const std::set<int>& answered);
  // `certain`: it was there, and was to end.
  void End(Account* account, const Cause& cause, bool certain, const std::set<int>& answered);

  const WidePlan& plan_;
  World& world_;
  std::vector<std::string>& trace_;
  std::map<std::string, Account> accounts_;
  std::set<int> leaped_;              // nodes whose clock has
  std::set<std::string> tombstoned_;  // storage keys under which a node has acknowledged one in this event
  std::string violation_;
  uint64_t acknowledged_ = 0;
  uint64_t destroyed_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_WITNESS_H_
