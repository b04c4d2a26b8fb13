// When a node is asked, probed and skipped. Mirrors src/cluster/health.h.
#include "src/cluster/health.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <thread>
#include <vector>

namespace clustered_session {
namespace {

constexpr Duration kInterval = std::chrono::seconds(2);
const TimePoint kStart = FromNanos(1'000'000'000'000);

TimePoint At(int64_t ms) { return kStart + std::chrono::milliseconds(ms); }

HealthDecision Decide(NodeHealth* health, bool connected, TimePoint now, Duration interval = kInterval) {
  Probe probe;
  const bool may_be_asked = MayBeAsked(*health, connected, now, interval);
  const HealthDecision decision = DecideHealth(health, connected, now, interval, &probe);
  CHECK(may_be_asked == (decision != HealthDecision::kSkip));
  CHECK((probe.at_ns != kNotTaken) == (decision == HealthDecision::kProbe));
  return decision;
}

TEST_CASE("a node goes from asked to suspected to skipped to probed and back") {
  enum class Event { kAsk, kProbe, kSkip, kSuccess, kFailure };
  struct Step {
    int at_ms;
    Event event;
    bool changed = false;  // of kSuccess and kFailure: this report changed the state
  };
  using enum Event;
  const std::vector<std::vector<Step>> histories = {
      // zeroed memory is a healthy node
      {{0, kAsk}, {0, kSuccess}, {1, kAsk}},
      // one failure is no failed node, two in a row are one; the third says nothing new
      {{0, kFailure}, {1, kAsk}, {2, kFailure, true}, {3, kSkip}, {4, kFailure}, {2003, kSkip}, {2004, kProbe}},
      // a success between two failures, whoever has it, clears the doubt
      {{0, kFailure}, {1, kSuccess}, {2, kFailure}, {3, kAsk}, {4, kSuccess}, {5, kFailure}, {6, kAsk}},
      // so does a long time
      {{0, kFailure}, {59'999, kFailure, true}, {60'000, kSkip}},
      {{0, kFailure}, {60'000, kFailure}, {60'001, kAsk}, {60'002, kFailure, true}, {60'003, kSkip}},
      // one probe per interval, also if the prober never reports
      {{0, kFailure}, {0, kFailure, true}, {2000, kProbe}, {2000, kSkip}, {3999, kSkip}, {4000, kProbe}, {4001, kSkip}},
      // a failed probe waits an interval from its report
      {{0, kFailure}, {0, kFailure, true}, {2000, kProbe}, {2250, kFailure}, {4249, kSkip}, {4250, kProbe}},
      // a good probe ends it, and the next outage begins with a doubt
      {{0, kFailure},
       {0, kFailure, true},
       {2500, kProbe},
       {2501, kSuccess, true},
       {2502, kAsk},
       {2503, kFailure},
       {2504, kAsk},
       {2505, kFailure, true},
       {2506, kSkip},
       {4505, kProbe}},
      // the success of an operation that began before the outage ends it as well
      {{0, kFailure}, {0, kFailure, true}, {1, kSuccess, true}, {2, kAsk}},
      // a late report of an old failure brings no probe forward
      {{1000, kFailure}, {1000, kFailure, true}, {0, kFailure}, {2999, kSkip}, {3000, kProbe}},
  };
  // The same for answers on open connections and for new connections.
  for (const bool connected : {true, false}) {
    const NodeSign sign = connected ? NodeSign::kNoAnswer : NodeSign::kNoConnection;
    for (size_t i = 0; i < histories.size(); ++i) {
      NodeHealth health{};
      for (const Step& step : histories[i]) {
        INFO("history " << i << ", at " << step.at_ms << " ms, connected " << connected);
        const TimePoint now = At(step.at_ms);
        if (step.event == kSuccess) {
          CHECK(ReportAnswer(&health, connected, now) == step.changed);
        } else if (step.event == kFailure) {
          CHECK(ReportFailure(&health, sign, now) == step.changed);
        } else {
          const HealthDecision expected = step.event == kAsk     ? HealthDecision::kAsk
                                          : step.event == kProbe ? HealthDecision::kProbe
                                                                 : HealthDecision::kSkip;
          CHECK(Decide(&health, connected, now) == expected);
        }
      }
    }
  }
}

TEST_CASE("a node that takes no new connections is skipped by those who have none, and by no other") {
  NodeHealth health{};
  SECTION("refused once") { CHECK(ReportFailure(&health, NodeSign::kRefused, At(0))); }
  SECTION("two that did not come about") {
    CHECK_FALSE(ReportFailure(&health, NodeSign::kNoConnection, At(0)));
    CHECK(ReportFailure(&health, NodeSign::kNoConnection, At(0)));
  }
  CHECK(Decide(&health, false, At(1)) == HealthDecision::kSkip);
  CHECK(Decide(&health, true, At(1)) == HealthDecision::kAsk);
  CHECK_FALSE(IsFull(health));  // nobody has shown that it lives

  // What an open connection brings is no sign that there are new ones.
  CHECK_FALSE(ReportAnswer(&health, true, At(1500)));
  CHECK(IsFull(health));
  CHECK(Decide(&health, false, At(1999)) == HealthDecision::kSkip);
  CHECK(Decide(&health, false, At(2000)) == HealthDecision::kProbe);
  CHECK(Decide(&health, false, At(2001)) == HealthDecision::kSkip);
  CHECK(ReportAnswer(&health, false, At(2002)));
  CHECK(Decide(&health, false, At(2003)) == HealthDecision::kAsk);
  CHECK_FALSE(IsFull(health));
}

TEST_CASE("failures of new connections are no evidence against open ones, nor the other way round") {
  NodeHealth health{};
  CHECK_FALSE(ReportFailure(&health, NodeSign::kNoConnection, At(0)));
  CHECK_FALSE(ReportFailure(&health, NodeSign::kNoAnswer, At(0)));
  CHECK(Decide(&health, true, At(1)) == HealthDecision::kAsk);
  CHECK(Decide(&health, false, At(1)) == HealthDecision::kAsk);
  CHECK(ReportFailure(&health, NodeSign::kNoAnswer, At(2)));
  CHECK(Decide(&health, true, At(3)) == HealthDecision::kSkip);
  CHECK(Decide(&health, false, At(3)) == HealthDecision::kSkip);  // it would not be answered either
}

TEST_CASE("a node that fails both ways is probed by one worker per interval, with a connection or without") {
  for (const bool connected_first : {true, false}) {
    NodeHealth health{};
    for (int i = 0; i < 2; ++i) ReportFailure(&health, NodeSign::kNoAnswer, At(0));
    ReportFailure(&health, NodeSign::kRefused, At(0));
    for (const int ms : {2000, 4000, 6000}) {
      INFO("at " << ms << " ms, connected first: " << connected_first);
      CHECK(Decide(&health, connected_first, At(ms)) == HealthDecision::kProbe);
      CHECK(Decide(&health, !connected_first, At(ms)) == HealthDecision::kSkip);
      CHECK(Decide(&health, connected_first, At(ms + 1999)) == HealthDecision::kSkip);
    }
    CHECK(ReportAnswer(&health, false, At(7000)));
    CHECK(Decide(&health, true, At(7000)) == HealthDecision::kAsk);
    CHECK(Decide(&health, false, At(7000)) == HealthDecision::kAsk);
  }
}

TEST_CASE("each caller waits its own retry interval after the last failure") {
  constexpr Duration kDay = std::chrono::hours(24);
  NodeHealth health{};
  for (int i = 0; i < 2; ++i) ReportFailure(&health, NodeSign::kNoAnswer, At(0));
  CHECK(Decide(&health, true, At(1999), kInterval) == HealthDecision::kSkip);
  CHECK(Decide(&health, true, At(2000), kDay) == HealthDecision::kSkip);
  CHECK(Decide(&health, true, At(2000), kInterval) == HealthDecision::kProbe);
  CHECK(Decide(&health, true, At(2100), kInterval) == HealthDecision::kSkip);
  CHECK(Decide(&health, true, At(2100), std::chrono::milliseconds(100)) == HealthDecision::kProbe);
  // Its owner's own failure keeps it for its own interval, and nobody else.
  ReportFailure(&health, NodeSign::kNoAnswer, At(2200));
  CHECK(Decide(&health, true, At(4200), kInterval) == HealthDecision::kProbe);
  CHECK(Decide(&health, true, At(4200 + 24 * 3600 * 1000 - 1), kDay) == HealthDecision::kSkip);
  CHECK(Decide(&health, true, At(4200 + 24 * 3600 * 1000), kDay) == HealthDecision::kProbe);
}

TEST_CASE("a prober that has learnt nothing gives its turn to the next one") {
  NodeHealth health{};
  for (int i = 0; i < 2; ++i) ReportFailure(&health, NodeSign::kNoAnswer, At(0));
  ReportFailure(&health, NodeSign::kRefused, At(0));
  Probe probe;
  REQUIRE(DecideHealth(&health, false, At(2000), kInterval, &probe) == HealthDecision::kProbe);
  GiveBack(&health, probe);
  Probe next;
  REQUIRE(DecideHealth(&health, false, At(2001), kInterval, &next) == HealthDecision::kProbe);
  GiveBack(&health, probe);  // of long ago: takes nothing from the one that probes now
  CHECK(Decide(&health, false, At(2002)) == HealthDecision::kSkip);
  GiveBack(&health, Probe());
  CHECK(Decide(&health, false, At(2002)) == HealthDecision::kSkip);
}

TEST_CASE("the time of a state change is kept, and failures are counted") {
  NodeHealth health{};
  ReportFailure(&health, NodeSign::kNoAnswer, At(5));
  CHECK(health.changed_at_ns.load() == 0);
  ReportFailure(&health, NodeSign::kNoAnswer, At(6));
  ReportFailure(&health, NodeSign::kNoAnswer, At(7));
  CHECK(health.failures.load() == 3);
  CHECK(health.changed_at_ns.load() == ToNanos(At(6)));
  ReportAnswer(&health, true, At(9));
  ReportAnswer(&health, true, At(10));
  CHECK(health.changed_at_ns.load() == ToNanos(At(9)));
}

TEST_CASE("of many workers exactly one probes per interval, and exactly one sees each state change", "[threads]") {
  const bool both_ways = GENERATE(false, true);
  NodeHealth health{};
  std::atomic<int> probes{0}, failed{0}, answered{0};
  constexpr int kThreads = 8;
  const auto together = [](const std::function<void(bool connected)>& action) {
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        ++ready;
        while (ready.load() < kThreads) std::this_thread::yield();
        action(i % 2 == 0);
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  constexpr int kOutages = 50;
  for (int outage = 0; outage < kOutages; ++outage) {
    const int base_ms = outage * 100'000;
    together([&](bool) { failed += ReportFailure(&health, NodeSign::kNoAnswer, At(base_ms)); });
    if (both_ways) ReportFailure(&health, NodeSign::kRefused, At(base_ms));
    for (int interval = 1; interval <= 3; ++interval) {
      together([&](bool connected) {
        Probe mine;
        const TimePoint now = At(base_ms + interval * 2000);
        probes += DecideHealth(&health, connected, now, kInterval, &mine) == HealthDecision::kProbe;
      });
    }
    together([&](bool) { answered += ReportAnswer(&health, true, At(base_ms + 7000)); });
    ReportAnswer(&health, false, At(base_ms + 7000));
  }
  CHECK(failed == kOutages);
  CHECK(probes == 3 * kOutages);
  CHECK(answered == kOutages);
}

}  // namespace
}  // namespace clustered_session
