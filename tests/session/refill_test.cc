// What no server holds any more comes back to a node that has lost it, from the keys that the other nodes list: by the
// thread's steps, on imagined nodes. Layer: tests. Mirrors src/session/refiller.h.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "src/session/refiller.h"
#include "src/session/repairer.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "tests/session/repaired_cluster.h"

using namespace clustered_session;

namespace {

struct ListedFixture : RepairedCluster {
  ListedFixture() {
    for (FakeMemcached* node : nodes) node->set_lists(KeyListing::State::kWhole);
  }

  std::unique_ptr<Repairer> ThreadOf(WebServer* server, uint32_t rate = 2000) {
    return std::make_unique<Repairer>(
        &server->store(), &clock, [server](uint8_t) { return Borrow(server->context()); },
        [] { return std::vector<uint8_t>{1}; }, rate);
  }
  void Run(Repairer* thread, Duration time = std::chrono::seconds(10)) {
    const TimePoint until = clock.Now() + time;
    while (clock.Now() < until) {
      const TimePoint next = thread->Step();
      clock.Advance(std::clamp<Duration>(next - clock.Now(), std::chrono::microseconds(10), until - clock.Now()));
    }
  }
  // Both servers forget all, and one of them has a session of somebody's, so that it looks at the nodes.
  void RestartServers() {
    a.Restart();
    b.Restart();
    Login(&a, 1);
  }
  const NodeMemory& Memory(size_t node) {
    return *a.context().shared->repair.FindMemoryOf(0, a.context().nodes->member(static_cast<uint32_t>(node)).hash);
  }
  uint64_t ListsBegun() const { return m1.lists_begun + m2.lists_begun + m3.lists_begun; }
};

}  // namespace

TEST_CASE_METHOD(ListedFixture,
                 "What no server holds comes back to a node that restarts empty, sessions and their ends",
                 "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 200);
  const std::vector<Browser> gone = Login(&a, 50);
  for (Browser each : gone) Logout(&a, &each);
  RestartServers();
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  REQUIRE(IsWhole(a.context()));
  const size_t restarted = GENERATE(0, 1, 2);
  nodes[restarted]->RestartEmpty();
  CHECK_FALSE(IsWhole(a.context()));
  Run(thread.get());
  CHECK(IsWhole(a.context()));
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(AllOn(gone, 3, "destroyed"));
  for (const Browser& each : users) CHECK(HeldBy(Placed(each.session_id)[2], each.session_id) == "nothing");
  // Once per loss, and then nobody is asked any more.
  const uint64_t lists = ListsBegun();
  const uint64_t writes = m1.writes + m2.writes + m3.writes;
  Run(thread.get(), std::chrono::minutes(2));
  CHECK(ListsBegun() == lists);
  CHECK(m1.writes + m2.writes + m3.writes == writes);
  // Whichever is lost next, nobody is logged out, and nobody comes back.
  nodes[(restarted + 1) % 3]->RestartEmpty();
  for (Browser each : users) {
    browser = each;
    browser.affinity.reset();
    View(&b, "n|i:1;");
  }
  for (Browser each : gone) {
    browser = each;
    browser.affinity.reset();
    View(&b, "");
  }
}

TEST_CASE_METHOD(ListedFixture, "One server fills a node, and the others see that it is not whole until it is done",
                 "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 300);
  RestartServers();
  Login(&b, 1);
  const auto of_a = ThreadOf(&a, 50);
  const auto of_b = ThreadOf(&b, 50);
  const auto both = [&](Duration time) {
    const TimePoint until = clock.Now() + time;
    while (clock.Now() < until) {
      const TimePoint next = std::min(of_a->Step(), of_b->Step());
      clock.Advance(std::clamp<Duration>(next - clock.Now(), std::chrono::microseconds(10), until - clock.Now()));
    }
  };
  both(std::chrono::minutes(1));
  REQUIRE(IsWhole(a.context()));
  REQUIRE(IsWhole(b.context()));
  m1.RestartEmpty();
  both(std::chrono::seconds(3));
  CHECK_FALSE(IsWhole(a.context()));
  CHECK_FALSE(IsWhole(b.context()));
  const auto written = [](WebServer& server) { return server.context().shared->repair.ViewOf(1, 0)->copies.load(); };
  // One, at most, is of a session that the server itself has a copy of.
  CHECK(std::min(written(a), written(b)) <= 1);
  CHECK(std::max(written(a), written(b)) > 1);
  both(std::chrono::minutes(1));
  CHECK(IsWhole(a.context()));
  CHECK(IsWhole(b.context()));
  CHECK(AllOn(users, 2, "n|i:1;"));
  CHECK(std::min(written(a), written(b)) <= 1);
}

TEST_CASE_METHOD(ListedFixture, "A server that dies while it fills a node is followed by another one, which goes on",
                 "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 300);
  RestartServers();
  Login(&b, 1);
  {
    const auto of_a = ThreadOf(&a);
    Run(of_a.get());
    REQUIRE(IsWhole(a.context()));
    const auto slow = ThreadOf(&a, 20);
    m1.RestartEmpty();
    Run(slow.get(), std::chrono::seconds(8));
  }
  const auto held = [&] {
    return std::count_if(users.begin(), users.end(), [&](const Browser& each) { return On(each, "n|i:1;") == 2; });
  };
  const auto before = held();
  CHECK(before < 300);
  const uint64_t reads = m2.reads + m3.reads;
  const bool same_server = GENERATE(true, false);
  const auto next = ThreadOf(same_server ? &a : &b);
  Run(next.get(), std::chrono::seconds(30));
  CHECK(held() == 300);
  CHECK(IsWhole((same_server ? a : b).context()));
  CHECK(m2.reads + m3.reads > reads);
}

TEST_CASE_METHOD(ListedFixture, "A node that is away for a moment is filled from where that was left",
                 "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 300);
  RestartServers();
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  m1.RestartEmpty();
  const auto slow = ThreadOf(&a, 40);
  for (int i = 0; i < 4; ++i) {
    Run(slow.get(), std::chrono::seconds(5));
    m1.set_down(true);
    Run(slow.get(), std::chrono::seconds(3));
    m1.set_down(false);
  }
  Run(slow.get(), std::chrono::seconds(30));
  CHECK(IsWhole(a.context()));
  CHECK(AllOn(users, 2, "n|i:1;"));
  // Each was written once.
  const auto on_m1 = std::count_if(users.begin(), users.end(),
                                   [&](const Browser& each) { return HeldBy(&m1, each.session_id) == "n|i:1;"; });
  CHECK(a.context().shared->repair.ViewOf(1, 0)->copies.load() <= static_cast<uint64_t>(on_m1) + 1);
}

TEST_CASE_METHOD(ListedFixture, "Of more keys than are held at once the rest is listed again, and none is left out",
                 "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 300);
  RestartServers();
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  m1.RestartEmpty();
  const uint64_t lists = ListsBegun();
  Refiller refiller;
  refiller.set_held_max(100);
  while (!IsWhole(a.context())) {
    const std::vector<NodeView> views = LookAtNodes(a.context());
    RepairView* view = a.context().shared->repair.ViewOf(1, 0);
    view->walked.store(view->due.load());
    refiller.Run(a.context(), views);
    clock.Advance(std::chrono::milliseconds(10));
  }
  CHECK(ListsBegun() - lists >= 4);
  CHECK(AllOn(users, 2, "n|i:1;"));
}

TEST_CASE_METHOD(ListedFixture, "Nothing newer is replaced, and what has ended stays so", "[repair][refill]") {
  const std::vector<Browser> users = Login(&a, 30);
  RestartServers();
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  FakeMemcached* const lost = &m1;
  SECTION("A request writes while the node is filled") {
    lost->RestartEmpty();
    lost->BeforeWrite([&] {
      for (Browser each : users) {
        browser = each;
        Serve(&b, "n|i:1;", "n|i:2;");
      }
    });
    Run(thread.get());
    CHECK(std::all_of(users.begin(), users.end(), [&](const Browser& each) { return On(each, "n|i:1;") == 0; }));
  }
  SECTION("A node that hung during the logouts lists old sessions") {
    m2.set_hung(&clock);
    Login(&b, 5);
    for (Browser each : users) Logout(&b, &each);
    m2.set_hung(nullptr);
    b.Restart();
    clock.Advance(std::chrono::seconds(3));
    lost->RestartEmpty();
    Run(thread.get());
    for (const Browser& each : users) CHECK(HeldBy(lost, each.session_id) == "destroyed");
  }
}

TEST_CASE_METHOD(ListedFixture, "What is brought back lives no longer than where it comes from", "[repair][refill]") {
  Login(&a, 1);
  const Browser user = browser;
  RestartServers();
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  clock.Advance(std::chrono::seconds(1000));
  Login(&a, 1);
  const std::vector<FakeMemcached*> placed = Placed(user.session_id);
  const std::string key = StorageKey("cs:", Hash128({}, "cs:", user.session_id));
  const FakeMemcached::Item before = *placed[1]->Find(key);
  placed[0]->RestartEmpty();
  Run(thread.get());
  REQUIRE(placed[0]->Find(key) != nullptr);
  CHECK(placed[0]->Find(key)->value == before.value);
  CHECK(placed[0]->Find(key)->expires_at <= before.expires_at);
  CHECK(placed[0]->Find(key)->expires_at >= before.expires_at - std::chrono::seconds(2));
}

TEST_CASE_METHOD(ListedFixture, "A node that gives no list is named, and nobody waits for it", "[repair][refill]") {
  const KeyListing::State state =
      GENERATE(KeyListing::State::kNone, KeyListing::State::kFailed, KeyListing::State::kBusy);
  Login(&a, 30);
  const auto thread = ThreadOf(&a);
  m2.set_lists(state);
  Run(thread.get(), std::chrono::minutes(1));
  m1.RestartEmpty();
  Run(thread.get(), std::chrono::minutes(1));
  const bool busy = state == KeyListing::State::kBusy;
  CHECK(NeedsRefill(a.context(), 0) == busy);
  CHECK(IsWhole(a.context()) != busy);
  CHECK(Memory(1).lists.load() == (busy ? NodeMemory::kNotAsked : NodeMemory::kRefused));
  CHECK((Memory(2).lists.load() == NodeMemory::kTold) == !busy);  // it is the next one
  // Another server learns it from the note.
  Login(&b, 1);
  const auto other = ThreadOf(&b);
  Run(other.get(), std::chrono::seconds(5));
  CHECK((b.context().shared->repair.FindMemoryOf(0, a.context().nodes->member(1).hash)->lists.load() ==
         NodeMemory::kRefused) == !busy);
  m2.set_lists(KeyListing::State::kWhole);
  Run(thread.get(), std::chrono::minutes(1));
  CHECK(IsWhole(a.context()));
}

TEST_CASE_METHOD(ListedFixture, "With repair_listing 0 no node is asked for a list, and whole is said without",
                 "[repair][refill]") {
  a.context().settings.repair_listing = false;
  Login(&a, 30);
  const auto thread = ThreadOf(&a);
  Run(thread.get());
  m1.RestartEmpty();
  Run(thread.get());
  CHECK(IsWhole(a.context()));
  CHECK(ListsBegun() == 0);
}

TEST_CASE("A note says the same when it is read, and what is none is refused", "[refill]") {
  RefillNote note;
  note.owner = 0x1234567890abcdef;
  CHECK(ParseRefillNote(FormatRefillNote(note))->owner == note.owner);
  note.listed = {1, 0xffffffff};
  note.unlisted = {7};
  note.source = 9;
  note.after = RefillKey{true, Hash128({}, "a", "b")};
  const std::optional<RefillNote> read = ParseRefillNote(FormatRefillNote(note));
  REQUIRE(read);
  CHECK(read->owner == note.owner);
  CHECK(read->listed == note.listed);
  CHECK(read->unlisted == note.unlisted);
  CHECK(read->source == 9);
  CHECK(read->after == note.after);
  const std::string text = FormatRefillNote(note);
  for (size_t size = 0; size < text.size(); ++size) CHECK_FALSE(ParseRefillNote(text.substr(0, size)));
  CHECK_FALSE(ParseRefillNote(text + "x"));
}
