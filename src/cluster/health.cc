// Node health: see health.h. Layer: cluster. Pure; any thread of any worker.
#include "src/cluster/health.h"

#include <algorithm>

namespace clustered_session {
namespace {

constexpr Duration kAnsweredTick = std::chrono::seconds(1);  // not each answer writes to a line that all read

bool LongAgo(int64_t then_ns, TimePoint now, Duration interval) {
  return ToNanos(now) - then_ns >= std::chrono::nanoseconds(interval).count();
}

bool Due(const Suspicion& suspicion, TimePoint now, Duration interval) {
  return LongAgo(suspicion.tried_at_ns.load(std::memory_order_acquire), now, interval);
}

// Whoever moves the time of the last try is the prober. Returns what it was before; kNotTaken if it is not due, or no
// longer.
int64_t TakeProbe(Suspicion* suspicion, TimePoint now, Duration interval) {
  int64_t before = suspicion->tried_at_ns.load(std::memory_order_acquire);
  if (!LongAgo(before, now, interval)) return kNotTaken;
  const bool taken = suspicion->tried_at_ns.compare_exchange_strong(before, ToNanos(now), std::memory_order_acq_rel);
  return taken ? before : kNotTaken;
}

void GiveBackOne(Suspicion* suspicion, int64_t taken_at_ns, int64_t before_ns) {
  if (before_ns == kNotTaken) return;
  // Unless somebody has tried since.
  suspicion->tried_at_ns.compare_exchange_strong(taken_at_ns, before_ns, std::memory_order_acq_rel);
}

// Returns when it was tried before. Time only moves forward, so that a late report of a worker that waited long does
// not bring a probe forward.
int64_t NoteTry(Suspicion* suspicion, TimePoint now) {
  int64_t tried_at = suspicion->tried_at_ns.load(std::memory_order_relaxed);
  while (tried_at < ToNanos(now) &&
         !suspicion->tried_at_ns.compare_exchange_weak(tried_at, ToNanos(now), std::memory_order_release)) {
  }
  return tried_at;
}

// True if this makes it fail.
bool Accuse(Suspicion* suspicion, uint32_t evidence, TimePoint now) {
  // The time first: nobody may see it fail with a time of long ago and probe at once.
  const bool first = LongAgo(NoteTry(suspicion, now), now, kEvidenceAge);
  uint32_t before = suspicion->evidence.load(std::memory_order_relaxed);
  uint32_t after = 0;
  do {
    if (before >= kEvidenceMax) return false;
    after = std::min((first ? 0 : before) + evidence, kEvidenceMax);
  } while (!suspicion->evidence.compare_exchange_weak(before, after, std::memory_order_acq_rel));
  return after == kEvidenceMax;
}

// True if it failed until now.
bool Acquit(Suspicion* suspicion) {
  if (suspicion->evidence.load(std::memory_order_acquire) == 0) return false;  // the usual case writes nothing
  return suspicion->evidence.exchange(0, std::memory_order_acq_rel) >= kEvidenceMax;
}

}  // namespace

HealthDecision DecideHealth(NodeHealth* health, bool connected, TimePoint now, Duration interval, Probe* probe) {
  *probe = {};
  const bool needs_connects = !connected && Fails(health->connects);
  const bool needs_answers = Fails(health->answers);
  if (!needs_connects && !needs_answers) return HealthDecision::kAsk;
  if (needs_answers && !Due(health->answers, now, interval)) return HealthDecision::kSkip;
  Probe taken;
  taken.at_ns = ToNanos(now);
  if (needs_connects) {
    taken.connects_before_ns = TakeProbe(&health->connects, now, interval);
    if (taken.connects_before_ns == kNotTaken) return HealthDecision::kSkip;
  }
  if (needs_answers) {
    taken.answers_before_ns = TakeProbe(&health->answers, now, interval);
    if (taken.answers_before_ns == kNotTaken) {
      GiveBack(health, taken);
      return HealthDecision::kSkip;
    }
  }
  *probe = taken;
  return HealthDecision::kProbe;
}

bool MayBeAsked(const NodeHealth& health, bool connected, TimePoint now, Duration interval) {
  if (Fails(health.answers) && !Due(health.answers, now, interval)) return false;
  return connected || !Fails(health.connects) || Due(health.connects, now, interval);
}

void GiveBack(NodeHealth* health, const Probe& probe) {
  if (probe.at_ns == kNotTaken) return;
  GiveBackOne(&health->answers, probe.at_ns, probe.answers_before_ns);
  GiveBackOne(&health->connects, probe.at_ns, probe.connects_before_ns);
}

bool ReportAnswer(NodeHealth* health, bool connected, TimePoint now) {
  if (LongAgo(health->answered_at_ns.load(std::memory_order_relaxed), now, kAnsweredTick)) {
    health->answered_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  }
  bool changed = Acquit(&health->answers);
  if (!connected) changed |= Acquit(&health->connects);
  if (changed) health->changed_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  return changed;
}

bool ReportFailure(NodeHealth* health, NodeSign sign, TimePoint now) {
  health->failures.fetch_add(1, std::memory_order_relaxed);
  // A new connection that fails was a try for answers as well.
  if (Fails(health->answers)) NoteTry(&health->answers, now);
  bool changed = false;
  switch (sign) {
    case NodeSign::kNoAnswer:
      changed = Accuse(&health->answers, 1, now);
      break;
    case NodeSign::kNoConnection:
      health->connects.refused.store(0, std::memory_order_relaxed);
      changed = Accuse(&health->connects, 1, now);
      break;
    case NodeSign::kRefused:
      health->connects.refused.store(1, std::memory_order_relaxed);
      changed = Accuse(&health->connects, kEvidenceMax, now);
      break;
    case NodeSign::kGone:
      changed = Accuse(&health->answers, kEvidenceMax, now);
      break;
  }
  if (changed) health->changed_at_ns.store(ToNanos(now), std::memory_order_relaxed);
  return changed;
}

}  // namespace clustered_session
