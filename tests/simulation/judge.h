// Judge: the oracles of the simulation. They know what requests were told, which keys of $_SESSION they were shown and
// gave, what the nodes hold and acknowledged, and the time: nothing of versions, epochs or lineage. Layer: tests.
//
// judge.cc keeps the facts and watches the copies (G1, G3); judge_requests.cc judges what requests are shown and told
// (G2, G4, G5); judge_end.cc what all servers show once everything is healed.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_JUDGE_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_JUDGE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/world.h"

namespace clustered_session {

// One request, from its session_start().
struct Visit {
  int server = 0;
  int process = 0;
  std::string session;          // its ID
  std::set<std::string> shown;  // keys
  std::string payload;
  int life = 0;              // of the session, to which the keys belong
  uint64_t number = 0;       // in the order of starts and ends
  uint64_t conflicts = 0;    // that its server had counted before
  TimePoint began;           // by its server's clock
  TimePoint ended;           // when its end began
  TimePoint looked_at;       // the true time of its start
  bool asked = false;        // a node
  bool created = false;      // the ID was made in this request
  bool may_ask = false;      // not every node had just failed
  std::string cookie;        // the affinity cookie that came with it
  std::string cookie_after;  // and the one that the client has since
  bool blind = false;        // no node has answered its start; set by Started()
  bool takes_over = false;   // the session from another process; set by Started()
};

// What a request did to the session.
struct Change {
  std::string adds;     // a key, or none
  std::string removes;  // a key, or none
  bool is_use = true;   // false: read_and_close, which prolongs nothing
};

class Judge {
 public:
  Judge(const Plan& plan, World* world, std::vector<std::string>* trace)
      : plan_(plan), world_(*world), trace_(*trace) {}

  // Empty as long as every oracle is content.
  const std::string& violation() const { return violation_; }
  void Say(const std::string& line) { trace_.push_back(line); }

  // After each event. `visit` is completed by Started().
  void Started(Visit* visit, const Result<std::string>& read);
  // The request is about to change the session: what it removes may be gone from now on.
  void Attempts(Visit* visit, const Change& change);
  void Finished(const Visit& visit, const Change& change, const Status& status);
  void Destroyed(const Visit& visit);
  void Flushed(int server, bool met_others);
  void Killed(int process);
  void Evicted(int server);
  // `memory_lost`: copies may be gone.
  void Failed(const std::string& what, bool memory_lost);
  void TimePassed();

  // After everything was healed and flushed: what must be on the nodes; then what a server shows; then where it all is.
  void CheckFlushed();
  void CheckShown(int server, const std::string& session, const std::set<std::string>& shown);
  void CheckCopiesAtEnd();

  // Whether the other nodes that work hold all that this one holds for sure.
  bool Survivable(int node);
  std::vector<std::string> Sessions() const;
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t destroyed() const { return destroyed_; }

 private:
  struct Key {               // of $_SESSION; each is added by one request, and never changed
    int life = 0;            // of the session: each destruction that a node was told of ends one
    bool told = false;       // the client was told that it is saved
    bool stored = false;     // a node has acknowledged it
    bool excused = false;    // nothing is promised, or no longer
    bool undecided = false;  // of a session that may have been destroyed or not
    bool removed = false;    // by a request that was told so, with nothing broken so far
    TimePoint removed_at;
    TimePoint acknowledged_at;
    uint64_t conflicts = 0;  // that all servers had counted when it was added
    int local_to = -1;       // the process that was all that had it
    int holders = 0;         // of the session's nodes, after the last event
    TimePoint held_until;    // when the last of them expires

    bool acknowledged() const { return told && stored && !excused; }
  };
  struct Serving {                        // of one session by one process
    bool local = false;                   // it must be able to go on alone
    TimePoint used;                       // by its own clock
    std::optional<TimePoint> answered;    // by a node
    std::optional<TimePoint> taken_over;  // from another process
    int taken_over_life = 0;
    std::set<std::string> cookies;  // that it gave to clients
    uint64_t last_look = 0;         // at the nodes, when a request started
    uint64_t evicted = 0;
    bool begins = false;           // a request has begun the session here, and none has read it since
    std::optional<TimePoint> met;  // a request has met another server's write at its end, and none has read since
  };
  struct Facts {
    std::string storage_key;
    std::map<std::string, Key> keys;
    std::map<int, Serving> serving;      // by process
    std::map<int, uint64_t> last_event;  // by process, also of those that are dead
    int life = 0;
    int undecided_life = -1;
    bool ends_forgotten = false;       // no node knows any more that it was destroyed: its first life begins anew
    std::map<int, TimePoint> ended;    // lives, when
    std::optional<TimePoint> used;     // by a request that reached the nodes
    uint64_t last_takeover_began = 0;  // of those that have ended, and by which process
    int taken_over_by = -1;
  };

  Facts& FactsOf(const std::string& session);
  void Violated(const std::string& what);
  bool Observe();
  bool NoteAnswers(int server, const std::string& session);
  void CheckCopies(const std::string& event, bool may_vanish);
  void CountHolders(const std::string& session, Facts* facts);
  void ForgetEnds(const std::string& session, Facts* facts);
  std::string Describe();
  void JudgeFailedStart(const Visit& visit, const std::string& error);
  void JudgeUnasked(const Visit& visit, const Facts& facts, const Serving& serving);
  void JudgeContent(const Visit& visit, Facts* facts);
  void JudgeLoss(const Visit& visit, const Facts& facts);
  void JudgeEnded(const Visit& visit, const Facts& facts);
  void JudgeLocal(const Visit& visit, const Facts& facts);
  void JudgeLateWrite(const Visit& visit, const Facts& facts);
  void JudgeKept(const Visit& visit, const Change& change, const Facts& facts);
  void JudgeTombstones(const std::string& session);
  int64_t TombstonesOn(const std::string& session);
  bool JoinsEnded(const Visit& visit, const Facts& facts);
  void ExcuseUnseen(const std::string& session, Facts* facts);
  void ExcuseBegunBeside(const std::string& session, Facts* facts);
  Ancestry EndOf(const std::string& session);
  bool BegunSince(const Visit& visit, const Facts& facts);
  bool Expired(const Serving& serving, int server) const;
  int ServerOf(int process) const;

  const Plan& plan_;
  World& world_;
  std::vector<std::string>& trace_;
  std::map<std::string, Facts> sessions_;
  std::string violation_;
  bool calm_ = true;                 // nothing has failed so far
  std::map<int, uint64_t> answers_;  // that a process has had from nodes
  uint64_t events_ = 0;              // starts and ends of requests
  uint64_t acknowledged_ = 0;
  uint64_t destroyed_ = 0;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_JUDGE_H_
