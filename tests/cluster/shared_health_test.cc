// One node and the workers of a server, as processes that share its health. Mirrors src/cluster/node_set.h.
#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

#include "src/cluster/node_set.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

constexpr int kWorkers = 6;
constexpr int kRequests = 20;

// What the workers and the test share: the node's health, and whose turn it is.
struct Board {
  NodeHealth health;
  NodeHealth together;  // of all nodes, which is one
  Counters counters;
  std::atomic<int> phase;
  std::atomic<int> done;    // workers that have finished the phase
  std::atomic<int> asked;   // requests that asked the node, in the phase
  std::atomic<int> events;  // lines for the log
};

class WorkerProcess {
 public:
  WorkerProcess(Board* board, uint16_t port) : board_(board) {
    std::vector<NodeSet::Member> members(1);
    members[0].address = TcpAddress(port);
    members[0].health = &board->health;
    members[0].node =
        MakeMemcachedNode(members[0].address, {seconds(1), milliseconds(500)}, &board->health, &board->counters);
    nodes_ = std::make_unique<NodeSet>(std::move(members), std::chrono::hours(1), &clock_, &board->counters,
                                       Duration::zero(), &board->together);
    nodes_->TellTo([board](const NodeEvent&) { ++board->events; });
  }

  NodeStatus Ask() {
    const NodeStatus status = nodes_->ReadAll({0}, "k", Now() + seconds(10)).front().reply.status;
    board_->asked += status == NodeStatus::kSkipped ? 0 : 1;
    return status;
  }

  // A few requests in each phase; in the last one until the node is asked again.
  int Run() {
    for (int phase = 1; phase <= 3; ++phase) {
      if (!WaitUntil([&] { return board_->phase.load() >= phase; })) return 1;
      for (int i = 0; i < kRequests; ++i) Ask();
      if (phase == 3 && !WaitUntil([&] { return Ask() == NodeStatus::kMiss; })) return 2;
      ++board_->done;
    }
    return 0;
  }

 private:
  Board* board_;
  SystemClock clock_;
  std::unique_ptr<NodeSet> nodes_;
};

TEST_CASE(
    "a node that has failed two workers is left alone by all, probed by one when it is due, and told of once per "
    "change") {
  MemcachedProcess server;
  FaultProxy proxy(server.port());
  ProxyFaults hole;
  hole.black_hole = true;
  proxy.Set(hole);
  const int64_t long_ago = ToNanos(Now() - std::chrono::hours(2));  // perhaps before the machine was started
  Shared<Board> board;
  WorkerProcess first(&*board, proxy.port()), second(&*board, proxy.port());
  CHECK(first.Ask() == NodeStatus::kError);
  CHECK(first.Ask() == NodeStatus::kSkipped);  // by the one that has waited for it
  CHECK(board->events == 0);
  CHECK(second.Ask() == NodeStatus::kError);
  CHECK(board->events == 2);  // of the node, and of being alone
  CHECK(proxy.connections() == 2);

  std::vector<ChildProcess> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] { return WorkerProcess(&*board, proxy.port()).Run(); });
  }
  const auto run = [&](int phase) {
    board->asked = 0;
    board->done = 0;
    board->phase = phase;
    REQUIRE(WaitUntil([&] { return board->done.load() == kWorkers; }));
  };
  run(1);
  CHECK(board->asked == 0);
  CHECK(proxy.connections() == 2);

  board->health.connects.tried_at_ns = long_ago;  // due
  run(2);
  CHECK(board->asked == 1);
  CHECK(proxy.connections() == 3);
  CHECK(board->events == 2);

  proxy.Heal();
  board->health.connects.tried_at_ns = long_ago;
  run(3);
  CHECK(board->events == 4);
  CHECK_FALSE(Fails(board->health, /*connected=*/false));
  CHECK(board->health.failures == 3);
  CHECK(board->counters.node_errors.Get() == 3);
  for (ChildProcess& worker : workers) CHECK(worker.Wait().code == 0);
}

}  // namespace
}  // namespace clustered_session
