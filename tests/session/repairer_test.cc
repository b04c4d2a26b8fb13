// What nodes lack is brought back to them for no request: by the thread's walk, step by step. Layer: tests.
#include "src/session/repairer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "tests/session/repaired_cluster.h"

using namespace clustered_session;

namespace {

struct RepairerFixture : RepairedCluster {
  RepairThread thread{&a};
  RepairThread other{&b};

  // Lets a thread work for so long.
  void Run(RepairThread* of, Duration time = std::chrono::seconds(5)) {
    const TimePoint until = clock.Now() + time;
    while (clock.Now() < until) {
      const TimePoint next = of->repairer.Step();
      if (next > clock.Now()) clock.Advance(std::min(next, until) - clock.Now());
    }
  }
  uint64_t Asked() const { return m1.reads + m1.writes + m2.reads + m2.writes + m3.reads + m3.writes; }
};

}  // namespace

TEST_CASE_METHOD(RepairerFixture, "A logout that a hung node has missed is told to it when it answers, for no request",
                 "[repair]") {
  std::vector<Browser> users = Login(&a, 10);
  Run(&thread);
  CHECK(IsWhole(a.context()));
  const size_t hung = GENERATE(0, 1, 2);
  nodes[hung]->set_hung(&clock);
  Login(&a, 10);  // which find that out
  for (Browser user : users) Logout(&a, &user);
  CHECK(AllOn(users, 2, "destroyed"));
  CHECK_FALSE(IsWhole(a.context()));
  Run(&thread);
  CHECK_FALSE(IsWhole(a.context()));
  nodes[hung]->set_hung(nullptr);
  Run(&thread);
  CHECK(AllOn(users, 3, "destroyed"));
  CHECK(IsWhole(a.context()));
  CHECK(a.context().shared->repair.ViewOf(1, 0)->tombstones.load() == 10);
}

TEST_CASE_METHOD(RepairerFixture, "What requests have read and not written yet is brought to the node that had lost it",
                 "[repair]") {
  for (WebServer* server : {&a, &b}) server->context().settings.lock = LockMode::kNone;
  for (FakeMemcached* node : nodes) node->set_lists(KeyListing::State::kNone);
  std::vector<Browser> users = Login(&a, 10);
  Login(&b, 1);  // which has its thread look at the nodes
  Run(&thread);
  Run(&other);
  const bool elsewhere = GENERATE(false, true);
  WebServer* server = elsewhere ? &b : &a;
  RepairThread* its = elsewhere ? &other : &thread;
  for (const Browser& user : users) a.store().Erase(a.context().InSpace(Hash128({}, "cs:", user.session_id)));
  m1.RestartEmpty();
  Run(its);
  CHECK(IsWhole(server->context()));  // as far as it knows
  std::vector<std::unique_ptr<Request>> requests;
  for (Browser& user : users) {
    requests.push_back(std::make_unique<Request>(server, &user));
    REQUIRE(requests.back()->Start().ok());
  }
  CHECK_FALSE(AllOn(users, 2, "n|i:1;"));
  CHECK_FALSE(IsWhole(server->context()));
  Run(its);
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(IsWhole(server->context()));
}

TEST_CASE_METHOD(RepairerFixture,
                 "The repair keeps no token of a record that it could not look at, so that nothing writes over it",
                 "[repair]") {
  for (WebServer* server : {&a, &b}) server->context().settings.takeover_grace = Duration::zero();
  browser = Login(&a, 1).front();
  const std::string id = browser.session_id;
  const std::vector<FakeMemcached*> placed = Placed(id);
  View(&b, "n|i:1;");
  Browser of_b = browser;
  View(&a, "n|i:1;");
  Browser of_a = browser;
  Run(&thread, std::chrono::seconds(1));
  // The second node loses its memory, and another server writes there what is nowhere else.
  placed[1]->RestartEmpty();
  b.Partition(static_cast<size_t>(std::find(nodes.begin(), nodes.end(), placed[0]) - nodes.begin()), true);
  browser = of_b;
  Serve(&b, "n|i:1;", "n|i:1;m|i:2;");
  placed[2]->RestartEmpty();
  REQUIRE(HeldBy(placed[0], id) == "n|i:1;");
  REQUIRE(HeldBy(placed[1], id) == "n|i:1;m|i:2;");
  // The repair of the first server sees that there is another record, and not which.
  const uint64_t asked = placed[1]->reads;
  placed[1]->LoseValueOf(StorageKey("cs:", Hash128({}, "cs:", id)));
  Run(&thread, std::chrono::seconds(2));
  REQUIRE(placed[1]->reads > asked + 1);
  placed[1]->LoseValueOf("");
  clock.Advance(std::chrono::seconds(3));  // until the node is asked again
  browser = of_a;
  Serve(&a, "n|i:1;", "n|i:1;o|i:3;");
  CHECK(a.counters().conflicts.Get() == 1);
  CHECK(HeldBy(placed[1], id).find("m|i:2;") != std::string::npos);
  CHECK(HeldBy(placed[1], id).find("o|i:3;") != std::string::npos);
}

TEST_CASE_METHOD(RepairerFixture, "A node that restarts empty gets back all that this server knows to belong there",
                 "[repair]") {
  std::vector<Browser> users = Login(&a, 100);
  std::vector<Browser> gone = Login(&a, 30);
  for (Browser user : gone) Logout(&a, &user);
  Run(&thread);
  REQUIRE(IsWhole(a.context()));
  const size_t restarted = GENERATE(0, 1, 2);
  nodes[restarted]->RestartEmpty();
  CHECK_FALSE(IsWhole(a.context()));
  Run(&thread);
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(AllOn(gone, 3, "destroyed"));
  for (const Browser& user : users) CHECK(HeldBy(Placed(user.session_id)[0], user.session_id) == "n|i:1;");
  CHECK(IsWhole(a.context()));
  // And that is all: nobody is written to again.
  const uint64_t writes = m1.writes + m2.writes + m3.writes;
  Run(&thread);
  CHECK(m1.writes + m2.writes + m3.writes == writes);
  // Whichever fails next, all is found, and nobody is logged in again.
  for (FakeMemcached* node : nodes) {
    node->RestartEmpty();
    Run(&thread);
    REQUIRE(IsWhole(a.context()));
  }
  for (const Browser& user : users) {
    browser = user;
    browser.affinity.reset();
    View(&b, "n|i:1;");
  }
  for (const Browser& user : gone) {
    browser = user;
    browser.affinity.reset();
    View(&b, "");
  }
}

TEST_CASE_METHOD(RepairerFixture, "A node that was flushed is one that has lost its memory", "[repair]") {
  const std::vector<Browser> users = Login(&a, 20);
  Run(&thread);
  m2.Flush();
  CHECK_FALSE(IsWhole(a.context()));
  Run(&thread);
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(IsWhole(a.context()));
}

TEST_CASE_METHOD(RepairerFixture, "Repair replaces nothing that another server has written since", "[repair]") {
  Login(&a, 1);
  const Browser user = browser;
  Run(&thread);
  Serve(&b, "n|i:1;", "n|i:2;");
  const std::vector<FakeMemcached*> placed = Placed(user.session_id);
  placed[0]->RestartEmpty();
  // The other server is late.
  Run(&thread);
  CHECK(On(user, "n|i:1;") == 0);
  CHECK(HeldBy(placed[1], user.session_id) == "n|i:2;");
  Run(&other);
  CHECK(On(user, "n|i:2;") == 2);
  browser = user;
  View(&a, "n|i:2;");
}

TEST_CASE_METHOD(RepairerFixture, "A copy of a session that was destroyed elsewhere brings back nothing", "[repair]") {
  std::vector<Browser> users = Login(&a, 20);
  Run(&thread);
  for (Browser user : users) Logout(&b, &user);
  SECTION("A node with its end answers: that is told to the others") {
    for (FakeMemcached* node : nodes) {
      node->RestartEmpty();
      Run(&thread);
    }
    CHECK(AllOn(users, 3, "destroyed"));
  }
  SECTION("The only node that knows is away") {
    m1.RestartEmpty();
    m2.RestartEmpty();
    m3.set_down(true);
    Run(&thread);
    for (const Browser& user : users) CHECK(On(user, "n|i:1;") == 0);
    m3.set_down(false);
    Run(&thread, std::chrono::seconds(40));
    CHECK(AllOn(users, 3, "destroyed"));
  }
}

TEST_CASE_METHOD(RepairerFixture, "What a stand-in has taken comes to its place, and the stand-in keeps nothing",
                 "[repair]") {
  std::vector<Browser> users = Login(&a, 20);
  Run(&thread);
  m1.set_down(true);
  for (Browser user : users) {
    browser = user;
    Serve(&a, "n|i:1;", "n|i:2;");
  }
  m1.set_down(false);
  Run(&thread);
  CHECK(AllOn(users, 2, "n|i:2;"));
  for (const Browser& user : users) {
    const std::vector<FakeMemcached*> placed = Placed(user.session_id);
    CHECK(HeldBy(placed[2], user.session_id) == "nothing");
  }
  CHECK(IsWhole(a.context()));
}

TEST_CASE_METHOD(RepairerFixture, "Repair is no use, lives no longer, and brings no other version", "[repair]") {
  Login(&a, 1);
  const Browser user = browser;
  Run(&thread);
  clock.Advance(std::chrono::seconds(1000));
  FakeMemcached* node = Placed(user.session_id)[0];
  const auto item = [&] { return *node->Find(StorageKey("cs:", Hash128({}, "cs:", user.session_id))); };
  const FakeMemcached::Item before = item();
  node->RestartEmpty();
  Run(&thread);
  CHECK(item().value == before.value);
  CHECK(item().expires_at <= before.expires_at);
  CHECK(item().expires_at >= before.expires_at - std::chrono::seconds(2));
  // The next write finds its tokens, and meets no conflict.
  browser = user;
  const uint64_t repairs = a.counters().repairs.Get();
  browser.affinity = user.affinity;
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(a.counters().repairs.Get() == repairs);
  CHECK(a.counters().conflicts.Get() == 0);
  CHECK(On(user, "n|i:2;") == 2);
}

TEST_CASE_METHOD(RepairerFixture, "A request that writes in the middle of a repair wins", "[repair]") {
  Login(&a, 1);
  const Browser user = browser;
  Run(&thread);
  FakeMemcached* node = Placed(user.session_id)[0];
  node->RestartEmpty();
  // Between the thread's question and its write.
  node->BeforeWrite([&] {
    browser = user;
    Serve(&b, "n|i:1;", "n|i:2;");
  });
  Run(&thread);
  Run(&other);
  CHECK(On(user, "n|i:2;") == 2);
  CHECK(On(user, "n|i:1;") == 0);
}

TEST_CASE_METHOD(RepairerFixture, "A session that a request has is repaired as well, and its write is none the worse",
                 "[repair]") {
  Login(&a, 1);
  const Browser user = browser;
  Run(&thread);
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  Placed(user.session_id)[0]->RestartEmpty();
  Run(&thread);
  CHECK(On(user, "n|i:1;") == 2);
  REQUIRE(request.Finish("n|i:2;").ok());
  request.End();
  CHECK(On(user, "n|i:2;") == 2);
  Run(&thread, std::chrono::seconds(40));
  CHECK(IsWhole(a.context()));
}

TEST_CASE_METHOD(RepairerFixture, "Repair takes no more sessions in a second than it may", "[repair]") {
  const std::vector<Browser> users = Login(&a, 300);
  RepairThread slow(&a, 50);
  Run(&slow);
  for (FakeMemcached* node : nodes) node->RestartEmpty();
  Run(&slow, std::chrono::seconds(2));
  const auto repaired = [&] {
    return std::count_if(users.begin(), users.end(), [&](const Browser& each) { return On(each, "n|i:1;") == 2; });
  };
  CHECK(repaired() > 0);
  CHECK(repaired() <= 64 + 100);
  CHECK_FALSE(IsWhole(a.context()));
  Run(&slow, std::chrono::seconds(5));
  CHECK(repaired() == 300);
  RepairThread none(&a, 0);
  m1.RestartEmpty();
  Run(&none);
  CHECK(m1.items().empty());
}

TEST_CASE_METHOD(RepairerFixture, "Who goes on after another one's death, or a node's next failure, does only the rest",
                 "[repair]") {
  const std::vector<Browser> users = Login(&a, 300);
  {
    RepairThread dies(&a, 50);
    Run(&dies);
    m1.RestartEmpty();
    Run(&dies, std::chrono::seconds(1));
  }
  const uint64_t copies = a.context().shared->repair.ViewOf(1, 0)->copies.load();
  CHECK(copies > 0);
  CHECK_FALSE(IsWhole(a.context()));
  // The node is away for a moment, several times.
  for (int i = 0; i < 3; ++i) {
    m1.set_down(true);
    Run(&thread, std::chrono::seconds(3));
    m1.set_down(false);
    Run(&thread, std::chrono::seconds(3));
  }
  Run(&thread);
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(IsWhole(a.context()));
  // Each was written once.
  const auto on_m1 = std::count_if(users.begin(), users.end(),
                                   [&](const Browser& each) { return HeldBy(&m1, each.session_id) == "n|i:1;"; });
  CHECK(a.context().shared->repair.ViewOf(1, 0)->copies.load() == static_cast<uint64_t>(on_m1));
}

TEST_CASE_METHOD(RepairerFixture, "Branches that a node has kept are merged for no request", "[repair]") {
  Login(&a, 1);
  const Browser user = browser;
  Run(&thread);
  for (size_t i = 0; i < nodes.size(); ++i) a.Partition(i, true);
  Serve(&a, "n|i:1;", "a|i:1;n|i:1;");
  for (size_t i = 0; i < nodes.size(); ++i) a.Partition(i, false);
  CHECK(a.store().UnreplicatedCount() == 1);
  CHECK_FALSE(IsWhole(a.context()));  // it is flushed, not repaired
}

TEST_CASE_METHOD(RepairerFixture, "A logout that repair tells a node lasts as long as the older record there",
                 "[repair]") {
  constexpr uint32_t kDay = 24 * 3600;
  Serve(&a, "", "n|i:1;");
  Browser user = browser;
  const std::vector<FakeMemcached*> placed = Placed(user.session_id);
  View(&b, "n|i:1;");
  for (size_t i = 0; i < nodes.size(); ++i) b.Partition(i, nodes[i] != placed[2]);
  {
    Request request(&b, &browser, /*strict=*/false, kDay);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("n|i:2;").ok());
  }
  REQUIRE(HeldBy(placed[2], user.session_id) == "n|i:2;");
  placed[2]->set_down(true);
  Logout(&a, &user);  // which knows of no session that long
  Run(&thread);
  placed[2]->set_down(false);
  Run(&thread);
  REQUIRE(On(user, "destroyed") == 3);
  const std::string key = StorageKey("cs:", Hash128({}, "cs:", user.session_id));
  for (FakeMemcached* node : nodes) CHECK(node->Find(key)->expires_at >= clock.Now() + std::chrono::seconds(kDay));
}

TEST_CASE_METHOD(RepairerFixture, "A logout that repair has learnt from a node is told to one that was away then",
                 "[repair]") {
  Serve(&a, "", "n|i:1;");
  Browser user = browser;
  const std::vector<FakeMemcached*> placed = Placed(user.session_id);
  Run(&thread);
  placed[1]->set_down(true);
  Logout(&b, &user);
  placed[0]->RestartEmpty();
  Run(&thread);
  REQUIRE(HeldBy(placed[0], user.session_id) == "destroyed");
  placed[1]->set_down(false);  // with the session, as it was
  Run(&thread, std::chrono::seconds(10));
  CHECK(On(user, "destroyed") == 3);
}

TEST_CASE_METHOD(RepairerFixture, "What a full node refuses is brought there once it has room", "[repair]") {
  Serve(&a, "", "n|i:1;");
  const Browser user = browser;
  FakeMemcached* const node = Placed(user.session_id)[0];
  Run(&thread);
  node->RestartEmpty();
  node->set_full(true);
  Run(&thread);
  REQUIRE(HeldBy(node, user.session_id) == "nothing");
  CHECK_FALSE(IsWhole(a.context()));
  node->set_full(false);
  Run(&thread, std::chrono::seconds(30));
  CHECK(HeldBy(node, user.session_id) == "n|i:1;");
  CHECK(IsWhole(a.context()));
}

TEST_CASE_METHOD(RepairerFixture, "What a request has mended after it was counted is missing no longer", "[repair]") {
  browser = Login(&a, 1).front();
  Run(&thread);
  FakeMemcached* const node = Placed(browser.session_id)[0];
  node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  node->set_down(false);
  clock.Advance(std::chrono::seconds(3));
  const SessionContext& context = a.context();
  const auto index = static_cast<uint32_t>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
  const auto counted = [&] {
    const NodeMemory* memory =
        context.shared->repair.FindMemoryOf(context.pool_hash, context.nodes->member(index).hash);
    return memory->copies_missing.load() > 0;
  };
  for (int i = 0; i < 10 && !counted(); ++i) thread.repairer.Step();
  REQUIRE(counted());
  Serve(&a, "n|i:2;", "n|i:3;");
  CHECK(On(browser, "n|i:3;") == 2);
  Run(&thread);
  CHECK(IsWhole(context));
}
