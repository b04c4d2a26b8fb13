// History: one seeded run of clients, web servers and nodes under faults: which event follows which. Layer: tests.
// world.h is what it happens to, judge.h says whether it was right; faults.cc breaks and mends.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/judge.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"

namespace clustered_session {

class History {
 public:
  // `adjust` may change what the seed has drawn for the servers, behind the judge's back.
  using Adjust = void (*)(World* world);
  explicit History(uint64_t seed, Adjust adjust = nullptr);
  ~History();

  // Runs to the end. Empty if every oracle is content; else what was violated, in a line.
  std::string Run();

  // What happened, a line per event: for replaying one seed.
  const std::vector<std::string>& trace() const { return trace_; }

  // Counts, so that a test can see that the faults really happened.
  struct Tally {
    uint64_t requests = 0;
    uint64_t acknowledged = 0;
    uint64_t takeovers = 0;
    uint64_t conflicts = 0;
    uint64_t destroyed = 0;
    uint64_t unasked = 0;  // reads that asked no node
    uint64_t failed_starts = 0;
    uint64_t kills = 0;
    uint64_t faults = 0;
  };
  const Tally& tally() const { return tally_; }

 private:
  struct Client {  // has cookies of its own; all share one session
    Browser browser;
    int cookie_from = -1;              // the process that gave it its affinity cookie
    std::unique_ptr<Request> request;  // one under way, or none
    Visit visit;
    std::optional<Browser> next;  // cookies that came meanwhile, and from which process
    int next_from = -1;
  };

  void Step();
  void StartRequest(Client* client);
  void StartOn(Client* client, int server);
  void EndRequest(Client* client);
  void Finish(Client* client);
  void Destroy(Client* client);
  Change DrawChange(const Visit& visit);
  std::string Apply(const Visit& visit, const Change& change);
  void Flush(int server);
  void LetTimePass();
  void Pass(Duration time);
  int ServerFor(const Client& client);
  std::string NameOf(const Client& client) const;
  bool AnyRequest() const;

  // faults.cc
  void Fault();
  void NodeStopsOrReturns();
  void NodeRestarts();
  void NodeReturnsWithOldItems();
  void CutOrMend();
  void LoseOrDelay();
  void AllNodesStopOrReturn();
  void Kill(int server);
  void FillMemory(int server);
  void Say(const std::string& line) { judge_.Say(line); }

  // The end.
  void Heal();
  void CheckEnd();
  void Look(int server, bool judged);

  Random random_;
  const Plan plan_;
  std::vector<std::string> trace_;
  World world_;
  Judge judge_;
  std::vector<Client> clients_;
  int next_key_ = 0;
  int home_ = 0;  // where a balancer routes to that promises sticky routing
  std::map<std::string, FakeMemcached::Item> old_items_;
  Tally tally_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_HISTORY_H_
