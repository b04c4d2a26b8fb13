// Is the simulation able to see anything? Each fault of the protocol is put in once, and an oracle must notice within
// ten thousand histories. Layer: tests.
#include <catch2/catch.hpp>
#include <iostream>

#include "src/base/protocol_fault.h"
#include "src/base/sanitizers.h"
#include "tests/simulation/history.h"
#include "tests/simulation/wide_history.h"

using namespace clustered_session;

#if !CLUSTERED_SESSION_ADDRESS_SANITIZER  // which makes it slow, and finds nothing more in it

namespace {

constexpr uint64_t kHistoriesMax = 10'000;

struct Mutant {
  const char* name;
  ProtocolFault fault = ProtocolFault::kNone;
  History::Adjust adjust = nullptr;
  bool (*fits)(const Plan& plan) = nullptr;  // which histories could show it at all; null: any
};

void WriteUnconditionally(World* world) {
  for (int node = 0; node < world->nodes(); ++node) world->node(node).set_unconditional(true);
}

void KeepTokensOverRestarts(World* world) {
  for (int node = 0; node < world->nodes(); ++node) world->node(node).set_keeps_incarnation(true);
}

// Nodes that no validation asks at first, and things that get there.
bool HasNodesBehind(const Plan& plan) {
  return plan.many_faults() && plan.servers > 1 && plan.nodes > static_cast<int>(plan.settings.copies) + 1;
}

bool Fits(const Mutant& mutant, uint64_t seed) {
  if (mutant.fits == nullptr) return true;
  Random random(seed);
  return mutant.fits(DrawPlan(seed, &random));
}

void MustBeCaught(const Mutant& mutant) {
  protocol_fault = mutant.fault;
  std::string violation;
  uint64_t seed = 0;
  for (uint64_t histories = 0; violation.empty() && histories < kHistoriesMax; ++seed) {
    if (!Fits(mutant, seed)) continue;
    violation = History(seed, mutant.adjust).Run();
    ++histories;
  }
  protocol_fault = ProtocolFault::kNone;
  std::cout << mutant.name << ": seed " << seed - 1 << ": " << violation << std::endl;
  CHECK(!violation.empty());
}

// By wide histories, which draw what these faults need.
void MustBeCaughtWidely(const Mutant& mutant) {
  protocol_fault = mutant.fault;
  std::string violation;
  uint64_t seed = 0;
  for (; violation.empty() && seed < kHistoriesMax; ++seed) violation = WideHistory(seed, KeptBreadth()).Run();
  protocol_fault = ProtocolFault::kNone;
  std::cout << mutant.name << ": wide seed " << seed - 1 << ": " << violation << std::endl;
  CHECK(!violation.empty());
}

}  // namespace

TEST_CASE("A fault in reading is caught by the simulation", "[mutants]") {
  static constexpr Mutant kMutants[] = {
      {"no look at the cookie", ProtocolFault::kCookieUnchecked},
      {"no look at the cookie's epoch", ProtocolFault::kEpochUnchecked},
      {"no validation after local_trust", ProtocolFault::kTrustedForever},
      {"no takeover grace", ProtocolFault::kNoGrace},
      {"trust without news", ProtocolFault::kNewsIgnored},
      {"news not told", ProtocolFault::kNewsUntold},
      {"takeovers not written", ProtocolFault::kTakeoverNotWritten},
      {"one node's miss taken for absence", ProtocolFault::kFirstMissIsAbsence},
      {"laggards not repaired", ProtocolFault::kLaggardsStay},
      {"a loss that has nobody else asked", ProtocolFault::kLossAsksNobody, nullptr, HasNodesBehind},
      {"branches left out", ProtocolFault::kBranchesLeftOut},
      {"marks ignored", ProtocolFault::kMarksIgnored},
      {"forgotten writes claimed", ProtocolFault::kForgottenWritesKnown},
  };
  for (const Mutant& mutant : kMutants) {
    DYNAMIC_SECTION(mutant.name) { MustBeCaught(mutant); }
  }
}

TEST_CASE("A fault in writing or destroying is caught by the simulation", "[mutants]") {
  static constexpr Mutant kMutants[] = {
      {"branches overwritten silently", ProtocolFault::kSilentOverwrite},
      {"numbers in place of contexts", ProtocolFault::kVersionsAlone},
      {"no answer taken for an acknowledgement", ProtocolFault::kUnansweredCounts},
      {"unreplicated entries forgotten", ProtocolFault::kUnreplicatedForgotten},
      {"a write that met a takeover dropped", ProtocolFault::kLostOwnershipForgets},
      {"no turns without a lock", ProtocolFault::kNoTurns},
      {"unchanged sessions never refreshed", ProtocolFault::kNeverRefreshed},
      {"no tombstone", ProtocolFault::kNoTombstone},
      {"tombstones on the copies alone", ProtocolFault::kTombstoneOnCopies},
      {"tombstones as branches", ProtocolFault::kTombstoneIsBranch},
      {"lives ignored", ProtocolFault::kLivesIgnored},
      {"no compare and swap", ProtocolFault::kNone, WriteUnconditionally},
      {"tokens kept over a node's restart", ProtocolFault::kNone, KeepTokensOverRestarts},
  };
  for (const Mutant& mutant : kMutants) {
    DYNAMIC_SECTION(mutant.name) { MustBeCaught(mutant); }
  }
}

TEST_CASE("A fault that needs several sessions or more kinds of loss is caught by wide histories", "[mutants]") {
  static constexpr Mutant kMutants[] = {
      {"leftovers kept", ProtocolFault::kLeftoversStay},
      {"tombstones not repaired", ProtocolFault::kTombstonesLeft},
      {"what no server holds left lost", ProtocolFault::kNothingRefilled},
      {"repair unconditional", ProtocolFault::kRepairUnconditional},
      {"replaced sessions ended before their successor is written", ProtocolFault::kReplacedTooEarly},
  };
  for (const Mutant& mutant : kMutants) {
    DYNAMIC_SECTION(mutant.name) { MustBeCaughtWidely(mutant); }
  }
}

#endif
