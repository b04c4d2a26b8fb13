// What is known of the handler that sessions migrate from: its address, its health, the IDs it does not know. Layer:
// tests.
#include "src/session/old_handler.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "tests/support/fake_clock.h"

using namespace clustered_session;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

constexpr Duration kInterval = seconds(2);

struct OldHandler {
  FakeClock clock;
  std::unique_ptr<SharedMigration> shared = std::make_unique<SharedMigration>();
  OldHandlerHealth& health = shared->ViewOf({"files", "/tmp"}, "cs:", clock.Now())->health;

  OldHandlerDecision Decide() { return health.Decide(clock.Now(), kInterval, &begins); }
  bool Fail() { return health.NoteFailure(clock.Now()); }

  bool begins = false;
};

}  // namespace

TEST_CASE("An old handler is named with its save_path, and is another one than clustered and user", "[migration]") {
  OldHandlerAddress address;
  CHECK(ParseOldHandler("files:2;/var/lib/php:x", &address) == nullptr);
  CHECK(address == OldHandlerAddress{"files", "2;/var/lib/php:x"});
  CHECK(ParseOldHandler("redis:", &address) == nullptr);
  CHECK(address == OldHandlerAddress{"redis", ""});
  for (const char* bad : {"files", ":path", "a b:path", "clustered:m1=h:1", "user:x"}) {
    INFO(bad);
    CHECK(ParseOldHandler(bad, &address) != nullptr);
  }
  CHECK(address == OldHandlerAddress{"redis", ""});
  CHECK(ParseOldHandler("", &address) == nullptr);
  CHECK(address.empty());
}

TEST_CASE("What the old handler says is told in one bounded line, without session ID and passwords", "[migration]") {
  const std::string id = "0123456789abcdef0123456789abcdef";
  const std::string told = ReasonToTell("open(/tmp/sess_" + id + ")\nfailed, " + id, id);
  CHECK(told == "open(/tmp/sess_0123...) failed, 0123...");
  CHECK(ReasonToTell(std::string(1000, 'x'), id).size() == 160);
  CHECK(ReasonToTell("cannot parse tcp://h:1?auth=secret", id).empty());
  CHECK(ReasonToTell("wrong password abc", id).empty());
}

TEST_CASE_METHOD(OldHandler, "After a failure one worker per interval asks, and after a minute it is given up",
                 "[migration]") {
  CHECK(Decide() == OldHandlerDecision::kAsk);
  CHECK(Fail());
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
  clock.Advance(kInterval);
  CHECK(Decide() == OldHandlerDecision::kAsk);
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
  CHECK_FALSE(Fail());
  clock.Advance(minutes(1) - kInterval);
  CHECK(Decide() == OldHandlerDecision::kAsk);
  CHECK(Decide() == OldHandlerDecision::kGone);
  CHECK(health.NoteAnswer());
  CHECK_FALSE(health.NoteAnswer());
  CHECK(Decide() == OldHandlerDecision::kAsk);
  CHECK(Decide() == OldHandlerDecision::kAsk);
}

TEST_CASE_METHOD(OldHandler, "Calls that hang keep others from it before they end", "[migration]") {
  int calls[OldHandlerHealth::kCalls];
  for (int& call : calls) {
    CHECK(Decide() == OldHandlerDecision::kAsk);
    call = health.Begin(clock.Now());
    CHECK(call >= 0);
  }
  CHECK(health.Begin(clock.Now()) == -1);
  CHECK(Decide() == OldHandlerDecision::kAsk);
  clock.Advance(OldHandlerHealth::kHangs - milliseconds(1));
  CHECK(Decide() == OldHandlerDecision::kAsk);
  CHECK_FALSE(begins);
  clock.Advance(milliseconds(1));
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
  CHECK(begins);
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
  CHECK_FALSE(begins);
  clock.Advance(kInterval);
  CHECK(Decide() == OldHandlerDecision::kAsk);  // one tries it, although the others still hang
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
  for (const int call : calls) health.End(call);
  health.NoteAnswer();
  CHECK(Decide() == OldHandlerDecision::kAsk);
}

TEST_CASE_METHOD(OldHandler, "One slow call, or those of workers that died, keep nobody from it", "[migration]") {
  CHECK(health.Begin(clock.Now()) >= 0);
  clock.Advance(minutes(1));
  CHECK(Decide() == OldHandlerDecision::kAsk);
  for (int i = 1; i < OldHandlerHealth::kCalls; ++i) CHECK(health.Begin(clock.Now()) >= 0);
  clock.Advance(OldHandlerHealth::kCallMax + milliseconds(1));
  CHECK(Decide() == OldHandlerDecision::kAsk);
  for (int i = 0; i < OldHandlerHealth::kCalls; ++i) CHECK(health.Begin(clock.Now()) >= 0);
}

TEST_CASE_METHOD(OldHandler, "A session that stays locked is no failure, two in a row without an answer are",
                 "[migration]") {
  for (int i = 0; i < 3; ++i) CHECK_FALSE(health.NoteLocked(7, clock.Now()));
  CHECK_FALSE(health.Fails());
  health.NoteAnswer();
  CHECK_FALSE(health.NoteLocked(1000, clock.Now()));
  CHECK_FALSE(health.Fails());
  CHECK(health.NoteLocked(7, clock.Now()));
  CHECK_FALSE(health.NoteLocked(1000, clock.Now()));
  CHECK(health.Fails());
  CHECK(Decide() == OldHandlerDecision::kLeaveAlone);
}

TEST_CASE_METHOD(OldHandler, "A failure of one old handler is none of another, nor of the same in another pool",
                 "[migration]") {
  OldHandlerView* other = shared->ViewOf({"files", "/other"}, "cs:", clock.Now());
  CHECK(Fail());
  CHECK(other->health.Decide(clock.Now(), kInterval, &begins) == OldHandlerDecision::kAsk);
  CHECK_FALSE(shared->ViewOf({"files", "/tmp"}, "other:", clock.Now())->health.Fails());
  CHECK(shared->ViewOf({"files", "/tmp"}, "cs:", clock.Now())->health.Fails());
  for (int i = 0; i < 20; ++i) CHECK(shared->ViewOf({"redis", std::to_string(i)}, "cs:", clock.Now()) != nullptr);
  shared->ViewOf({"redis", "19"}, "cs:", clock.Now())->health.NoteFailure(clock.Now());
  CHECK_FALSE(other->health.Fails());
  CHECK(health.NoteAnswer());  // the first view is none of theirs
  shared->ViewOf({"redis", "18"}, "cs:", clock.Now())->health.NoteFailure(clock.Now());
  CHECK_FALSE(health.Fails());
  CHECK(other->began_at_ns == ToNanos(clock.Now()));
}

TEST_CASE_METHOD(OldHandler, "An ID that it does not know is remembered for a minute, and no other one with it",
                 "[migration]") {
  RememberedSessions& misses = shared->misses;
  const uint64_t session = 0x123456789abcdef0;
  const uint64_t of_same_place = session + RememberedSessions::kPlaces * (uint64_t{1} << 20);
  const auto has = [&](uint64_t which) { return misses.Has(which, clock.Now(), SharedMigration::kMissRemembered); };
  CHECK_FALSE(has(session));
  misses.Add(session, clock.Now());
  CHECK(has(session));
  CHECK_FALSE(has(of_same_place));
  clock.Advance(seconds(59));
  CHECK(has(session));
  clock.Advance(seconds(1));
  CHECK_FALSE(has(session));
  misses.Add(session, clock.Now());
  misses.Remove(of_same_place, clock.Now());
  CHECK(has(session));
  misses.Remove(session, clock.Now());
  CHECK_FALSE(has(session));
}
