// Whatever state a node is in: requests failed, updates lost, the longest request, what the nodes hold at the end. One
// test per fault, over real processes; each prints its row. Layer: tests.
#include "tests/session/fault_table.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "src/memcached/resolver.h"

namespace clustered_session {
namespace {

using std::chrono::milliseconds;

constexpr int kBefore = 2;  // requests of each session
constexpr int kDuring = 4;

void CheckRow(const FaultTable::Row& row) {
  INFO(row.first_error);
  CHECK(row.failed == 0);
  CHECK(row.lost == 0);
  CHECK(row.longest < row.longest_max);
  CHECK(row.slow <= row.slow_max);
  CHECK(row.safe == row.sessions);
  CHECK(row.whole == row.sessions);
  CHECK(row.first_error.empty());
}

// Node 0 has the proxy's `faults` for a while.
FaultTable::Row RunFaults(FaultTable* table, const ProxyFaults& faults) {
  table->Serve(kBefore);
  table->proxy(0).Set(faults);
  table->BeginFault({1, 2});
  table->Serve(kDuring);
  table->EndFault();
  CHECK(table->server(0).failures() > 0);  // it was one
  CHECK(table->server(1).failures() > 0);
  table->proxy(0).Heal();
  return table->Finish();
}

TEST_CASE("A node that is killed fails no request and loses nothing", "[session]") {
  FaultTable table({.fault = "kill -9"});
  table.Serve(kBefore);
  table.node(0).Kill();
  table.BeginFault({1, 2});
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).failures() > 0);
  table.node(0).Restart();
  CheckRow(table.Finish());
}

TEST_CASE("A node that is stopped costs a server one wait per retry interval", "[session]") {
  FaultTable table({.fault = "SIGSTOP", .waits = true});
  table.Serve(kBefore);
  table.node(0).Stop();
  table.BeginFault({1, 2});
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).failures() > 0);
  table.node(0).Continue();
  CheckRow(table.Finish());
}

TEST_CASE("A node that is restarted empty is filled again by each session's next request", "[session]") {
  FaultTable table({.fault = "restart empty"});
  table.Serve(kBefore);
  table.node(0).Restart();
  table.BeginFault({0, 1, 2});
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).failures() == 0);  // an idle connection that was closed is no failure
  CheckRow(table.Finish());
}

TEST_CASE("A node that accepts and never answers costs a server one wait per retry interval", "[session]") {
  FaultTable table({.fault = "accepts and never answers", .waits = true});
  ProxyFaults faults;
  faults.black_hole = true;
  CheckRow(RunFaults(&table, faults));
}

TEST_CASE("A node at a black-hole address costs a server one wait per retry interval", "[session]") {
  FaultTable table({.fault = "black hole", .waits = true});
  ProxyFaults faults;
  faults.black_hole = true;  // what is on its way to an open connection
  faults.hang_connects = true;
  CheckRow(RunFaults(&table, faults));
}

TEST_CASE("A slow link to a node fails nothing, and the node counts as well", "[session]") {
  FaultTable table({.fault = "slow link, 20 ms each answer", .sessions = 8});
  table.Serve(kBefore);
  ProxyFaults faults;
  faults.delay = milliseconds(20);
  table.proxy(0).Set(faults);
  table.BeginFault({0, 1, 2});
  table.Serve(kDuring);
  table.EndFault();
  table.proxy(0).Heal();
  CheckRow(table.Finish());
  CHECK(table.server(0).failures() == 0);
  CHECK(table.server(1).failures() == 0);
}

TEST_CASE("A node that answers one byte a second costs a server one wait per retry interval", "[session]") {
  FaultTable table({.fault = "one byte a second", .waits = true});
  ProxyFaults faults;
  faults.drip = milliseconds(1000);
  CheckRow(RunFaults(&table, faults));
}

TEST_CASE("A node that closes in the middle of each answer fails no request and loses nothing", "[session]") {
  FaultTable table({.fault = "closes in the middle of each answer"});
  ProxyFaults faults;
  faults.cut_after = 7;
  CheckRow(RunFaults(&table, faults));
}

TEST_CASE("A node that answers garbage fails no request and loses nothing", "[session]") {
  FaultTable table({.fault = "garbage"});
  ProxyFaults faults;
  faults.answer_instead = "VALUE x 0 3 1\r\nabc\r\nSTORED\r\n\x81";
  CheckRow(RunFaults(&table, faults));
}

// What is refused must not cost the record that is there: it may be the last one.
TEST_CASE("A full node keeps the old record of what it refuses, and the new one goes elsewhere", "[session]") {
  FaultTable::Options options{.fault = "a full node", .sessions = 16};
  options.first.arguments = {"-M", "-m", "2"};
  FaultTable table(options);
  table.Serve(kBefore);
  constexpr size_t kFiller = 30'000;
  int fillers = 0;
  while (fillers < 500 && table.node(0).Set("filler" + std::to_string(fillers), std::string(kFiller, 'f'))) ++fillers;
  REQUIRE(fillers > 0);
  REQUIRE(fillers < 500);
  std::vector<std::string> held;
  for (size_t session = 0; session < options.sessions; ++session) held.push_back(table.Bytes(0, session));
  table.BeginFault({0, 1, 2});
  table.Serve(1, kFiller);
  table.Serve(kDuring - 1);
  table.EndFault();
  size_t kept = 0;
  for (size_t session = 0; session < options.sessions; ++session) {
    CHECK((table.Bytes(0, session) == held[session]));
    kept += !held[session].empty();
  }
  CHECK(kept > 0);
  CHECK(kept < options.sessions);
  CHECK(table.server(0).failures() == 0);  // to refuse is an answer
  for (int i = 0; i < fillers; ++i) table.node(0).Delete("filler" + std::to_string(i));
  CheckRow(table.Finish());
}

// The names of the nodes, of which the first can be taken away.
struct Names {
  Names() { Return(); }
  ~Names() {
    Resolver::OfProcess().SetLookup(LookUpHost);
    if (silence) silence->set_value();
  }

  void Return() {
    Resolver::OfProcess().SetLookup(
        [](const std::string&) -> Result<HostAddresses> { return HostAddresses{"127.0.0.1"}; });
  }
  void Lose(bool silently) {
    if (silently) silence.emplace();
    const std::shared_future<void> released = silently ? silence->get_future().share() : std::shared_future<void>();
    Resolver::OfProcess().SetLookup([released](const std::string& host) -> Result<HostAddresses> {
      if (host != "m1.test") return HostAddresses{"127.0.0.1"};
      if (released.valid()) released.wait();
      return Error(ErrorCode::kUnavailable, "cannot resolve its name: gone");
    });
  }

  std::optional<std::promise<void>> silence;
};

TEST_CASE("A node whose name is gone is used where it was, and fails no request of a server that never saw it",
          "[session]") {
  const bool silently = GENERATE(false, true);
  Names names;
  FaultTable table(
      {.fault = silently ? "the name server keeps silent" : "a name that is gone", .waits = silently, .by_name = true});
  table.Serve(kBefore);
  names.Lose(silently);
  for (size_t i = 0; i < FaultTable::kNodes; ++i) table.proxy(i).CloseConnections();
  table.BeginFault({0, 1, 2});  // the first one answers who has seen it
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).failures() == 0);
  CHECK(table.server(1).failures() > 0);
  names.Return();
  CheckRow(table.Finish());
}

TEST_CASE("With two of three nodes dead all sessions go on, and those on the third also elsewhere", "[session]") {
  FaultTable table({.fault = "two of three nodes dead, one hangs", .waits = true});
  table.Serve(kBefore);
  table.node(0).Kill();
  table.node(1).Stop();
  table.BeginFault({2});
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).failures() > 1);
  table.node(0).Restart();
  table.node(1).Continue();
  CheckRow(table.Finish());
}

TEST_CASE("An outage of all nodes loses nothing, and all is written when they are back, empty", "[session]") {
  FaultTable table({.fault = "all nodes dead, and back empty"});
  table.Serve(kBefore);
  for (size_t i = 0; i < FaultTable::kNodes; ++i) table.node(i).Kill();
  table.BeginFault({});
  table.Serve(kDuring);
  table.EndFault();
  CHECK(table.server(0).store().UnreplicatedCount() == 24);
  for (size_t i = 0; i < FaultTable::kNodes; ++i) table.node(i).Restart();
  CHECK(table.server(0).Flush() == 0);
  CHECK(table.server(0).store().UnreplicatedCount() == 0);
  CheckRow(table.Finish());
}

}  // namespace
}  // namespace clustered_session
