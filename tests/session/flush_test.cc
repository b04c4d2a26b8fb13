// What is written for no request: entries that no node has acknowledged, and those of write=behind. Layer: tests.
#include <algorithm>
#include <catch2/catch.hpp>

#include "src/session/flush_path.h"
#include "src/session/flusher.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct FlushFixture : ClusterFixture {
  FlushFixture() : flusher(&a.store(), &clock, [this](uint8_t) { return Borrow(a.context()); }) {}

  void SetDown(bool down) {
    for (FakeMemcached* node : nodes) node->set_down(down);
  }
  Flusher::Step Flush() { return flusher.Run(100, clock.Now() + std::chrono::seconds(1)); }
  size_t Unreplicated() { return a.store().GetUsage().unreplicated; }

  Flusher flusher;
};

}  // namespace

TEST_CASE_METHOD(FlushFixture, "After an outage every session is written, also those that nobody asks for",
                 "[session]") {
  std::vector<Browser> browsers(20);
  for (size_t i = 0; i < browsers.size(); ++i) {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
    browsers[i] = browser;
  }
  SetDown(true);
  for (size_t i = 0; i < browsers.size(); ++i) {
    browser = browsers[i];
    Serve(&a, "n|i:1;", "n|i:2;");
    browsers[i] = browser;
  }
  CHECK(Unreplicated() == browsers.size());
  // As long as no node answers, nobody is asked more often than health allows.
  const uint64_t asked = m1.writes + m2.writes + m3.writes;
  CHECK(Flush().no_node == browsers.size());
  CHECK(m1.writes + m2.writes + m3.writes == asked);

  SetDown(false);
  clock.Advance(std::chrono::seconds(3));
  CHECK(flusher.Run(7, clock.Now() + std::chrono::seconds(1)).written == 7);
  CHECK(Flush().written == browsers.size() - 7);
  CHECK(Unreplicated() == 0);
  CHECK(a.counters().flushed.Get() == browsers.size());
  a.Restart();
  for (Browser& each : browsers) {
    browser = each;
    View(&b, "n|i:2;");
  }
}

TEST_CASE_METHOD(FlushFixture, "A flushed session is where its ID says, and lives no longer for it", "[session]") {
  Serve(&a, "", "n|i:1;");
  SetDown(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(Request::kLifetime - 100));
  SetDown(false);
  for (FakeMemcached* node : nodes) node->RestartEmpty();
  CHECK(Flush().written == 1);
  CHECK(Holders() == 2);
  REQUIRE(NodeInId()->items().size() == 1);
  // 100 seconds, begun ones count, and a tenth.
  CHECK(NodeInId()->items().begin()->second.expires_at <= clock.Now() + std::chrono::seconds(111));
  Browser copy = browser;
  clock.Advance(std::chrono::seconds(98));
  View(&a, "n|i:2;");
  browser = copy;
  a.Restart();
  CHECK(View(&b, "n|i:2;") == 2);  // found at once, and taken over
}

TEST_CASE_METHOD(FlushFixture, "A session that expired in the outage is written nowhere", "[session]") {
  Serve(&a, "", "n|i:1;");
  SetDown(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  clock.Advance(std::chrono::seconds(Request::kLifetime + 1));
  SetDown(false);
  for (FakeMemcached* node : nodes) node->RestartEmpty();
  CHECK(Flush().written == 0);
  CHECK(Unreplicated() == 0);
  CHECK(Holders() == 0);
}

TEST_CASE_METHOD(FlushFixture, "A logout in an outage is told to the nodes that come back", "[session]") {
  Serve(&a, "", "n|i:1;");
  const Browser before = browser;
  SetDown(true);
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  CHECK(Unreplicated() == 1);
  SetDown(false);
  clock.Advance(std::chrono::seconds(3));
  CHECK(Flush().written == 1);
  CHECK(Unreplicated() == 0);
  browser = before;
  View(&b, "");
}

TEST_CASE_METHOD(FlushFixture, "A session that a request has at the moment is left to it", "[session]") {
  Serve(&a, "", "n|i:1;");
  SetDown(true);
  Serve(&a, "n|i:1;", "n|i:2;");
  SetDown(false);
  clock.Advance(std::chrono::seconds(3));
  Request request(&a, &browser);
  REQUIRE(request.Start().ok());
  CHECK(Flush().busy == 1);
  REQUIRE(request.FinishUnchanged().ok());
  request.End();
  CHECK(Unreplicated() == 0);
  CHECK(Flush().written == 0);
}

TEST_CASE_METHOD(FlushFixture, "What another server made of the session in the outage is merged, not overwritten",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const Browser before = browser;
  for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(true);
  Serve(&a, "n|i:1;", "a|i:1;n|i:1;");
  browser = before;
  Serve(&b, "n|i:1;", "b|i:1;n|i:1;");
  for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(false);
  clock.Advance(std::chrono::seconds(3));
  CHECK(Flush().written == 1);
  CHECK(Unreplicated() == 0);
  browser.affinity.reset();
  View(&b, "a|i:1;n|i:1;b|i:1;");
}

TEST_CASE_METHOD(FlushFixture, "A session that no node takes for its size stays here and is told of once",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  SetDown(true);
  const std::string large = "n|s:3000:\"" + std::string(3000, 'x') + "\";";
  Serve(&a, "n|i:1;", large);
  SetDown(false);
  for (FakeMemcached* node : nodes) node->set_item_size_max(1000);
  clock.Advance(std::chrono::seconds(3));
  CHECK(Flush().written == 0);
  CHECK(Unreplicated() == 0);
  const std::vector<Notice> notices = flusher.TakeNotices();
  const auto told = std::count_if(notices.begin(), notices.end(), [](const Notice& notice) {
    return notice.text.find("stays on this server only") != std::string::npos &&
           notice.text.find("item_size_max") != std::string::npos;
  });
  CHECK(told == 1);
  Request request(&a, &browser);
  CHECK(*request.Start() == large);
  CHECK_FALSE(request.FinishUnchanged().ok());  // and each of its requests is told
}

TEST_CASE_METHOD(FlushFixture, "write=behind waits for no node, and the nodes have it after the flush", "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  CHECK(Serve(&a, "", "n|i:1;") == 0);
  CHECK(Holders() == 0);
  CHECK(a.counters().deferred_writes.Get() == 1);
  CHECK(a.context().shared->pools.seats[0].pending.load() == 1);
  CHECK(Flush().written == 1);
  CHECK(Holders() == 2);
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 0);
  CHECK(Serve(&a, "n|i:2;", "n|i:3;") == 0);
  CHECK(Flush().written == 1);  // the last of them
  a.Restart();
  View(&b, "n|i:3;");
  CHECK(a.counters().unreplicated.Get() == 0);  // no write of a request has failed
}

TEST_CASE_METHOD(FlushFixture, "write=behind puts each session where its ID says, as a write through does",
                 "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  a.context().settings.copies = GENERATE(1u, 2u);
  for (int i = 0; i < 20; ++i) {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
    CHECK(Flush().written == 1);
    const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
    for (size_t node = 0; node < placed.size(); ++node) {
      const bool wanted = node < a.context().settings.copies;
      CHECK(HeldBy(placed[node], browser.session_id) == (wanted ? "n|i:1;" : "nothing"));
    }
    Serve(&a, "n|i:1;", "n|i:2;");
    CHECK(Flush().written == 1);
    CHECK(HeldBy(placed[0], browser.session_id) == "n|i:2;");
  }
}

TEST_CASE_METHOD(FlushFixture, "A session that has ended elsewhere is not flushed to a node that has forgotten its end",
                 "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  a.context().settings.copies = b.context().settings.copies = 1;
  const bool is_large = GENERATE(false, true);
  Serve(&a, "", "n|s:" + std::string(is_large ? "70000:\"" + std::string(70000, 'x') : "1:\"x") + "\";");
  CHECK(Unreplicated() == 1);
  const std::string id = browser.session_id;
  {
    Session other(b.context());
    REQUIRE(other.Destroy(id, Request::kLifetime).ok());
  }
  Placed(id)[0]->RestartEmpty();
  CHECK(Flush().written == 0);
  CHECK(Unreplicated() == 0);
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, id) == "destroyed");
  View(&a, "");
}

TEST_CASE_METHOD(FlushFixture, "A flush asks each node once for hundreds of sessions", "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  for (size_t i = 0; i < 2 * kFlushedAtOnce; ++i) {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
  }
  CHECK(flusher.Run(2 * kFlushedAtOnce, clock.Now() + std::chrono::seconds(1)).written == 2 * kFlushedAtOnce);
  // As they were listed, at most 256 at once, and each first looked for on the node that does not get it.
  for (FakeMemcached* node : nodes) CHECK(node->batches <= 8);
}

TEST_CASE_METHOD(FlushFixture, "write=behind waits from behind_max on", "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  a.context().settings.behind_max = 2;
  for (const uint64_t waits : {0, 0, 1}) {
    browser = Browser();
    CHECK(Serve(&a, "", "n|i:1;") == waits);
  }
  CHECK(Unreplicated() == 2);
}

TEST_CASE_METHOD(FlushFixture, "write=behind waits for a takeover, a logout and a session larger than a node takes",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  b.context().settings.write = WriteMode::kBehind;
  CHECK(Serve(&b, "n|i:1;", "n|i:2;") == 2);
  PassGrace();
  View(&b, "n|i:2;");  // trusted again from here on
  CHECK(Serve(&b, "n|i:2;", "n|i:3;") == 0);
  const Browser before = browser;
  {
    Request request(&b, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
    CHECK(request.waits() >= 1);
  }
  browser = before;
  View(&a, "");
}

TEST_CASE_METHOD(FlushFixture, "write=behind waits for the repair of a node and for a merge of what two servers have",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  a.context().settings.write = WriteMode::kBehind;
  const std::string id = browser.session_id;
  SECTION("a node that has lost the session, which this request leaves as it is") {
    NodeInId()->RestartEmpty();
    browser.affinity.reset();
    View(&a, "n|i:1;");
    CHECK(HeldBy(NodeInId(), id) == "n|i:1;");
  }
  SECTION("a node that has lost the session, which this request changes") {
    NodeInId()->RestartEmpty();
    browser.affinity.reset();
    Serve(&a, "n|i:1;", "n|i:2;");
    CHECK(HeldBy(NodeInId(), id) == "n|i:2;");
  }
  SECTION("branches that a read has met") {
    const Browser before = browser;
    for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(true);
    Serve(&a, "n|i:1;", "a|i:1;n|i:1;");
    browser = before;
    Serve(&b, "n|i:1;", "b|i:1;n|i:1;");
    for (size_t i = 0; i < nodes.size(); ++i) a.connection(i).set_partitioned(false);
    clock.Advance(std::chrono::seconds(3));
    View(&a, "b|i:1;n|i:1;a|i:1;");
    CHECK(HeldBy(NodeInId(), id) == "b|i:1;n|i:1;a|i:1;");
  }
  CHECK(Unreplicated() == 0);
}

TEST_CASE_METHOD(FlushFixture, "write=behind without room here waits for the nodes instead", "[session]") {
  a.context().settings.write = WriteMode::kBehind;
  const std::string large = "n|s:500000:\"" + std::string(500000, 'x') + "\";";
  CHECK(Serve(&a, "", large) == 1);
  CHECK(Holders() == 2);
}
