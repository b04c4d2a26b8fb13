// A session that was merged of two lives under one ID ends as a whole, also where only one of them is known. Layer:
// tests.
#include <catch2/catch.hpp>
#include <string>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

constexpr uint32_t kShort = 1440;

// Under an ID that was destroyed, server a has begun a life and server b another one, which the first two nodes have;
// server b has merged both on the first, while the second hung.
struct MergedLives : ClusterFixture {
  MergedLives() {
    for (WebServer* server : {&a, &b, &c}) server->context().settings.copies = 1;
    Serve(&a, "", "n|i:1;");
    id = browser.session_id;
    placed = Placed(id);
    Destroy(&a);
    Serve(&a, "", "of_a|i:1;");
    of_a = browser;
    b.Partition(IndexOf(placed[0]), true);
    Serve(&b, "", "of_b|i:1;");
    b.Partition(IndexOf(placed[0]), false);
    REQUIRE(HeldBy(placed[0], id) == "of_a|i:1;");
    REQUIRE(HeldBy(placed[1], id) == "of_b|i:1;");
    placed[1]->set_down(true);
    browser.affinity.reset();
    clock.Advance(std::chrono::seconds(3));  // until b asks the first node again, and a still trusts its copy
    REQUIRE(Request(&b, &browser).Start().ok());
    REQUIRE(HeldBy(placed[0], id).find("of_a") != std::string::npos);
    REQUIRE(HeldBy(placed[0], id).find("of_b") != std::string::npos);
  }

  size_t IndexOf(const FakeMemcached* node) const {
    return static_cast<size_t>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
  }
  void Destroy(WebServer* server) { DestroyAs(server, browser); }
  void DestroyAs(WebServer* server, Browser client) {
    Request request(server, &client);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  // What is shown once the node is asked that alone was away when the others were told.
  void CheckShown(std::string_view expected) {
    placed[1]->set_down(false);
    clock.Advance(std::chrono::seconds(11));
    for (WebServer* server : {&c, &b, &a}) {
      Session session(server->context());
      const Result<std::string_view> read = session.Read(id, kShort);
      REQUIRE(read.ok());
      CHECK(*read == expected);
    }
  }

  WebServer c{"c", nodes, &clock};
  std::string id;
  Browser of_a;
  std::vector<FakeMemcached*> placed;
};

}  // namespace

TEST_CASE_METHOD(MergedLives, "A destruction by who knows one of two merged lives ends both", "[session]") {
  DestroyAs(&a, of_a);  // by its own copy, which knows nothing of the other life
  CHECK(HeldBy(placed[0], id) == "destroyed");
  CheckShown("");
}

TEST_CASE_METHOD(MergedLives,
                 "A session started anew over two merged lives, of which one is known to have ended, ends both",
                 "[session]") {
  // The destruction reaches the third node alone.
  a.Partition(IndexOf(placed[0]), true);
  Destroy(&a);
  REQUIRE(HeldBy(placed[2], id) == "destroyed");
  a.Partition(IndexOf(placed[0]), false);
  clock.Advance(std::chrono::seconds(3));  // until a asks that node again
  Serve(&a, "", "anew|i:1;");
  CHECK(HeldBy(placed[0], id) == "anew|i:1;");
  CheckShown("anew|i:1;");
}

TEST_CASE_METHOD(MergedLives, "A read that finds the end of one of two merged lives ends both", "[session]") {
  a.Partition(IndexOf(placed[0]), true);
  Destroy(&a);
  Request request(&c, &browser);
  const Result<std::string> read = request.Start();
  REQUIRE(read.ok());
  CHECK(read->empty());
  REQUIRE(request.Finish("").ok());
  CHECK(HeldBy(placed[0], id) == "destroyed");
  a.Partition(IndexOf(placed[0]), false);
  CheckShown("");
}

TEST_CASE_METHOD(MergedLives, "A write of two merged lives that meets the end of one tells that both have ended",
                 "[session]") {
  Request request(&b, &browser);
  REQUIRE(request.Start().ok());
  a.Partition(IndexOf(placed[0]), true);
  Destroy(&a);
  placed[0]->set_down(true);
  REQUIRE(request.Finish("late|i:1;").ok());
  placed[0]->set_down(false);
  placed[0]->RestartEmpty();
  a.Partition(IndexOf(placed[0]), false);
  CheckShown("");
}

TEST_CASE("The lives that end beside a known one are those of the same session that nobody has named", "[record]") {
  Ancestry known;
  known.ended = LifeSet(1);
  known.lives = LifeSet(4);
  Ancestry record;
  record.lives = LifeSet(2);
  CHECK(known.EndedBeside(record).empty());  // it has not ended
  record.lives.Add(1);
  record.lives.Add(4);
  record.lives.Add(3);
  const LifeSet beside = known.EndedBeside(record);
  CHECK(beside.size() == 2);
  CHECK(beside.Contains(2));
  CHECK(beside.Contains(3));
  CHECK_FALSE(beside.Contains(4));  // its own, which lives
  known.ended.Absorb(beside);
  CHECK(known.EndedBeside(record).empty());
}

TEST_CASE_METHOD(MergedLives,
                 "A write that meets the end of its session leaves alone what was begun since on other nodes",
                 "[session]") {
  // The third node knows of the end of one life only; the first has a session that was begun when both had ended.
  Request late(&b, &browser);
  REQUIRE(late.Start().ok());
  a.Partition(IndexOf(placed[0]), true);
  DestroyAs(&a, of_a);
  a.Partition(IndexOf(placed[0]), false);
  placed[2]->set_down(true);
  clock.Advance(std::chrono::seconds(3));
  Destroy(&c);
  Serve(&c, "", "anew|i:1;");
  REQUIRE(HeldBy(placed[0], id) == "anew|i:1;");
  placed[2]->set_down(false);
  placed[1]->set_down(false);
  b.context().settings.copies = 3;
  clock.Advance(std::chrono::seconds(3));
  REQUIRE(late.Finish("of_a|i:1;of_b|i:1;late|i:1;").ok());
  CHECK(HeldBy(placed[0], id) == "anew|i:1;");
}
