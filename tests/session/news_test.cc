// What one server tells of takeovers and logouts, and what others then still believe. Layer: tests.
#include "src/session/news.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "src/session/flush_path.h"
#include "src/session/shared_state.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

constexpr Duration kNewsInterval = std::chrono::milliseconds(500);

NewsReader ReaderOf(WebServer* server, Duration interval = kNewsInterval) {
  return {&server->store(), server->context().clock, [server](uint8_t) { return Borrow(server->context()); },
          [] { return std::vector<uint8_t>{1}; }, interval};
}

struct NewsFixture : ClusterFixture {
  NewsReader reader_a = ReaderOf(&a);
  NewsReader reader_b = ReaderOf(&b);

  // Both threads work for so long.
  void Run(Duration time = kNewsInterval) { Run(time, {&reader_a, &reader_b}); }
  void Run(Duration time, const std::vector<NewsReader*>& readers) {
    const TimePoint until = clock.Now() + time;
    while (clock.Now() < until) {
      clock.Advance(std::chrono::milliseconds(10));
      for (NewsReader* reader : readers) reader->Step();
    }
  }
  // A user whose session server a trusts while news are read.
  Browser Login(std::string_view payload = "n|i:1;") {
    browser = Browser();
    Serve(&a, "", payload);
    const Browser user = browser;
    Run();
    Show(&a, user, payload);
    Run();
    REQUIRE(Show(&a, user, payload) == 0);
    return user;
  }
  // A request with the cookies that the user has had once; its waits.
  uint64_t Show(WebServer* server, const Browser& user, std::string_view expected) {
    browser = user;
    return View(server, expected);
  }
  void Logout(WebServer* server, const Browser& user) {
    Browser cookies = user;
    Request request(server, &cookies);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  uint64_t Asked() const { return m1.reads + m1.writes + m2.reads + m2.writes + m3.reads + m3.writes; }
  const std::string log_key = "cs:news";
};

}  // namespace

TEST_CASE_METHOD(NewsFixture, "A logout on one server is seen on every other one within news_interval", "[news]") {
  const Browser user = Login();
  const Browser other = Login("o|i:1;");
  Logout(&b, user);
  REQUIRE(Show(&a, user, "n|i:1;") == 0);  // local_trust alone would go on so for ten seconds
  Run();
  CHECK(Show(&a, user, "") > 0);
  CHECK(Show(&a, other, "o|i:1;") == 0);  // and nobody else pays for it
  CHECK(a.counters().news_read.Get() >= 1);
  CHECK(b.counters().news_told.Get() == 1);
}

TEST_CASE_METHOD(NewsFixture, "A takeover by another server is seen within news_interval, and so is its failback",
                 "[news]") {
  const Browser user = Login();
  browser = user;
  Serve(&b, "n|i:1;", "n|i:2;");
  const Browser moved = browser;
  REQUIRE(Show(&a, user, "n|i:1;") == 0);
  Run();
  // The old cookie is as good as the new one, and shows what there is now.
  CHECK(Show(&a, user, "n|i:2;") > 0);
  Run();
  CHECK(Show(&b, moved, "n|i:2;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A session that was regenerated elsewhere is gone everywhere within news_interval",
                 "[news]") {
  const Browser user = Login();
  browser = user;
  {
    Request request(&b, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Regenerate(/*destroy=*/true, "n|i:1;", [] {}).ok());
    REQUIRE(request.Finish("n|i:1;").ok());
  }
  Run();
  CHECK(Show(&a, user, "") > 0);
}

TEST_CASE_METHOD(NewsFixture, "What a server tells is no news to itself", "[news]") {
  const Browser user = Login();
  browser = user;
  Serve(&b, "n|i:1;", "n|i:2;");
  const Browser moved = browser;
  PassGrace();
  Show(&b, moved, "n|i:2;");  // and the reader, who slept, is awake
  Run(3 * kNewsInterval);
  Show(&b, moved, "n|i:2;");
  Run();
  CHECK(Show(&b, moved, "n|i:2;") == 0);
}

TEST_CASE_METHOD(NewsFixture, "While news are read, a copy that nobody names is served without a wait", "[news]") {
  const Browser user = Login();
  for (int i = 0; i < 8; ++i) {
    Run();
    CHECK(Show(&a, user, "n|i:1;") == 0);
  }
  // Where nothing is told, a look is one short question to each node.
  const uint64_t asked = Asked();
  Run(kNewsInterval, {&reader_a});
  CHECK(Asked() - asked <= 6);
}

TEST_CASE_METHOD(NewsFixture, "A reader that is late is no reader: copies are asked for until it has looked",
                 "[news]") {
  const Browser user = Login();
  clock.Advance(std::chrono::milliseconds(800));
  CHECK(Show(&a, user, "n|i:1;") > 0);
  reader_a.Step();
  Show(&a, user, "n|i:1;");
  CHECK(Show(&a, user, "n|i:1;") == 0);
}

TEST_CASE_METHOD(NewsFixture, "A reader that follows a dead one trusts nothing that was confirmed before", "[news]") {
  const Browser user = Login();
  Logout(&b, user);
  NewsReader next = ReaderOf(&a);
  clock.Advance(std::chrono::milliseconds(1));
  next.Step();
  CHECK(Show(&a, user, "") > 0);
  CHECK(a.counters().news_missed.Get() >= 1);
}

TEST_CASE_METHOD(NewsFixture, "Where no news are read, local_trust rules", "[news]") {
  b.context().settings.news_interval = Duration::zero();
  bool told = true;
  SECTION("no thread has ever looked") {
    browser = Browser();
    Serve(&a, "", "n|i:1;");
  }
  SECTION("the server that logs out tells nothing, as one of an earlier version") {
    Login();
    told = false;
  }
  const Browser user = browser;
  Logout(&b, user);
  if (!told) Run(std::chrono::seconds(2), {&reader_a});
  CHECK(Show(&a, user, "n|i:1;") == 0);
  for (int i = 0; i < 24; ++i) {
    if (!told) Run(kNewsInterval, {&reader_a});
    if (told) clock.Advance(kNewsInterval);
  }
  CHECK(Show(&a, user, "") > 0);
}

TEST_CASE_METHOD(NewsFixture, "With news_interval 0 nobody tells, reads or waits for news", "[news]") {
  a.context().settings.news_interval = b.context().settings.news_interval = Duration::zero();
  NewsReader reader = ReaderOf(&a, Duration::zero());
  browser = Browser();
  Serve(&a, "", "n|i:1;");
  const Browser user = browser;
  const uint64_t asked = Asked();
  CHECK(reader.Step() == TimePoint::max());
  CHECK(Asked() == asked);
  Logout(&b, user);
  for (FakeMemcached* node : nodes) CHECK(node->Find(log_key) == nullptr);
  CHECK(Show(&a, user, "n|i:1;") == 0);
}

TEST_CASE_METHOD(NewsFixture, "A node that restarts empty may have had news: all copies are asked for once", "[news]") {
  const Browser user = Login();
  const size_t restarted = GENERATE(0, 1, 2);
  SECTION("restarted") { nodes[restarted]->RestartEmpty(); }
  SECTION("flushed") { nodes[restarted]->Flush(); }
  SECTION("the log was evicted") { nodes[restarted]->items().erase(log_key); }
  SECTION("the log is damaged") { nodes[restarted]->Extend(log_key, "no record of twenty-four"); }
  Run();
  CHECK(Show(&a, user, "n|i:1;") > 0);
  Run();
  CHECK(Show(&a, user, "n|i:1;") == 0);
  // And it has news again.
  Logout(&b, user);
  Run();
  CHECK(Show(&a, user, "") > 0);
}

TEST_CASE_METHOD(NewsFixture,
                 "News that a node has taken while it was out of a server's reach are read when it is back", "[news]") {
  const Browser user = Login();
  const std::vector<FakeMemcached*> placed = Placed(user.session_id);
  // Server a is cut off from the node that alone takes the logout.
  const auto first = static_cast<size_t>(std::find(nodes.begin(), nodes.end(), placed[0]) - nodes.begin());
  a.Partition(first, true);
  placed[1]->set_down(true);
  placed[2]->set_down(true);
  Logout(&b, user);
  placed[1]->set_down(false);
  placed[2]->set_down(false);
  Run();
  CHECK(Show(&a, user, "n|i:1;") == 0);  // for local_trust at most
  a.Partition(first, false);
  Run(std::chrono::seconds(3));
  CHECK(Show(&a, user, "") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A hung or dead node takes no trust from the others' news", "[news]") {
  const Browser user = Login();
  const size_t broken = GENERATE(0, 1, 2);
  const bool hung = GENERATE(false, true);
  if (hung) {
    nodes[broken]->set_hung(&clock);
  } else {
    nodes[broken]->set_down(true);
  }
  Run(2 * kNewsInterval);
  Show(&a, user, "n|i:1;");
  Run();
  CHECK(Show(&a, user, "n|i:1;") == 0);
  Logout(&b, user);
  Run(2 * kNewsInterval);  // the two threads wait for a hung node one after the other
  CHECK(Show(&a, user, "") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A log stays short, and who was overrun by it knows", "[news]") {
  browser = Browser();
  Serve(&b, "", "o|i:1;");
  const Browser other = browser;
  const Browser user = Login();
  // Others tell more than a log holds, and server b reads it; server a's thread is stopped meanwhile.
  const std::string record = EncodeNews({Hash128({}, "another", "session"), 1});
  for (int i = 0; i < 3000; ++i) {
    for (FakeMemcached* node : nodes) node->Extend(log_key, record);
    if (i % 100 == 0) {
      Show(&b, other, "o|i:1;");  // keeps the reader awake
      Run(kNewsInterval, {&reader_b});
    }
  }
  for (FakeMemcached* node : nodes)
    CHECK(node->Find(log_key)->value.size() <= NewsReader::kTrimAbove + 100 * kNewsUnit);
  const uint64_t missed = a.counters().news_missed.Get();
  Show(&a, user, "n|i:1;");
  clock.Advance(std::chrono::milliseconds(1));
  reader_a.Step();
  CHECK(a.counters().news_missed.Get() == missed + 1);
  CHECK(Show(&a, user, "n|i:1;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "News that come while a server shortens the log are not lost", "[news]") {
  const Browser user = Login();
  const std::string record = EncodeNews({Hash128({}, "another", "session"), 1});
  for (int i = 0; i < 400; ++i) {
    for (FakeMemcached* node : nodes) node->Extend(log_key, record);
  }
  for (FakeMemcached* node : nodes)
    node->BeforeWrite([&, node] { node->Extend(log_key, EncodeNews({Hash128({}, "cs:", user.session_id), 1})); });
  Run(kNewsInterval, {&reader_a});
  Run(kNewsInterval, {&reader_a});
  CHECK(Show(&a, user, "n|i:1;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A log that has grown beyond all bounds is not read, but begun anew", "[news]") {
  const Browser user = Login();
  m2.Extend(log_key, std::string(NewsReader::kBytesMax, 'x'));
  Run();
  CHECK(m2.Find(log_key)->value.size() < 200);
  CHECK(Show(&a, user, "n|i:1;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A full node, which takes no log, costs nobody a wait", "[news]") {
  m1.set_full(true);
  m2.set_full(true);
  m3.set_full(true);
  browser = Browser();
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_full(false);
  View(&a, "n|i:1;");
  for (FakeMemcached* node : nodes) node->items().erase(log_key);
  for (FakeMemcached* node : nodes) node->set_full(true);
  const Browser user = browser;
  Run(2 * kNewsInterval);
  Show(&a, user, "n|i:1;");
  Run();
  CHECK(Show(&a, user, "n|i:1;") == 0);
}

TEST_CASE_METHOD(NewsFixture, "A server without requests reads no news, and its next request asks and wakes it",
                 "[news]") {
  const Browser user = Login();
  Run(PoolNews::kIdle + std::chrono::seconds(1));
  const uint64_t asked = Asked();
  Run(std::chrono::seconds(30));
  CHECK(Asked() == asked);
  CHECK(a.context().shared->news.ViewOf(1, 0)->asleep.load() == 1);
  Logout(&b, user);
  CHECK(Show(&a, user, "") > 0);
  CHECK(a.context().shared->news.ViewOf(1, 0)->asleep.load() == 0);
}

TEST_CASE_METHOD(NewsFixture, "A write is confirmed as of when it was sent: what has overtaken it since is seen",
                 "[news]") {
  const Browser user = Login();
  browser = user;
  // When its last node has taken the write, another server takes the session over, and news of it are read before the
  // write comes to its end here.
  Placed(user.session_id)[1]->AfterWrite([&] {
    clock.Advance(std::chrono::milliseconds(1));
    Browser cookies = user;
    Request other(&b, &cookies);
    REQUIRE(other.Start().ok());
    REQUIRE(other.Finish("n|i:3;").ok());
    clock.Advance(kNewsInterval);
    reader_a.Step();
    clock.Advance(std::chrono::milliseconds(1));
  });
  Serve(&a, "n|i:1;", "n|i:2;");
  CHECK(Show(&a, user, "n|i:3;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A takeover that no node has taken is told by the flush", "[news]") {
  const Browser user = Login();
  Browser moved = user;
  {
    Request request(&b, &moved);
    REQUIRE(request.Start().ok());
    for (FakeMemcached* node : nodes) node->set_down(true);
    REQUIRE(request.Finish("n|i:2;").ok());
  }
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(std::chrono::seconds(2));
  reader_a.Step();
  Show(&a, user, "n|i:1;");
  Run(kNewsInterval, {&reader_a});
  REQUIRE(Show(&a, user, "n|i:1;") == 0);
  const SessionKey key = b.context().InSpace(Hash128({}, "cs:", user.session_id));
  std::vector<Notice> notices;
  REQUIRE(FlushEntries(Borrow(b.context()), {key}, 1, &notices).front() == FlushOutcome::kWritten);
  Run(kNewsInterval, {&reader_a});
  CHECK(Show(&a, user, "n|i:2;") > 0);
}

TEST_CASE_METHOD(NewsFixture, "A session that two servers begin under one ID is shown whole within news_interval",
                 "[news]") {
  const bool behind = GENERATE(false, true);
  Run();
  browser = Browser{std::string(32, 'e'), {}};  // an ID that a script has set, or of before
  for (WebServer* server : {&a, &b}) {
    if (behind) server->context().settings.write = WriteMode::kBehind;
  }
  const Browser begun = browser;
  Request of_a(&a, &browser);
  REQUIRE(of_a.Start().ok());
  Browser other = begun;
  Request of_b(&b, &other);
  REQUIRE(of_b.Start().ok());
  REQUIRE(of_a.Finish("a|i:1;").ok());
  Run();
  REQUIRE(of_b.Finish("b|i:1;").ok());
  const auto flush = [&](WebServer* server) {
    std::vector<Notice> notices;
    const SessionKey key = server->context().InSpace(Hash128({}, "cs:", begun.session_id));
    if (behind) REQUIRE(FlushEntries(Borrow(server->context()), {key}, 1, &notices).front() == FlushOutcome::kWritten);
  };
  flush(&a);
  flush(&b);
  Run();
  Request again(&a, &browser);
  const Result<std::string> read = again.Start();
  REQUIRE(read.ok());
  CHECK(read->find("a|i:1;") != std::string::npos);
  CHECK(read->find("b|i:1;") != std::string::npos);
}
