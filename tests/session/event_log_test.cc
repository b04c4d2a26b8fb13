// The lines of a server's logs: their order, whose they are, and what a full log keeps. Mirrors
// src/session/event_log.h.
#include "src/session/event_log.h"

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/child_process.h"

namespace clustered_session {
namespace {

constexpr uint64_t kLog = 7;
constexpr uint64_t kOther = 8;

TimePoint At(int64_t seconds) { return FromNanos(seconds * 1'000'000'000); }

std::string Next(SharedEventLog* events, uint64_t log = kLog) {
  const std::optional<Notice> notice = events->Take(log);
  return notice ? notice->text : "nothing";
}

struct EventLogFixture {
  EventLogFixture() { REQUIRE(events->Init()); }
  Shared<SharedEventLog> events;
};

TEST_CASE_METHOD(EventLogFixture, "Events are told in the order in which they happened, with their time", "[session]") {
  events->Add(kLog, At(20), "answers again");
  events->Add(kLog, At(10), "no answer");  // of a thread that was slow to tell
  events->Add(kLog, At(20), "no node is missing any more");
  std::optional<Notice> first = events->Take(kLog);
  REQUIRE(first);
  CHECK(first->text == "no answer");
  CHECK(first->at == At(10));
  CHECK_FALSE(first->warning);
  CHECK(Next(&*events) == "answers again");
  CHECK(Next(&*events) == "no node is missing any more");
  CHECK(Next(&*events) == "nothing");
}

TEST_CASE_METHOD(EventLogFixture, "What another worker has noticed is told by this one, and each line once",
                 "[session]") {
  for (const int64_t second : {2, 1}) {
    ChildProcess worker([&] {
      events->Add(kLog, At(second), "of second " + std::to_string(second));
      return 0;
    });
    REQUIRE(worker.Wait().code == 0);
  }
  ChildProcess third([&] { return Next(&*events) == "of second 1" ? 0 : 1; });
  CHECK(third.Wait().code == 0);
  CHECK(Next(&*events) == "of second 2");
  CHECK(Next(&*events) == "nothing");
}

TEST_CASE_METHOD(EventLogFixture, "A line is told by those that write to its log only", "[session]") {
  events->Add(kOther, At(1), "of another pool");
  events->Add(kLog, At(2), "ours");
  CHECK(Next(&*events) == "ours");
  CHECK(Next(&*events) == "nothing");
  CHECK(Next(&*events, kOther) == "of another pool");
}

TEST_CASE_METHOD(EventLogFixture, "A full log loses its oldest line, and takes none from another log", "[session]") {
  events->Add(kOther, At(1), "of another pool");
  for (uint32_t i = 0; i < 3 * SharedEventLog::kLines; ++i) events->Add(kLog, At(2 + i), std::to_string(i));
  CHECK(Next(&*events) == std::to_string(2 * SharedEventLog::kLines + 1));
  CHECK(Next(&*events, kOther) == "of another pool");
  // A log that has none yet takes the place of the oldest line of all.
  for (uint32_t i = 0; i < SharedEventLog::kLines; ++i) events->Add(kLog, At(1000 + i), "full");
  events->Add(kOther, At(2000), "new");
  CHECK(Next(&*events, kOther) == "new");
}

TEST_CASE_METHOD(EventLogFixture, "A worker that dies while it adds a line keeps nobody from the log", "[session]") {
  events->Add(kLog, At(1), "before");
  ChildProcess dies([&] {
    for (int64_t i = 0;; ++i) events->Add(kOther, At(i), std::string(SharedEventLog::kTextMax, 'x'));
    return 0;
  });
  REQUIRE(WaitUntil([&] { return events->Take(kOther).has_value(); }));
  dies.Kill();
  events->Add(kLog, At(2), "after");
  // If the other log has filled it by then, this one has lost its first line.
  std::string last;
  for (std::string line = Next(&*events); line != "nothing"; line = Next(&*events)) last = line;
  CHECK(last == "after");
}

TEST_CASE_METHOD(EventLogFixture, "A line that is too long is cut", "[session]") {
  events->Add(kLog, At(1), std::string(1000, 'x'));
  CHECK(Next(&*events) == std::string(SharedEventLog::kTextMax, 'x'));
  events->Add(kLog, At(1), "");
  CHECK(Next(&*events) == "nothing");
  const std::string code = " [CS-NODE-DOWN]";
  events->Add(kLog, At(1), std::string(1000, 'x') + code);
  CHECK(Next(&*events) == std::string(SharedEventLog::kTextMax - code.size(), 'x') + code);
}

TEST_CASE_METHOD(EventLogFixture, "The last different lines stay, each with how often it came and when last",
                 "[room]") {
  events->Add(kLog, At(1), "node m11: no answer after 250 ms");
  events->Add(kLog, At(2), "node m12: no answer after 250 ms");
  events->NoteWarning(kLog, At(3), "session lock not free");
  events->Add(kLog, At(4), "node m12: no answer after 9 ms");
  events->Add(kOther, At(5), "of another pool");
  while (events->Take(kLog)) {
  }
  std::vector<SharedEventLog::Recent> recent = events->RecentLines(kLog, At(0));
  REQUIRE(recent.size() == 3);
  CHECK(recent[0].text == "node m12: no answer after 9 ms");
  CHECK(recent[0].times == 2);
  CHECK(recent[0].at == At(4));
  CHECK(recent[1].text == "session lock not free");
  CHECK(recent[2].text == "node m11: no answer after 250 ms");
  CHECK(recent[2].times == 1);
  CHECK(Next(&*events) == "nothing");  // a warning is the script's
  CHECK(events->RecentLines(kLog, At(4)).size() == 1);
  CHECK(events->RecentLines(kLog, At(5)).empty());

  for (uint32_t i = 0; i < 3 * SharedEventLog::kKept; ++i) {
    events->NoteWarning(kLog, At(10 + i), std::string(1 + i, 'x'));
  }
  recent = events->RecentLines(kLog, At(0));
  CHECK(recent.size() == SharedEventLog::kKept - 1);
  CHECK(recent[0].text.size() == 3 * SharedEventLog::kKept);
  CHECK(events->RecentLines(kOther, At(0)).size() == 1);  // another pool's stays
  events->NoteWarning(9, At(500), "new");
  CHECK(events->RecentLines(9, At(0)).size() == 1);
}

}  // namespace
}  // namespace clustered_session
