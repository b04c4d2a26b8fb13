// The names of writes and lives, see succession.h. Layer: session.
#include "src/session/succession.h"

#include <algorithm>

#include "src/base/protocol_fault.h"

namespace clustered_session {
namespace {

// Names of lives that were counted, in records of format 1, are never as high.
constexpr uint32_t kNamedLife = 0x80000000;

// A life under an ID of which `ended` are over.
uint32_t NewLife(const SessionContext& context, const LifeSet& ended) {
  if (ended.empty()) return kFirstLife;
  const uint64_t seed[2] = {context.store->instance(), NextNumber(context)};
  const SessionKey hash = Hash128({}, "life", {reinterpret_cast<const char*>(seed), sizeof seed});
  return static_cast<uint32_t>(hash.Hash64()) | kNamedLife;
}

// Makes `dot` the write that *ancestry is.
void AddWrite(const SessionContext& context, const Dot& dot, uint64_t since, Ancestry* ancestry) {
  CountOverflow(context, ancestry->context.Add(dot, std::min(since, dot.number)));
  ancestry->dot = dot;
  ancestry->fingerprint = 0;
}

}  // namespace

void CountOverflow(const SessionContext& context, bool all_kept) {
  if (!all_kept) context.store->counters().history_overflows.Add();
}

uint64_t NextNumber(const SessionContext& context) { return context.store->NextNumber(); }

uint32_t ActorOf(const SessionContext& context) {
  const auto actor = static_cast<uint32_t>(context.store->instance());
  return actor != 0 ? actor : 1;
}

Dot NextDot(const SessionContext& context) { return {ActorOf(context), NextNumber(context)}; }

uint64_t SinceNow(const SessionContext& context) {
  return HasFault(ProtocolFault::kForgottenWritesKnown) ? 0 : NextNumber(context);
}

Ancestry SuccessorOf(const SessionContext& context, const LoadedSession& loaded) {
  Ancestry next = loaded.Known();
  if (next.tombstone) {  // nothing of what has ended is in what begins
    Ancestry anew;
    anew.ended = next.ended;
    anew.lifetime_max_s = next.lifetime_max_s;
    next = anew;
  }
  if (next.lives.empty()) next.lives.Add(NewLife(context, next.ended));
  next.lifetime_max_s = std::max(next.lifetime_max_s, loaded.lifetime_s);
  AddWrite(context, NextDot(context), loaded.image.since(), &next);
  return next;
}

void AbsorbBranch(const SessionContext& context, const Ancestry& other, Image* image) {
  Ancestry merged = image->ancestry();
  CountOverflow(context, merged.Absorb(other));
  AddWrite(context, NextDot(context), image->since(), &merged);
  image->SetAncestry(merged);
}

}  // namespace clustered_session
