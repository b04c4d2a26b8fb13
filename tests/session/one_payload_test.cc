// How many payloads a read brings over the network: counted by the nodes. Layer: tests.
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Fixture : ClusterFixture {
  // Payloads that the nodes have shown since the last call.
  uint64_t TakeShown() {
    uint64_t shown = 0;
    for (FakeMemcached* node : nodes) shown += std::exchange(node->values_shown, 0);
    return shown;
  }

  // A session of server a on all three nodes.
  void Begin() {
    for (WebServer* server : {&a, &b}) server->context().settings.copies = 3;
    Serve(&a, "", "n|i:1;");
    REQUIRE(Holders() == 3);
    TakeShown();
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "A takeover brings one payload from three nodes, in one wait", "[session]") {
  Begin();
  CHECK(View(&b, "n|i:1;") == 2);  // the second is its write
  CHECK(TakeShown() == 1);
  CHECK(Serve(&a, "n|i:1;", "n|i:2;") == 2);  // and back
  CHECK(TakeShown() == 1);
}

TEST_CASE_METHOD(Fixture, "A validation of what is most likely known brings no payload", "[session]") {
  Begin();
  clock.Advance(seconds(11));
  CHECK(View(&a, "n|i:1;") == 1);
  CHECK(a.counters().validations.Get() == 1);
  CHECK(TakeShown() == 0);
  browser.affinity.reset();  // the client may come from another server
  CHECK(View(&a, "n|i:1;") == 1);
  CHECK(a.counters().validations.Get() == 2);
  CHECK(TakeShown() == 1);
}

TEST_CASE_METHOD(Fixture, "A validation that meets a newer record brings it once, with one wait more", "[session]") {
  Begin();
  const std::optional<AffinityCookie> of_a = browser.affinity;
  Serve(&b, "n|i:1;", "n|i:2;");
  TakeShown();
  browser.affinity = of_a;  // an old tab
  clock.Advance(seconds(11));
  CHECK(View(&a, "n|i:2;") == 3);  // marks, the payload, the takeover
  CHECK(TakeShown() == 1);
}

TEST_CASE_METHOD(Fixture, "Where the first node has lost the session another one shows it, with one wait more",
                 "[session]") {
  Begin();
  Placed(browser.session_id)[0]->RestartEmpty();
  CHECK(View(&b, "n|i:1;") == 3);
  CHECK(TakeShown() == 1);
  CHECK(Holders() == 3);
}

TEST_CASE_METHOD(Fixture, "Of nodes that hold different records each record is brought once", "[session]") {
  Begin();
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  const auto old = placed[0]->items();
  Serve(&a, "n|i:1;", "n|i:2;");
  placed[0]->RestartWith(old);
  TakeShown();
  CHECK(View(&b, "n|i:2;") == 3);
  CHECK(TakeShown() == 2);
  CHECK(b.counters().conflicts.Get() == 0);
  for (FakeMemcached* node : nodes) CHECK(HeldBy(node, browser.session_id) == "n|i:2;");
}

TEST_CASE_METHOD(Fixture, "A node that hangs with the payload does not use up the time of the others", "[session]") {
  Begin();
  Placed(browser.session_id)[0]->set_hung(&clock);
  CHECK(View(&b, "n|i:1;") >= 2);
  CHECK(TakeShown() >= 1);
  CHECK(b.counters().takeovers.Get() == 1);
}

TEST_CASE_METHOD(Fixture, "Nodes that cannot leave the payload out show it in the first wait", "[session]") {
  Begin();
  for (FakeMemcached* node : nodes) node->set_leaves_out(false);
  CHECK(View(&b, "n|i:1;") == 2);
  CHECK(TakeShown() == 3);
  Placed(browser.session_id)[0]->RestartEmpty();
  CHECK(View(&a, "n|i:1;") == 2);
}

TEST_CASE_METHOD(Fixture, "Items that no writer has marked are brought from each node", "[session]") {
  Begin();
  for (FakeMemcached* node : nodes) {
    for (auto& [key, item] : node->items()) item.mark = 0;  // as the first release and ClassicNode write them
  }
  CHECK(View(&b, "n|i:1;") == 3);
  CHECK(TakeShown() == 3);
  CHECK(b.counters().conflicts.Get() == 0);
}

TEST_CASE_METHOD(Fixture, "An item that nobody can read has its own mark, and is brought to be refused", "[session]") {
  Begin();
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  for (auto& [key, item] : placed[2]->items()) {
    item.value = "garbage";
    placed[2]->NewToken(&item);
  }
  CHECK(View(&b, "n|i:1;") == 3);
  CHECK(TakeShown() == 2);
  CHECK(b.counters().corrupt_records.Get() == 1);
  CHECK(HeldBy(placed[2], browser.session_id) == "n|i:1;");
}

TEST_CASE_METHOD(Fixture, "A logout that was not told to one node is brought from the others", "[session]") {
  Begin();
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  const auto old = placed[0]->items();
  const std::string id = browser.session_id;
  {
    Request request(&a, &browser);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  placed[0]->RestartWith(old);
  TakeShown();
  Session session(b.context());
  const Result<std::string_view> read = session.Read(id, Request::kLifetime);
  REQUIRE(read.ok());
  CHECK(read->empty());
  CHECK(TakeShown() == 2);
}

TEST_CASE_METHOD(Fixture, "A takeover under the cluster lock brings one payload", "[session]") {
  for (WebServer* server : {&a, &b}) server->context().settings.lock = LockMode::kCluster;
  Begin();
  CHECK(View(&b, "n|i:1;") == 2);
  CHECK(TakeShown() == 1);
  View(&b, "n|i:1;");  // every read asks
  CHECK(TakeShown() == 0);
}
