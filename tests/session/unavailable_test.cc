// What cannot be told is no absence: a session start fails then, and starts nothing in the session's place. Layer:
// tests.
#include <catch2/catch.hpp>
#include <utility>

#include "tests/session/cluster_fixture.h"
#include "tests/support/forwarding_store.h"

using namespace clustered_session;
using std::chrono::seconds;

namespace {

bool Holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE_METHOD(ClusterFixture, "A miss counts only of a node that has kept its memory, or if no other may be back",
                 "[session]") {
  Serve(&a, "", "n|i:1;");
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  placed[0]->RestartEmpty();
  placed[1]->set_hung(&clock);
  a.Restart();
  SECTION("the session is not started anew while the node that has it is away") {
    Browser other = browser;
    for (WebServer* server : {&a, &b}) {
      Request request(server, &other);
      const Result<std::string> read = request.Start();
      REQUIRE_FALSE(read.ok());
      CHECK(read.error().code() == ErrorCode::kUnavailable);
      CHECK(Holds(read.error().message(), "(" + placed[1]->name() + ")"));
    }
    placed[1]->set_hung(nullptr);
    clock.Advance(seconds(3));
    View(&b, "n|i:1;");
  }
  SECTION("a node that refuses connections is gone, and its memory with it") {
    placed[1]->set_hung(nullptr);
    placed[1]->set_down(true);
    View(&b, "");
  }
  SECTION("a node that is away for a minute is not waited for") {
    for (int i = 0; i < 3; ++i) {  // on its connection, and twice on a new one
      Request request(&b, &browser);
      REQUIRE_FALSE(request.Start().ok());
      clock.Advance(seconds(3));
    }
    clock.Advance(seconds(61));
    View(&b, "");
  }
  SECTION("a node's restart of more than a lifetime ago has lost nothing that counts") {
    clock.Advance(seconds(1440 + 145));
    View(&b, "");
  }
  SECTION("a node's restart of a lifetime ago may have lost a session that was written before and used since") {
    clock.Advance(seconds(1440 + 140));
    Request request(&b, &browser);
    REQUIRE_FALSE(request.Start().ok());
  }
  SECTION("a node that has kept its memory knows") {
    Browser stranger;
    stranger.session_id = browser.session_id;
    placed[0]->set_hung(&clock);
    placed[1]->set_hung(nullptr);
    clock.Advance(seconds(3));
    View(&b, "n|i:1;");
  }
}

TEST_CASE_METHOD(ClusterFixture, "A local copy that cannot be read now is not taken for none", "[session]") {
  struct : ForwardingStore {
    using ForwardingStore::ForwardingStore;
    LookupResult Lookup(const SessionKey& key, TimePoint now, Entry* entry, std::string* payload) override {
      return held ? LookupResult::kUnknown : ForwardingStore::Lookup(key, now, entry, payload);
    }
    bool held = false;
  } store(&a.store());
  Serve(&a, "", "n|i:1;");
  for (FakeMemcached* node : nodes) node->set_down(true);
  Serve(&a, "n|i:1;", "n|i:2;");  // this server alone has it
  for (FakeMemcached* node : nodes) node->set_down(false);
  clock.Advance(seconds(3));
  LocalStore* const real = std::exchange(a.context().store, &store);
  store.held = true;
  {
    Request request(&a, &browser);
    const Result<std::string> read = request.Start();
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code() == ErrorCode::kUnavailable);
  }
  store.held = false;
  View(&a, "n|i:2;");
  a.context().store = real;
}
