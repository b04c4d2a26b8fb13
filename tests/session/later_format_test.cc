// Records of a later release beside this one: they are unavailable here, never missing, and never overwritten. Layer:
// tests.
#include <catch2/catch.hpp>
#include <string>

#include "src/session/flusher.h"
#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct LaterFormatFixture : ClusterFixture {
  LaterFormatFixture() {
    Serve(&a, "", "cart|i:7;");
    id = browser.session_id;
    key = StorageKey("cs:", Hash128({}, "cs:", id));
    for (FakeMemcached* node : nodes) {
      FakeMemcached::Item* item = node->Find(key);
      if (item == nullptr) continue;
      item->value[4] = '\x7f';  // the format
      node->NewToken(item);
    }
    clock.Advance(std::chrono::seconds(11));
  }
  int LaterRecords() {
    int later = 0;
    for (FakeMemcached* node : nodes) {
      const FakeMemcached::Item* item = node->Find(key);
      later += item != nullptr && item->value[4] == '\x7f' ? 1 : 0;
    }
    return later;
  }

  std::string id;
  std::string key;
};

}  // namespace

TEST_CASE_METHOD(LaterFormatFixture, "A record of a later format is no missing session, with a copy here or without",
                 "[session]") {
  WebServer* const server = GENERATE(false, true) ? &a : &b;
  const bool strict = GENERATE(false, true);
  Browser same = browser;
  Request request(server, &same, strict);
  const Result<std::string> read = request.Start();
  CAPTURE(read.ok() ? *read : read.error().message());
  CHECK((!read.ok() || *read == "cart|i:7;"));
  CHECK(same.session_id == id);
  if (read.ok()) (void)request.Finish("cart|i:8;").ok();
  request.End();
  CHECK(LaterRecords() == 2);
}

TEST_CASE_METHOD(LaterFormatFixture, "A record of a later format is overwritten by no late write and no tombstone",
                 "[session]") {
  SECTION("a tombstone of a server that has not read it") {
    Session session(b.context());
    (void)session.Destroy(id, Request::kLifetime).ok();
  }
  SECTION("a request that had read it before") {
    Browser same = browser;
    for (FakeMemcached* node : nodes) node->set_down(true);
    Request slow(&a, &same);
    REQUIRE(slow.Start().ok());
    for (FakeMemcached* node : nodes) node->set_down(false);
    clock.Advance(std::chrono::seconds(3));
    (void)slow.Finish("cart|i:8;").ok();
  }
  CHECK(LaterRecords() == 2);
}

TEST_CASE_METHOD(LaterFormatFixture, "One node's record of a later format does not hide another session", "[session]") {
  Browser other;
  {
    Request request(&b, &other);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("o|i:1;").ok());
  }
  Request request(&a, &other);
  const Result<std::string> read = request.Start();
  REQUIRE(read.ok());
  CHECK(*read == "o|i:1;");
}

TEST_CASE_METHOD(LaterFormatFixture, "What waits for its nodes beside a record of a later format waits on",
                 "[session]") {
  Browser here = browser;
  for (FakeMemcached* node : nodes) node->set_down(true);
  {
    Request request(&a, &here);
    REQUIRE(request.Start().ok());
    REQUIRE(request.Finish("cart|i:8;").ok());
  }
  for (FakeMemcached* node : nodes) node->set_down(node->Find(key) == nullptr);
  clock.Advance(std::chrono::seconds(3));
  Flusher flusher(&a.store(), &clock, [this](uint8_t) { return Borrow(a.context()); });
  const auto flush = [&] { return flusher.Run(100, clock.Now() + std::chrono::seconds(1)); };
  CHECK(flush().no_node == 1);
  CHECK(a.store().UnreplicatedCount() == 1);
  CHECK(LaterRecords() == 2);
  for (FakeMemcached* node : nodes) node->RestartEmpty();  // as when they have expired
  CHECK(flush().written == 1);
  View(&b, "cart|i:8;");
}
