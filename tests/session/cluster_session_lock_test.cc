// The cluster lock by itself, without a session: claimed, taken, refused, left over, lost. Layer: tests.
#include "src/session/cluster_session_lock.h"

#include <catch2/catch.hpp>

#include "tests/session/cluster_lock_fixture.h"

using namespace clustered_session;

namespace {

using State = ClusterSessionLock::State;

const std::string kId = "0123456789abcdefghijklmnopqrstuv";

struct Fixture : ClusterFixture {
  // One try of a server; what it read is not looked at.
  State Try(const WebServer& server, ClusterSessionLock* lock, bool claim = true) {
    const NodeItems items(server.context(), SessionAddress(server.context(), kId), Entry());
    lock->BeginTry(claim);
    lock->Read(items.placement, items, clock.Now() + std::chrono::seconds(1), NodeSet::Values::kAll);
    return lock->state();
  }

  ClusterSessionLock of_a{a.context()};
  ClusterSessionLock of_b{b.context()};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "A cluster lock is held by one server until it gives it back", "[session]") {
  CHECK(of_a.settled());
  CHECK(Try(a, &of_a) == State::kHeld);
  CHECK(Try(b, &of_b) == State::kTaken);
  CHECK_FALSE(of_b.settled());
  CHECK(of_b.other().find(" of server a") != std::string::npos);
  of_a.Release();
  CHECK_FALSE(of_a.held());
  CHECK(Try(b, &of_b) == State::kHeld);
  CHECK(of_b.any_answer());
}

TEST_CASE_METHOD(Fixture, "A try without a claim leaves the lock alone", "[session]") {
  CHECK(Try(a, &of_a, /*claim=*/false) == State::kNotClaimed);
  CHECK(of_a.settled());
  CHECK(of_a.any_answer());
  CHECK(Try(b, &of_b) == State::kHeld);
}

TEST_CASE_METHOD(Fixture, "What a worker of the same server has left of its lock is taken over at once", "[session]") {
  CHECK(Try(a, &of_a) == State::kHeld);
  ClusterSessionLock next_of_a(a.context());
  CHECK(Try(a, &next_of_a) == State::kHeld);
  clock.Advance(std::chrono::seconds(6));
  a.RenewLocks();
  CHECK_FALSE(of_a.TakeLoss().empty());
  CHECK(of_a.TakeLoss().empty());  // said once
  CHECK(next_of_a.TakeLoss().empty());
  CHECK(Try(b, &of_b) == State::kTaken);
}

TEST_CASE_METHOD(Fixture, "The next node gets the claim that one does not answer or take", "[session]") {
  const std::vector<FakeMemcached*> placed = Placed(kId);
  placed[0]->set_down(true);
  CHECK(Try(a, &of_a) == State::kUnanswered);
  CHECK(of_a.any_answer());
  placed[1]->set_full(true);
  while (a.context().nodes->WorthAsking(0) && a.context().nodes->WorthAsking(1) && a.context().nodes->WorthAsking(2)) {
    REQUIRE(Try(a, &of_a) == State::kUnanswered);
  }
  CHECK(Try(a, &of_a) == State::kUnanswered);  // of the full one
  CHECK(Try(a, &of_a) == State::kHeld);
  for (FakeMemcached* node : nodes) node->set_down(true);
  CHECK(Try(b, &of_b) == State::kUnanswered);
  CHECK_FALSE(of_b.any_answer());
}
