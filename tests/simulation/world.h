// World: the imagined cluster of one history: nodes, web servers with the real core, the network between them, clocks.
// Layer: tests. It knows what is broken at the moment; what may be broken is the history's business.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_WORLD_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_WORLD_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/record/record.h"
#include "src/session/news.h"
#include "src/session/repairer.h"
#include "tests/session/web_server.h"
#include "tests/simulation/plan.h"

namespace clustered_session {

// The keys of $_SESSION in a payload.
std::vector<std::string> KeysIn(std::string_view payload);

class World {
 public:
  World(uint64_t seed, const Plan& plan, Random* random);

  // The true time. Servers have clocks of their own, which only go as fast or leap ahead.
  TimePoint now() const { return clock_.Now(); }
  void Advance(Duration duration) { clock_.Advance(duration); }
  void LeapAhead(int server, Duration duration);
  void NodeLeapsAhead(int node, Duration duration);

  int nodes() const { return static_cast<int>(nodes_.size()); }
  FakeMemcached& node(int index) { return *nodes_[static_cast<size_t>(index)]; }
  void Hang(int node, bool hangs) { this->node(node).set_hung(hangs ? &clock_ : nullptr); }
  // The record of a session that the node holds, or would if it were asked.
  std::optional<Record> RecordOn(int node, const std::string& storage_key);
  // What it holds under this key, whoever can read that, and until when by the true time.
  struct Item {
    std::string bytes;
    TimePoint until;
  };
  std::optional<Item> ItemOn(int node, const std::string& storage_key);
  // The nodes that may hold something of this session, in the order in which they are written to.
  std::vector<int> Placed(const std::string& session) { return PlacedBy(0, session); }
  std::vector<int> PlacedBy(int server, const std::string& session);
  // When it expires.
  TimePoint ExpiryOn(int node, const std::string& storage_key);

  int servers() const { return static_cast<int>(servers_.size()); }
  WebServer& web(int server) { return *servers_[static_cast<size_t>(server)].web; }
  // What the server's local copy of a session says of its history.
  std::optional<Ancestry> LocalTo(int server, const std::string& session);
  // What the server has of a session.
  struct Copy {
    std::set<std::string> keys;
    bool tombstone = false;
    Ancestry ancestry;  // what it says of the session's history
  };
  std::optional<Copy> CopyOn(int server, const std::string& session);
  std::string NameOf(int server) const { return "server " + std::to_string(server + 1); }
  TimePoint NowOf(int server) const { return servers_[static_cast<size_t>(server)].clock.Now(); }
  // Which process the server is: each start makes another one.
  int ProcessOf(int server) const { return servers_[static_cast<size_t>(server)].process; }
  bool IsAlive(int process) const;
  // Its requests must be gone.
  void RestartServer(int server);
  // Likewise, and its list of nodes is another one, with the one before beside it while that is being changed.
  void RestartServer(int server, std::vector<int> list, std::vector<int> previous = {});
  const std::vector<int>& ListOf(int server) const { return servers_[static_cast<size_t>(server)].list; }
  // The nodes of both, in the order of its connections.
  const std::vector<int>& NodesOf(int server) const { return servers_[static_cast<size_t>(server)].all; }
  const std::vector<int>& PreviousListOf(int server) const { return servers_[static_cast<size_t>(server)].previous; }
  // The server's connection to the node; null if the node is not in its list.
  FakeNode* ConnectionOf(int server, int node);
  void Cut(int server, int node, bool cut);
  bool IsCut(int server, int node) const;

  // Its thread looks at the news, if it is time to.
  void ReadNews(int server);
  // Its thread repairs, for at most so long.
  void Repair(int server, Duration time);
  // Whether it says that all is whole.
  bool SaysWhole(int server);
  // For how long the server may show a copy that others have overtaken, while nothing is broken.
  Duration StaleMax(int server);

  // Operations that the server has asked of nodes, and those that were answered.
  uint64_t Asked(int server);
  uint64_t Answered(int server);
  // By node, how often each has answered this server.
  std::vector<uint64_t> AnswersTo(int server);
  // Whether the server has no reason to take every node of the session for failing.
  bool MayAskSomebody(int server, const std::string& session);
  // Conflicts that all servers have counted, those that are dead included.
  uint64_t Conflicts();

  // Since when nothing is broken and nothing of memory or network was lost; none while something is.
  void NoteBroken() { whole_since_.reset(); }
  void NoteState();
  bool WholeSince(TimePoint time) const { return whole_since_ && *whole_since_ < time; }
  // Long enough for every server to have noticed that every node works.
  bool WholeForLong() const { return WholeSince(now() - std::chrono::seconds(3)); }
  void Heal();

  // What nodes have acknowledged to servers since the last call.
  std::vector<FakeNode::Stored> TakeStored();

 private:
  struct Server {
    explicit Server(const Clock* clock) : clock(clock) {}
    OffsetClock clock;
    std::unique_ptr<WebServer> web;
    std::unique_ptr<NewsReader> reader;
    std::unique_ptr<Repairer> repairer;
    int process = 0;
    std::vector<bool> cut;  // by node
    std::vector<int> list;  // of nodes, as its save_path has them
    std::vector<int> previous;
    std::vector<int> all;  // of both, as its connections
  };

  const Plan& plan_;
  Random* random_;
  FakeClock clock_;
  std::vector<std::unique_ptr<OffsetClock>> node_clocks_;
  std::vector<std::unique_ptr<FakeMemcached>> nodes_;
  std::vector<Server> servers_;
  int last_process_ = 0;
  uint64_t conflicts_of_dead_ = 0;
  std::optional<TimePoint> whole_since_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_WORLD_H_
