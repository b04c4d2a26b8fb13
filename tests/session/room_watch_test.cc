// Nodes that are too small: what a server finds out about them, and says, before users complain. Layer: tests.
#include "src/session/room_watch.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "src/session/node_memory.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "tests/session/cluster_fixture.h"

namespace clustered_session {
namespace {

std::string Stats(int evictions, int bytes = 9 << 20) {
  return "STAT pid 1\r\nSTAT limit_maxbytes " + std::to_string(10 << 20) + "\r\nSTAT bytes " + std::to_string(bytes) +
         "\r\nSTAT slab_evictions 5\r\nSTAT evictions " + std::to_string(evictions) + "\r\n";
}

struct RoomFixture : ClusterFixture {
  RoomFixture() {
    for (FakeMemcached* node : nodes) node->set_stats(Stats(0));
    Serve(&a, "", "n|i:1;");
    browser = Browser();
  }
  RoomWatch watch{&clock, [this](uint8_t) { return Borrow(a.context()); }, [] { return std::vector<uint8_t>{1}; }};

  // The next look's lines, in one text.
  std::string Look() {
    clock.Advance(RoomWatch::kInterval);
    LookAtNodes(a.context());
    CHECK(watch.Step() == clock.Now() + RoomWatch::kInterval);
    std::string lines;
    for (const Notice& notice : watch.TakeNotices()) lines += notice.text + "\n";
    return lines;
  }
  const NodeMemory& Of(uint32_t node) {
    return *a.context().shared->repair.FindMemoryOf(a.context().pool_hash, a.context().nodes->member(node).hash);
  }
  // Visitors of sessions that servers of this cluster have made and no node knows.
  void Return(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string random = std::to_string(++visitors) + "abcdefghijklmnopqrstuvwxyz";
      Browser visitor;
      visitor.session_id = NameNode(a.context().nodes->addresses(), 0, random);
      Request request(&a, &visitor);
      REQUIRE(request.Start().ok());
      REQUIRE(request.FinishUnchanged().ok());
    }
  }
  int visitors = 1000;
};

TEST_CASE_METHOD(RoomFixture, "Nodes that throw sessions away are told once, and again where ten times more is gone",
                 "[room]") {
  m1.set_stats(Stats(7));  // before this server looked first
  CHECK(Look().empty());
  Return(3);
  CHECK(Look().empty());
  CHECK(Of(0).room_limit == 10 << 20);

  m1.set_stats(Stats(19));
  m3.set_stats(Stats(2));
  const std::string told = Look();
  CHECK(told ==
        "nodes throw sessions away for want of memory (node m1 (fake:m1): 12 of 10 MB, node m3 (fake:m3): 2 of 10 MB), "
        "which logs users out; since then nothing was known of 0 session IDs that visitors showed: give memcached more "
        "memory (-m) [CS-NODE-EVICTS]\n");
  m1.set_stats(Stats(1900));
  Return(9);
  CHECK(Look().empty());
  Return(1);
  CHECK(Look().find(" of 10 session IDs ") != std::string::npos);
  Return(89);
  CHECK(Look().empty());
  Return(1);
  CHECK(Look().find(" of 100 session IDs ") != std::string::npos);
  CHECK(a.counters().gone_ids.Get() == 103);
}

TEST_CASE_METHOD(RoomFixture, "A node that restarts counts anew", "[room]") {
  m1.set_stats(Stats(50));
  CHECK(Look().empty());
  m1.set_stats(Stats(0));
  CHECK(Look().empty());
  m1.set_stats(Stats(4));
  CHECK(Look().find("m1): 4 of") != std::string::npos);
}

TEST_CASE_METHOD(RoomFixture, "IDs that no server of the cluster has made, and such as have a session, are not counted",
                 "[room]") {
  for (const char* id : {"abcdefghijklmnopqrstuvwxyz", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
    Browser visitor;
    visitor.session_id = id;
    Request request(&a, &visitor);
    REQUIRE(request.Start().ok());
    REQUIRE(request.FinishUnchanged().ok());
  }
  Serve(&a, "", "n|i:1;");
  View(&a, "n|i:1;");
  View(&b, "n|i:1;");
  CHECK(a.counters().gone_ids.Get() == 0);
  CHECK(b.counters().gone_ids.Get() == 0);
}

TEST_CASE_METHOD(RoomFixture, "A node that refuses to tell is found out by the sessions that it has no more",
                 "[room]") {
  m1.set_stats({});
  m2.set_stats("nonsense");
  std::vector<Browser> visitors;
  for (int i = 0; i < 30; ++i) {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
    visitors.push_back(browser);
  }
  CHECK(Look().empty());
  CHECK(Of(0).room == NodeMemory::kRefused);
  CHECK(Of(1).room == NodeMemory::kRefused);
  CHECK(Of(0).evictions_seen == 0);

  int gone = 0;
  for (const Browser& each : visitors) {
    gone += static_cast<int>(m1.items().erase(StorageKey("cs:", Hash128({}, "cs:", each.session_id))));
  }
  REQUIRE(gone > 0);
  CHECK(Look().find("(node m1 (fake:m1): " + std::to_string(gone) + " or more)") != std::string::npos);

  SECTION("but not by what a restart has taken") {
    m2.RestartEmpty();
    clock.Advance(RoomWatch::kInterval);
    watch.Step();  // before the thread has looked at the node's memory, and after
    Look();
    CHECK(Of(1).evictions_seen == 0);
  }
  SECTION("and it is asked again after a while") {
    m1.set_stats(Stats(3));
    Look();
    CHECK(Of(0).room == NodeMemory::kRefused);
    clock.Advance(RoomWatch::kAskAgain);
    Look();
    CHECK(Of(0).room == NodeMemory::kTold);
  }
}

TEST_CASE_METHOD(RoomFixture, "A node that refuses to tell is not charged with sessions that too few nodes took",
                 "[room]") {
  m1.set_stats({});
  const std::map<std::string, FakeMemcached::Item> before = m1.items();
  for (FakeMemcached* node : {&m2, &m3}) node->set_down(true);
  for (int i = 0; i < 30; ++i) {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
  }
  for (FakeMemcached* node : {&m2, &m3}) node->set_down(false);
  CHECK(Look().empty());
  REQUIRE(m1.items().size() > before.size());
  std::erase_if(m1.items(),
                [&](const auto& item) { return item.first.starts_with("cs:") && !before.count(item.first); });
  CHECK(Look().empty());
  CHECK(Of(0).room == NodeMemory::kRefused);
  CHECK(Of(0).evictions_seen == 0);
}

TEST_CASE_METHOD(RoomFixture, "A node that has died while it was asked is asked again soon, and keeps its health",
                 "[room]") {
  CHECK(Look().empty());
  m1.set_down(true);
  watch.Step();  // too early
  clock.Advance(RoomWatch::kInterval);
  watch.Step();
  CHECK(Of(0).room == NodeMemory::kRefused);
  CHECK(a.context().nodes->WorthAsking(0));
  m1.set_down(false);
  m1.set_stats(Stats(2));
  clock.Advance(RoomWatch::kAskSoon - std::chrono::seconds(1));
  Look();
  CHECK(Of(0).room == NodeMemory::kTold);
}

TEST_CASE("What a node tells is input", "[room]") {
  RoomFigures figures;
  CHECK(ParseRoom(Stats(3, 4), &figures));
  CHECK(figures.evictions == 3);
  CHECK(figures.bytes == 4);
  CHECK(figures.limit == 10 << 20);
  for (const char* bad : {"", "STAT evictions", "STAT evictions 1\r\nSTAT bytes 2\r\n",
                          "STAT evictions -1\r\nSTAT bytes 2\r\nSTAT limit_maxbytes 3\r\n",
                          "STAT evictions 99999999999999999999\r\nSTAT bytes 2\r\nSTAT limit_maxbytes 3\r\n",
                          "xSTAT evictions 1\r\nSTAT bytes 2\r\nSTAT limit_maxbytes 3\r\n"}) {
    INFO(bad);
    CHECK_FALSE(ParseRoom(bad, &figures));
  }
}

}  // namespace
}  // namespace clustered_session
