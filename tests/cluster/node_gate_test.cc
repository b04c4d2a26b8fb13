// Whom a failure is charged to, and for how long. Mirrors src/cluster/node_gate.h.
#include "src/cluster/node_gate.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace clustered_session {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kStart = FromNanos(1'000'000'000'000);

struct Server {
  std::unique_ptr<HealthTable> table = std::make_unique<HealthTable>();
  NodeTimeouts usual{milliseconds(100), milliseconds(250)};
};

// One worker's gate to the node that all of them share.
struct Worker {
  Worker(HealthTable* table, const NodeTimeouts& timeouts, Duration retry_interval)
      : health(table, HealthKey("m1", timeouts), kStart), gate(&health, retry_interval) {}
  explicit Worker(Server* server);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  bool Asks(TimePoint now) {
    const bool worth = gate.WorthAsking(now, connected);
    const bool enters = gate.Enter(now, connected);
    CHECK(worth == enters);
    return enters;
  }
  GateEvent Ends(TimePoint now, NodeFailure failure) {
    NodeReply reply;
    reply.status = failure == NodeFailure::kNone ? NodeStatus::kMiss : NodeStatus::kError;
    reply.failure = failure;
    connected = failure == NodeFailure::kNone;
    return gate.Leave(now, reply);
  }
  GateEvent Operation(TimePoint now, NodeFailure failure) {
    REQUIRE(Asks(now));
    return Ends(now, failure);
  }

  HealthHandle health;
  NodeGate gate;
  bool connected = true;
};

Worker::Worker(Server* server) : Worker(server->table.get(), server->usual, seconds(2)) {}

TimePoint At(int64_t ms) { return kStart + milliseconds(ms); }

TEST_CASE("what is the caller's own fault takes the node from nobody else") {
  struct Case {
    NodeFailure failure;
    bool waits;  // the caller itself leaves the node alone
  };
  for (const Case& each : {Case{NodeFailure::kCredentials, true}, Case{NodeFailure::kPermission, true},
                           Case{NodeFailure::kLocal, false}}) {
    for (const bool connected : {true, false}) {
      INFO(static_cast<int>(each.failure) << ", connected " << connected);
      Server server;
      Worker bad(&server), good(&server);
      for (int i = 0; i < 100; ++i) {
        bad.connected = connected;
        if (bad.Asks(At(i))) {
          CHECK(bad.Ends(At(i), each.failure) == (each.waits ? GateEvent::kNotForUs : GateEvent::kNone));
        }
        good.connected = i % 2 == 0;
        REQUIRE(good.Asks(At(i)));
        CHECK(good.Ends(At(i), NodeFailure::kNone) == GateEvent::kNone);
      }
      CHECK(good.health->failures.load() == 0);
      CHECK(bad.gate.GivenUp(true) == each.waits);
      CHECK_FALSE(good.gate.GivenUp(false));
      // Once per interval, without being told of again; and then it is let in.
      CHECK(bad.Asks(At(1999)) != each.waits);
      CHECK(bad.Operation(At(2000), each.failure) == GateEvent::kNone);
      CHECK(bad.Operation(At(5000), NodeFailure::kNone) == (each.waits ? GateEvent::kAnswersAgain : GateEvent::kNone));
      CHECK_FALSE(bad.gate.GivenUp(true));
    }
  }
}

TEST_CASE("who is not let in does not use up the probes of those who are") {
  const NodeFailure failure = GENERATE(NodeFailure::kCredentials, NodeFailure::kPermission, NodeFailure::kLocal);
  Server server;
  Worker eager(server.table.get(), server.usual, milliseconds(1)), good(&server);
  good.Operation(At(0), NodeFailure::kTimeout);
  good.Operation(At(2000), NodeFailure::kConnectRefused);
  CHECK_FALSE(good.Asks(At(2001)));
  eager.connected = false;
  for (int ms = 2001; ms < 4000; ++ms) {
    if (eager.Asks(At(ms))) eager.Ends(At(ms), failure);
    eager.connected = false;
  }
  CHECK(good.Asks(At(4000)));
}

TEST_CASE("a late answer is no failed node: the worker that met it waits, the others ask") {
  Server server;
  Worker first(&server), second(&server), third(&server);
  CHECK(first.Operation(At(0), NodeFailure::kTimeout) == GateEvent::kNone);
  CHECK_FALSE(first.Asks(At(1)));
  CHECK_FALSE(first.gate.GivenUp(false));

  SECTION("one of them is answered, and all ask again") {
    CHECK(second.Operation(At(1), NodeFailure::kNone) == GateEvent::kNone);
    CHECK(first.Operation(At(2), NodeFailure::kNone) == GateEvent::kNone);
    CHECK(third.Operation(At(2), NodeFailure::kTimeout) == GateEvent::kNone);
    CHECK(second.Asks(At(3)));
  }
  SECTION("the second one that waits in vain is the last one, and the server is told once") {
    CHECK(second.Operation(At(1), NodeFailure::kTimeout) == GateEvent::kFails);
    CHECK_FALSE(third.Asks(At(2)));
    CHECK(third.gate.GivenUp(true));
    CHECK(third.Asks(At(2001)));  // the probe
    CHECK_FALSE(first.Asks(At(2001)));
    CHECK_FALSE(second.Asks(At(2001)));
    CHECK(third.Ends(At(2002), NodeFailure::kNone) == GateEvent::kAnswersAgain);
    CHECK(second.Asks(At(2003)));
  }
  SECTION("alone, it asks again after its interval") { CHECK(first.Asks(At(2000))); }
}

TEST_CASE("a hung node costs a server two waits on open connections and two on new ones, then one per interval") {
  Server server;
  int waits = 0;
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 20; ++i) workers.push_back(std::make_unique<Worker>(&server));
  const auto all_ask = [&](TimePoint now) {
    int asked = 0;
    for (const auto& worker : workers) {
      if (!worker->Asks(now)) continue;
      ++asked;
      worker->Ends(now, NodeFailure::kTimeout);
    }
    return asked;
  };
  const bool some_are_new = GENERATE(false, true);
  for (size_t i = 0; some_are_new && i < workers.size(); i += 2) workers[i]->connected = false;
  waits = all_ask(At(0));
  CHECK(waits <= 4);
  CHECK(all_ask(At(1)) == 0);
  for (int ms = 2000; ms < 20'000; ms += 2000) {
    CHECK(all_ask(At(ms - 1)) == 0);
    CHECK(all_ask(At(ms)) == 1);
    CHECK(all_ask(At(ms)) == 0);
  }
}

TEST_CASE("a worker whose new connection has failed makes another when its interval is over, or somebody has one") {
  Server server;
  Worker first(&server), second(&server);
  first.connected = second.connected = false;
  CHECK(first.Operation(At(0), NodeFailure::kConnectTimeout) == GateEvent::kNone);
  CHECK_FALSE(first.Asks(At(1)));
  SECTION("its interval is over") {
    CHECK_FALSE(first.Asks(At(1999)));
    CHECK(first.Asks(At(2000)));
  }
  SECTION("another worker has connected") {
    CHECK(second.Operation(At(2), NodeFailure::kNone) == GateEvent::kNone);
    CHECK(first.Asks(At(3)));
  }
}
TEST_CASE("a node that takes no new connections stays with those who have one") {
  // What memcached -c does: refuses, accepts and closes, says so and closes, or leaves them in the kernel's queue.
  const NodeFailure failure = GENERATE(NodeFailure::kConnectRefused, NodeFailure::kClosed, NodeFailure::kErrorAnswer,
                                       NodeFailure::kTimeout, NodeFailure::kConnectTimeout, NodeFailure::kResolve);
  INFO(static_cast<int>(failure));
  Server server;
  Worker old(&server);
  int asked = 0, told = 0;
  for (int i = 0; i < 50; ++i) {
    Worker newcomer(&server);
    newcomer.connected = false;
    if (newcomer.Asks(At(i))) {
      ++asked;
      told += newcomer.Ends(At(i), failure) == GateEvent::kNoConnection ? 1 : 0;
    }
    REQUIRE(old.Operation(At(i), NodeFailure::kNone) == GateEvent::kNone);
  }
  CHECK(asked <= 2);
  CHECK(told == 1);
  // One tries per interval, and opens it for all.
  Worker one(&server), other(&server);
  one.connected = other.connected = false;
  CHECK(one.Asks(At(3000)));
  CHECK_FALSE(other.Asks(At(3000)));
  CHECK(one.Ends(At(3001), NodeFailure::kNone) == GateEvent::kAnswersAgain);
  CHECK(other.Asks(At(3002)));
}

TEST_CASE("an open connection that turns out to be closed is followed by a new one, and that decides") {
  Server server;
  Worker first(&server), second(&server);
  // The node was stopped: closed, and refused when it was tried anew.
  CHECK(first.Operation(At(0), NodeFailure::kConnectRefused) == GateEvent::kNoConnection);
  CHECK_FALSE(first.Asks(At(1)));
  CHECK(second.Asks(At(1)));  // its connection may be good
  CHECK(second.Ends(At(1), NodeFailure::kConnectRefused) == GateEvent::kNone);
  CHECK_FALSE(second.Asks(At(2)));
}

TEST_CASE("pools of other timeouts and intervals take no node from each other, in any combination") {
  struct Pool {
    NodeTimeouts timeouts;
    Duration retry_interval;
  };
  const Duration kShort = milliseconds(1), kUsual = milliseconds(250), kLong = seconds(10);
  std::vector<Pool> pools;
  for (const Duration operation : {kShort, kUsual, kLong}) {
    for (const Duration connect : {kShort, kUsual}) {
      for (const Duration interval : {Duration(milliseconds(1)), Duration(seconds(2)), Duration(hours(24))}) {
        pools.push_back({{connect, operation}, interval});
      }
    }
  }
  for (const Pool& bad : pools) {
    for (const Pool& good : pools) {
      const bool same_timeouts =
          bad.timeouts.connect == good.timeouts.connect && bad.timeouts.operation == good.timeouts.operation;
      Server server;
      Worker failing[2] = {{server.table.get(), bad.timeouts, bad.retry_interval},
                           {server.table.get(), bad.timeouts, bad.retry_interval}};
      Worker other(server.table.get(), good.timeouts, good.retry_interval);
      // What is too late for one is in time for the other.
      for (int i = 0; i < 20; ++i) {
        for (Worker& worker : failing) {
          if (worker.Asks(At(i))) worker.Ends(At(i), NodeFailure::kTimeout);
        }
        if (!same_timeouts) {
          REQUIRE(other.Asks(At(i)));
          REQUIRE(other.Ends(At(i), NodeFailure::kNone) == GateEvent::kNone);
        }
      }
      if (same_timeouts) {  // evidence they share, and each waits its own interval after it
        const TimePoint due = FromNanos(other.health->answers.tried_at_ns) + good.retry_interval;
        CHECK_FALSE(other.Asks(due - std::chrono::nanoseconds(1)));
        CHECK(other.Asks(due));
      }
    }
  }
}

TEST_CASE("where no node is left, one worker of the server may ask once more each tenth of a second") {
  Server server;
  Worker first(&server), second(&server);
  first.Operation(At(0), NodeFailure::kTimeout);
  second.Operation(At(0), NodeFailure::kTimeout);
  CHECK_FALSE(first.gate.GrantLastTry(At(99), first.connected));
  CHECK_FALSE(first.Asks(At(99)));
  CHECK(first.gate.GrantLastTry(At(100), first.connected));
  CHECK_FALSE(second.gate.GrantLastTry(At(100), second.connected));
  CHECK(first.Operation(At(101), NodeFailure::kTimeout) == GateEvent::kNone);
  CHECK_FALSE(first.Asks(At(102)));  // a grant is for one operation
  CHECK_FALSE(second.gate.GrantLastTry(At(200), second.connected));
  CHECK(second.gate.GrantLastTry(At(201), second.connected));
  CHECK(second.Operation(At(202), NodeFailure::kNone) == GateEvent::kAnswersAgain);
  CHECK(first.Asks(At(203)));
  // A grant that is not used is over soon.
  first.Ends(At(203), NodeFailure::kTimeout);
  second.Operation(At(203), NodeFailure::kTimeout);
  CHECK(first.gate.GrantLastTry(At(400), first.connected));
  CHECK_FALSE(first.Asks(At(500)));
}

TEST_CASE("where no node is left, a worker overcomes its own doubt, but not what does not let it in") {
  Server server;
  Worker worker(&server);
  worker.Operation(At(0), NodeFailure::kTimeout);
  CHECK_FALSE(worker.Asks(At(1)));
  CHECK(worker.gate.GrantLastTry(At(1), worker.connected));
  CHECK(worker.Operation(At(2), NodeFailure::kNone) == GateEvent::kNone);

  Worker stranger(&server);
  stranger.Operation(At(0), NodeFailure::kCredentials);
  CHECK_FALSE(stranger.gate.GrantLastTry(At(1000), stranger.connected));
}

TEST_CASE("where no node is left, a worker overcomes its own doubt once each tenth of a second") {
  Server server;
  Worker worker(&server);
  worker.Operation(At(0), NodeFailure::kTimeout);
  REQUIRE(worker.gate.GrantLastTry(At(1), worker.connected));
  worker.Operation(At(2), NodeFailure::kTimeout);
  CHECK_FALSE(worker.gate.GrantLastTry(At(100), worker.connected));
  CHECK_FALSE(worker.Asks(At(100)));
  CHECK(worker.gate.GrantLastTry(At(101), worker.connected));
  CHECK(worker.Asks(At(101)));
}

TEST_CASE("a worker whose slot was taken for another node asks its own, and charges nobody else") {
  Server server;
  Worker worker(&server);
  NodeHealth* slot = worker.health.get();
  REQUIRE(worker.Asks(At(0)));
  slot->key = 2;  // another's now
  worker.Ends(At(1), NodeFailure::kConnectRefused);
  CHECK(slot->failures.load() == 0);
  CHECK(worker.Asks(At(2)));
  CHECK(worker.health.get() != slot);
}

}  // namespace
}  // namespace clustered_session
