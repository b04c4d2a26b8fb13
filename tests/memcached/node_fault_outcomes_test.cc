// What nodes that are dead, hung, slow or broken come to, the same for both engines and for all that stands before a
// node. Mirrors src/cluster/node.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/memcached/node_peers.h"
#include "tests/support/child_process.h"
#include "tests/support/hanging_port.h"

namespace clustered_session {
namespace {

constexpr NodeTimeouts kShort = {milliseconds(100), milliseconds(100)};

// `error` names the node, is one line, and says nothing of a password; what has failed is one of `failures`.
void CheckError(const NodeReply& reply, const std::vector<NodeFailure>& failures) {
  INFO(reply.error);
  CHECK(reply.status == NodeStatus::kError);
  CHECK(reply.error.rfind("node m1 (127.0.0.1:", 0) == 0);
  CHECK(reply.error.find('\n') == std::string::npos);
  CHECK(reply.error.find("s3cret") == std::string::npos);
  INFO(static_cast<int>(reply.failure));
  CHECK(std::find(failures.begin(), failures.end(), reply.failure) != failures.end());
}

TEST_CASE("whatever the node, where nobody listens is an error, and is reached by the next call once somebody does") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  if (kind.proxied) return;  // there somebody always listens
  INFO(kind.name);
  Peer peer(kind);
  peer.server.Kill();
  TestNode client(kind.engine, TcpAddress(peer.server.port()), {seconds(5), seconds(5)}, kind.credentials);
  for (int i = 0; i < 10; ++i) {
    const NodeReply reply = i % 2 == 0 ? client.Read("k") : client.Write("k", "v");
    CheckError(reply, {NodeFailure::kConnectRefused});
    CHECK(reply.error.find("cannot connect: Connection refused") != std::string::npos);
  }
  CHECK(client.counters.node_errors.Get() == 10);
  CHECK(client.counters.node_connects.Get() == 0);
  peer.server.Restart();
  CHECK(client.Write("k", "v").status == NodeStatus::kStored);
  peer.server.Kill();
  CHECK(client.Read("k").status == NodeStatus::kError);
  peer.server.Restart();
  CHECK(client.Read("k").status == NodeStatus::kMiss);  // empty
}

TEST_CASE("whatever the node, a connection that is not accepted is an error of its own") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  INFO(kind.name);
  HangingPort hanging;
  TestNode client(kind.engine, TcpAddress(hanging.port()), kShort, kind.credentials);
  CheckError(client.Read("k"), {NodeFailure::kConnectTimeout});
  CheckError(client.Write("k", "v"), {NodeFailure::kConnectTimeout});
  CheckError(client.Read("k", milliseconds(-5)), {NodeFailure::kConnectTimeout});  // a deadline that is over
}

TEST_CASE("whatever the node, it may hang or drip, an operation ends, and a late answer is nobody's") {
  EachPeer peer;
  const std::string value(2000, 'v');
  REQUIRE(peer.server.Set("first", value));
  REQUIRE(peer.server.Set("second", "value of second"));
  const auto client = peer.NewNode(kShort);
  const auto check = [&](const std::string& what, const ProxyFaults& faults) {
    INFO(what);
    for (const bool fresh : {false, true}) {
      INFO("fresh " << fresh);
      const NodeReply before = UntilNoError([&] { return client->Read("second"); });
      CHECK(before.value == "value of second");
      if (fresh) peer.proxy.CloseConnections();
      peer.proxy.Set(faults);
      CheckError(client->Read("first"), {NodeFailure::kTimeout, NodeFailure::kConnectTimeout});
      if (faults.black_hole) CheckError(client->Write("first", "new"), {NodeFailure::kTimeout});
      peer.proxy.Heal();
    }
    CHECK(UntilNoError([&] { return client->Read("second"); }).value == "value of second");
  };
  ProxyFaults faults;
  faults.black_hole = true;
  check("it keeps silent", faults);
  faults = {};
  faults.delay = seconds(1);
  check("it is late", faults);
  faults = {};
  faults.drip = milliseconds(50);
  check("it drips, for 10 seconds", faults);
  faults.drip_from = 1500;
  check("it drips within a value", faults);
  faults = {};
  faults.stall_after = 1000;
  check("it stops within a value", faults);
}

TEST_CASE("whatever the node, an answer that is slow but in time is taken, whole or in pieces") {
  EachPeer peer;
  const auto client = peer.NewNode({seconds(20), seconds(20)});
  ProxyFaults faults;
  SECTION("late") { faults.delay = milliseconds(200); }
  SECTION("in pieces") { faults.drip = milliseconds(1); }
  peer.proxy.Set(faults);
  const NodeReply stored = client->Write("k", "v", {}, seconds(30));
  INFO(stored.error);
  REQUIRE(stored.status == NodeStatus::kStored);
  CHECK(client->Read("k", seconds(30)).value == "v");
  CHECK(client->Write("k", "w", stored.token, seconds(30)).status == NodeStatus::kStored);
  CHECK(client->counters.node_errors.Get() == 0);
}

TEST_CASE("whatever the node, one that hangs takes no answer from another that has it on the way") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  INFO(kind.name);
  Peer hung(kind);
  Peer good(kind);
  const std::string value(300'000, 'v');
  REQUIRE(good.server.Set("k", value));
  const auto of_hung = hung.NewNode();
  const auto of_good = good.NewNode();
  REQUIRE(of_hung->Read("x").status == NodeStatus::kMiss);
  REQUIRE(of_good->Read("x").status == NodeStatus::kMiss);
  ProxyFaults hole;
  hole.black_hole = true;
  hung.proxy.Set(hole);
  const size_t before = good.proxy.round_trips();
  const TimePoint deadline = Now() + milliseconds(300);
  of_hung->node->StartRead("k", deadline);
  of_good->node->StartRead("k", deadline);
  // The good one's answer is on its way before the hung one's time is over, unless this machine is very busy.
  WaitUntil([&] { return good.proxy.round_trips() > before; });
  const bool in_time = Now() < deadline;
  CHECK(of_hung->node->FinishRead().status == NodeStatus::kError);
  const NodeReply reply = of_good->node->FinishRead();
  INFO(reply.error);
  if (in_time) CHECK(reply.status == NodeStatus::kHit);
  if (reply.status == NodeStatus::kHit) CHECK((reply.value == value));
}

TEST_CASE("whatever the node, a connection that was closed while it was idle costs nothing but a new one") {
  EachPeer peer;
  REQUIRE(peer.server.Set("k", "v"));
  const auto client = peer.NewNode();
  for (int i = 0; i < 3; ++i) {
    const NodeReply hit = client->Read("k");
    REQUIRE(hit.status == NodeStatus::kHit);
    peer.proxy.CloseConnections();
    REQUIRE(client->Write("k", "v" + std::to_string(i), hit.token).status == NodeStatus::kStored);
    peer.proxy.CloseConnections();
  }
  CHECK(client->counters.node_errors.Get() == 0);
  CHECK(client->counters.node_connects.Get() == 6);
}

TEST_CASE(
    "whatever the node, a connection that is closed at the request is tried once more, and within an answer is an "
    "error") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply stored = client->Write("k", "0123456789");
  REQUIRE(stored.status == NodeStatus::kStored);
  ProxyFaults faults;
  SECTION("at the request, once") {
    faults.close_on_requests = 1;
    peer.proxy.Set(faults);
    SECTION("a read") { CHECK(client->Read("k").status == NodeStatus::kHit); }
    SECTION("a write") { CHECK(client->Write("k", "w", stored.token).status == NodeStatus::kStored); }
    CHECK(client->counters.node_errors.Get() == 0);
    CHECK(peer.proxy.connections() == 2);
  }
  SECTION("at the request, always") {
    faults.close_on_request = true;
    peer.proxy.Set(faults);
    CheckError(client->Write("k", "w", stored.token), {NodeFailure::kClosed});
    CHECK(peer.proxy.connections() == 2);
    peer.proxy.Heal();
    CHECK(client->Read("k").value == "0123456789");
  }
  SECTION("within an answer") {
    for (const size_t cut : {1u, 5u, 13u, 20u, 24u}) {
      INFO(cut);
      faults.cut_after = cut;
      peer.proxy.Set(faults);
      CheckError(client->Read("k"), {NodeFailure::kClosed});
      peer.proxy.Heal();
      CHECK(client->Read("k").value == "0123456789");
    }
  }
}

TEST_CASE(
    "whatever the node, a write that was stored before its connection was lost is acknowledged by the second try") {
  EachPeer peer;
  const auto client = peer.NewNode();
  const NodeReply first = client->Write("k", "v");
  REQUIRE(first.status == NodeStatus::kStored);
  ProxyFaults faults;
  faults.cut_after = 0;  // the node does the work; its answer is lost whole
  peer.proxy.Set(faults);
  client->node->StartWrite("k", "w", seconds(100), first.token, Now() + seconds(5));
  REQUIRE(WaitUntil([&] { return peer.server.Get("k") == "w"; }));
  peer.proxy.Heal();
  NodeReply reply = client->node->FinishWrite();
  if (reply.status == NodeStatus::kContested) reply = ContestedReply(client->Read("k"), "w");
  INFO(reply.error);
  // Unless the second try was lost as well, before the proxy was healed.
  if (reply.status != NodeStatus::kError) {
    CHECK(reply.status == NodeStatus::kStored);
    CHECK(reply.token == client->Read("k").token);
  }
  CHECK(peer.server.Get("k") == "w");
}

TEST_CASE("whatever the node, a refused user or password is an error of its own, and gives nothing away") {
  const PeerKind kind = GENERATE(from_range(PeerKinds()));
  if (kind.credentials.username.empty()) return;
  INFO(kind.name);
  Peer peer(kind);
  NodeCredentials credentials = kind.credentials;
  SECTION("another password") { credentials.password = "other-word"; }
  SECTION("no password") { credentials.password = ""; }
  SECTION("another user") { credentials.username = "other"; }
  TestNode client(kind.engine, TcpAddress(peer.server.port()), {seconds(5), seconds(5)}, credentials);
  for (const size_t size : {0u, 1u, 100'000u}) {  // 0: a read
    const NodeReply reply = size > 0 ? client.Write("k", std::string(size, 'v')) : client.Read("k");
    CheckError(reply, {NodeFailure::kCredentials});
    CHECK(reply.error.find("refused the user name or password (clustered_session.username)") != std::string::npos);
    CHECK(reply.error.find("other-word") == std::string::npos);
  }
  CHECK(peer.server.Get("k").empty());
}

}  // namespace
}  // namespace clustered_session
