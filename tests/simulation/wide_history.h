// WideHistory: one seeded run of browsers with sessions of their own, web servers and nodes: which event follows which.
// Layer: tests. witness.h says whether it was right; wide_requests.cc has what clients do, wide_faults.cc what breaks.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_HISTORY_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_HISTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/wide_plan.h"
#include "tests/simulation/witness.h"
#include "tests/simulation/world.h"

namespace clustered_session {

class WideHistory {
 public:
  WideHistory(uint64_t seed, const Breadth& allowed);
  ~WideHistory();

  // Runs to the end. Empty if every oracle is content; else what was violated, in a line.
  std::string Run();
  const std::vector<std::string>& trace() const { return trace_; }

  struct Tally {
    uint64_t requests = 0;
    uint64_t acknowledged = 0;
    uint64_t destroyed = 0;
    uint64_t regenerated = 0;
    uint64_t conflicts = 0;
    uint64_t kills = 0;
    uint64_t faults = 0;
    uint64_t lists = 0;  // that a server got
    uint64_t whole = 0;  // times that all servers said so
  };
  const Tally& tally() const { return tally_; }

 private:
  struct Client {  // a tab of a browser
    int browser = 0;
    Browser cookies;
    int cookie_from = -1;              // the process that gave it its affinity cookie
    std::unique_ptr<Request> request;  // one under way, or none
    Turn turn;
    std::optional<Browser> next;  // cookies that came meanwhile, and from which process
    int next_from = -1;
  };

  void Step();
  void LetTimePass();

  // wide_requests.cc
  int ServerFor(const Client& client);
  bool IsLocked(int server, const std::string& session) const;
  void StartRequest(Client* client);
  void StartWithOldCookie(Client* client);
  void StartOn(Client* client, int server);
  void ShareCookies(const Client& from, const std::string& id_before);
  void EndRequest(Client* client);
  Deed DrawDeed(const Turn& turn);
  std::string Apply(const std::string& payload, const Deed& deed);
  void Finish(Client* client);
  void Regenerate(Client* client);
  void Destroy(Client* client);
  void DestroyUnread();
  void Flush(int server);
  void Repair(int server);
  void RepairAll();
  void RepairUntilWhole();
  bool JudgeIfWhole();
  uint32_t DrawLifetime();
  std::string NameOf(const Client& client) const;

  // wide_faults.cc
  void Fault();
  void NodeStopsOrReturns();
  void NodeLosesAll();
  void RestartEmpty(int node);
  void LoseWhatNobodyHas();
  void NodeLosesAnItem();
  void NodeLeaps();
  void CutOrMend();
  void LoseOrDelay();
  void AllNodesStopOrReturn();
  void Kill(int server);
  void ForgetEntry(int server, const std::string& session);
  void NewerServerWrites();
  void NewerServerGivesBack();
  void ChangeList();
  void GiveList(int server);
  bool HasList(int server) const;
  bool ListsDiffer() const;
  void ChooseList();
  void LetLifetimePass();
  void SwitchOffUnlisted();
  bool MayBreak(int node);  // another one is broken already, and this kind breaks one at a time
  void Say(const std::string& line) { witness_.Say(line); }

  void Heal();
  void CheckEnd();
  void Look(int server, bool judged);

  Random random_;
  const WidePlan plan_;
  std::vector<std::string> trace_;
  World world_;
  Witness witness_;
  std::vector<Client> clients_;
  int next_key_ = 0;
  std::vector<int> list_;           // of nodes, that all servers have or are to get
  std::vector<int> previous_list_;  // while it is being changed
  std::map<int, std::map<std::string, FakeMemcached::Item>> old_items_;  // by node
  Tally tally_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_HISTORY_H_
