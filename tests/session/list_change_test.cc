// The list of nodes is changed on one server after the other. Layer: tests.
#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;
using std::chrono::seconds;

namespace {

constexpr int kSessions = 40;  // enough that each node is the first of some, and the last of others

struct ListChangeFixture : ClusterFixture {
  FakeMemcached m4{"m4", &clock};
  std::vector<FakeMemcached*> before{&m1, &m2, &m3};
  std::vector<FakeMemcached*> now{&m2, &m3, &m4};
  std::vector<Browser> browsers;

  ListChangeFixture() {
    for (int i = 0; i < kSessions; ++i) {
      browser = {};
      Serve(&a, "", "n|i:0;");
      browsers.push_back(browser);
    }
  }

  // Each session is changed on `writer`, one node dies, and `reader` shows the change.
  void ChangeAndRead(WebServer* writer, WebServer* reader, FakeMemcached* dies, int n) {
    const std::string payload = "n|i:" + std::to_string(n) + ";";
    for (Browser& each : browsers) {
      browser = each;
      Serve(writer, "n|i:" + std::to_string(n - 1) + ";", payload);
      each = browser;
    }
    dies->set_down(true);
    for (Browser& each : browsers) {
      browser = each;
      View(reader, payload);
      each = browser;
    }
    dies->set_down(false);
    clock.Advance(seconds(3));
    for (Browser& each : browsers) {  // repaired
      browser = each;
      browser.affinity.reset();
      View(reader, payload);
      each = browser;
    }
  }
};

}  // namespace

TEST_CASE_METHOD(ListChangeFixture, "While servers have the list and the one before, each sees what the others write",
                 "[session]") {
  a.context().settings.local_trust = b.context().settings.local_trust = seconds(0);
  int n = 0;
  // b is reloaded first. Of the two lists it writes the copies of both.
  b.Restart(now, before);
  for (FakeMemcached* dies : {&m1, &m2, &m3, &m4}) {
    ChangeAndRead(&a, &b, dies, ++n);
    ChangeAndRead(&b, &a, dies, ++n);
  }
  // Then a; and b is the first to have the new list alone.
  a.Restart(now, before);
  for (FakeMemcached* dies : {&m1, &m4}) ChangeAndRead(&a, &b, dies, ++n);
  b.Restart(now);
  m1.set_down(true);  // it has left
  for (FakeMemcached* dies : {&m2, &m3, &m4}) {
    ChangeAndRead(&a, &b, dies, ++n);
    ChangeAndRead(&b, &a, dies, ++n);
  }
}

TEST_CASE_METHOD(ListChangeFixture, "While the list is being changed, a miss counts if a holder of each list says so",
                 "[session]") {
  b.Restart({&m4}, before);
  for (FakeMemcached* node : before) node->set_down(true);
  for (Browser& each : browsers) {
    Request request(&b, &each);
    const Result<std::string> read = request.Start();
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code() == ErrorCode::kUnavailable);
  }
  for (FakeMemcached* node : before) node->set_down(false);
  clock.Advance(seconds(3));
  for (Browser& each : browsers) {
    browser = each;
    View(&b, "n|i:0;");
  }
}

TEST_CASE_METHOD(ListChangeFixture, "A destruction is told to the nodes of both lists", "[session]") {
  b.Restart(now, before);
  for (Browser& each : browsers) {
    Request request(&b, &each);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Destroy().ok());
  }
  PassGrace();
  for (FakeMemcached* dies : {&m2, &m3}) {
    dies->set_down(true);
    for (Browser& each : browsers) {
      browser = each;
      View(&a, "");
    }
    dies->set_down(false);
    clock.Advance(seconds(3));
  }
}
