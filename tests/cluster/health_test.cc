// When a node is asked, probed and skipped. Mirrors src/cluster/health.h.
#include "src/cluster/health.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

namespace clustered_session {
namespace {

constexpr Duration kInterval = std::chrono::seconds(2);
const TimePoint kStart = FromNanos(1'000'000'000'000);

TimePoint At(int ms) { return kStart + std::chrono::milliseconds(ms); }

TEST_CASE("a node goes from asked to skipped to probed and back") {
  enum class Event { kAsk, kProbe, kSkip, kSuccess, kFailure };
  struct Step {
    int at_ms;
    Event event;
    bool changed;  // of kSuccess and kFailure: this report changed the state
  };
  const std::vector<std::vector<Step>> histories = {
      // zeroed memory is a healthy node
      {{0, Event::kAsk, false}, {0, Event::kSuccess, false}, {1, Event::kAsk, false}},
      // one failure is enough; the second report of the same outage says nothing new
      {{0, Event::kFailure, true}, {1, Event::kSkip, false}, {1, Event::kFailure, false}, {1999, Event::kSkip, false}},
      // one probe per interval, also if the prober never reports
      {{0, Event::kFailure, true}, {2000, Event::kProbe, false}, {2000, Event::kSkip, false},
       {3999, Event::kSkip, false}, {4000, Event::kProbe, false}, {4001, Event::kSkip, false}},
      // a failed probe waits an interval from its report
      {{0, Event::kFailure, true}, {2000, Event::kProbe, false}, {2250, Event::kFailure, false},
       {4249, Event::kSkip, false}, {4250, Event::kProbe, false}},
      // a good probe closes, and the next failure is a new outage
      {{0, Event::kFailure, true}, {2500, Event::kProbe, false}, {2501, Event::kSuccess, true},
       {2502, Event::kAsk, false}, {2502, Event::kAsk, false}, {2503, Event::kFailure, true},
       {2504, Event::kSkip, false}, {4503, Event::kProbe, false}},
      // the success of an operation that began before the outage closes it as well
      {{0, Event::kFailure, true}, {1, Event::kSuccess, true}, {2, Event::kAsk, false}},
      // a late report of an old failure brings no probe forward
      {{1000, Event::kFailure, true}, {0, Event::kFailure, false}, {2999, Event::kSkip, false},
       {3000, Event::kProbe, false}},
  };
  for (size_t i = 0; i < histories.size(); ++i) {
    NodeHealth health{};
    for (const Step& step : histories[i]) {
      INFO("history " << i << ", at " << step.at_ms << " ms");
      const TimePoint now = At(step.at_ms);
      if (step.event == Event::kSuccess) {
        CHECK(ReportSuccess(&health, now) == step.changed);
      } else if (step.event == Event::kFailure) {
        CHECK(ReportFailure(&health, now, kInterval) == step.changed);
      } else {
        const HealthDecision expected = step.event == Event::kAsk     ? HealthDecision::kAsk
                                        : step.event == Event::kProbe ? HealthDecision::kProbe
                                                                      : HealthDecision::kSkip;
        CHECK(DecideHealth(&health, now, kInterval) == expected);
      }
    }
  }
}

TEST_CASE("the time of a state change is kept, and failures are counted") {
  NodeHealth health{};
  ReportFailure(&health, At(5), kInterval);
  ReportFailure(&health, At(6), kInterval);
  CHECK(health.failures.load() == 2);
  CHECK(health.changed_at_ns.load() == ToNanos(At(5)));
  ReportSuccess(&health, At(9));
  ReportSuccess(&health, At(10));
  CHECK(health.changed_at_ns.load() == ToNanos(At(9)));
}

TEST_CASE("of many workers exactly one probes per interval, and exactly one sees each state change") {
  NodeHealth health{};
  std::atomic<int> probes{0}, opened{0}, closed{0};
  constexpr int kThreads = 8;
  const auto together = [](auto action) {
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        ++ready;
        while (ready.load() < kThreads) std::this_thread::yield();
        action();
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  constexpr int kOutages = 50;
  for (int outage = 0; outage < kOutages; ++outage) {
    const int base_ms = outage * 100'000;
    together([&] { opened += ReportFailure(&health, At(base_ms), kInterval); });
    for (int interval = 1; interval <= 3; ++interval) {
      together([&] {
        probes += DecideHealth(&health, At(base_ms + interval * 2000), kInterval) == HealthDecision::kProbe;
      });
    }
    together([&] { closed += ReportSuccess(&health, At(base_ms + 7000)); });
  }
  CHECK(opened == kOutages);
  CHECK(probes == 3 * kOutages);
  CHECK(closed == kOutages);
}

TEST_CASE("every node finds its own slot until all are taken") {
  std::vector<NodeHealth> slots(4);
  std::vector<NodeHealth*> found;
  for (uint32_t hash : {4u, 8u, 12u, 7u}) {  // three of them want the first slot
    NodeHealth* slot = FindHealthSlot(slots.data(), 4, hash);
    REQUIRE(slot != nullptr);
    CHECK(slot->node_hash.load() == hash);
    for (const NodeHealth* other : found) CHECK(slot != other);
    found.push_back(slot);
  }
  CHECK(FindHealthSlot(slots.data(), 4, 12) == found[2]);
  CHECK(FindHealthSlot(slots.data(), 4, 16) == nullptr);
  CHECK(FindHealthSlot(slots.data(), 0, 16) == nullptr);
  CHECK(FindHealthSlot(slots.data(), 4, 0) == nullptr);
}

TEST_CASE("workers that claim slots at once agree on them") {
  for (int round = 0; round < 50; ++round) {
    std::vector<NodeHealth> slots(8);
    std::vector<std::vector<NodeHealth*>> seen(4, std::vector<NodeHealth*>(8));
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (size_t worker = 0; worker < seen.size(); ++worker) {
      threads.emplace_back([&, worker] {
        ++ready;
        while (ready.load() < 4) std::this_thread::yield();
        for (size_t i = 0; i < 8; ++i) {
          const size_t node = (i + worker * 3) % 8;
          seen[worker][node] = FindHealthSlot(slots.data(), 8, static_cast<uint32_t>(8 * (node + 1)));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (size_t node = 0; node < 8; ++node) {
      REQUIRE(seen[0][node] != nullptr);
      CHECK(seen[0][node]->node_hash.load() == 8 * (node + 1));
      for (const auto& worker : seen) CHECK(worker[node] == seen[0][node]);
    }
  }
}

}  // namespace
}  // namespace clustered_session
