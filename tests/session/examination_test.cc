// How nodes hold what a server has copies of: what counts as lost, and whose sessions are looked at. Layer: tests.
#include "src/session/examination.h"

#include <catch2/catch.hpp>

#include "tests/session/cluster_fixture.h"

using namespace clustered_session;

namespace {

struct Examining : ClusterFixture {
  Examining() { Serve(&a, "", "n|i:1;"); }

  Examination Examine() { return ExamineEntries(a.context(), 0, 100, /*asks=*/true); }
  void EraseFrom(FakeMemcached* node) {
    std::erase_if(node->items(), [](const auto& item) { return item.first.starts_with("cs:"); });
  }
};

}  // namespace

TEST_CASE_METHOD(Examining, "A session is lost where each of its nodes says that it has nothing", "[room]") {
  CHECK(Examine().sessions == 1);
  CHECK(Examine().incomplete == 0);
  const std::vector<FakeMemcached*> placed = Placed(browser.session_id);
  EraseFrom(placed[0]);
  CHECK(Examine().incomplete == 1);
  CHECK(Examine().lost == 0);
  SECTION("and not while one of them is silent") {
    placed[1]->set_down(true);
    const Examination examined = Examine();
    CHECK(examined.incomplete == 1);
    CHECK(examined.lost == 0);
  }
  SECTION("both") {
    EraseFrom(placed[1]);
    CHECK(Examine().lost == 1);
  }
}

TEST_CASE_METHOD(Examining, "The end of a session that nodes have forgotten is incomplete, and not lost", "[room]") {
  {
    Session session(a.context());
    REQUIRE(session.Read(browser.session_id, Request::kLifetime).ok());
    REQUIRE(session.Destroy(browser.session_id, Request::kLifetime).ok());
  }
  CHECK(Examine().ends == 1);
  CHECK(Examine().incomplete == 0);
  for (FakeMemcached* node : nodes) EraseFrom(node);
  CHECK(Examine().incomplete == 1);
  CHECK(Examine().lost == 0);
}

TEST_CASE_METHOD(Examining, "Sessions of other pools are not looked at", "[room]") {
  SessionContext other = a.context();
  ++other.pool;
  CHECK(ExamineEntries(other, 0, 100, /*asks=*/true).sessions == 0);
}
