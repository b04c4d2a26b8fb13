// The flight loop, see flight.h. Layer: cluster.
#include "src/cluster/flight.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

namespace clustered_session {
namespace {

// Asks the kernel what is ready, and sleeps until something is, or until `until`.
void Poll(std::vector<pollfd>* waits, TimePoint until) {
  const auto left = std::max(until - std::chrono::steady_clock::now(), Duration::zero());
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
  timespec timeout;
  timeout.tv_sec = whole.count();
  timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - whole).count();
  if (ppoll(waits->data(), waits->size(), &timeout, nullptr) > 0) return;
  for (pollfd& each : *waits) each.revents = 0;  // after a signal they would hold what they held before
}

void NoteDone(std::span<Pollable* const> pollables, std::span<TimePoint> done_at) {
  if (done_at.empty()) return;
  const TimePoint now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < pollables.size(); ++i) {
    if (done_at[i] == TimePoint{} && pollables[i]->done()) done_at[i] = now;
  }
}

}  // namespace

void DriveFlight(std::span<Pollable* const> pollables, std::span<TimePoint> done_at) {
  TimePoint polled_at = std::chrono::steady_clock::now();
  for (Pollable* each : pollables) {
    if (!each->done()) each->WaitBegins(polled_at);
  }
  // Nodes that are well answer at once: then one call per node is enough.
  (void)std::all_of(pollables.begin(), pollables.end(),
                    [](Pollable* each) { return each->done() || each->WaitBriefly(); });
  NoteDone(pollables, done_at);

  std::vector<pollfd> waits;
  std::vector<size_t> ends(pollables.size());
  for (;;) {
    waits.clear();
    TimePoint until = TimePoint::max();
    bool under_way = false;
    for (size_t i = 0; i < pollables.size(); ++i) {
      if (!pollables[i]->done()) {
        under_way = true;
        until = std::min(until, pollables[i]->AddWaits(&waits));
      }
      ends[i] = waits.size();
    }
    if (!under_way) return;
    polled_at = std::chrono::steady_clock::now();
    Poll(&waits, until);
    size_t begin = 0;
    for (size_t i = 0; i < pollables.size(); ++i) {
      if (!pollables[i]->done()) pollables[i]->Advance({waits.data() + begin, ends[i] - begin}, polled_at);
      begin = ends[i];
    }
    NoteDone(pollables, done_at);
  }
}

}  // namespace clustered_session
