// Is the simulation able to see anything? Each fault of the protocol is put in once, and an oracle must notice within
// ten thousand histories. Layer: tests.
#include <catch2/catch.hpp>
#include <iostream>

#include "src/base/protocol_fault.h"
#include "tests/simulation/history.h"

using namespace clustered_session;

#ifndef __SANITIZE_ADDRESS__  // which makes it slow, and finds nothing more in it

namespace {

constexpr uint64_t kHistoriesMax = 10'000;

struct Mutant {
  const char* name;
  ProtocolFault fault = ProtocolFault::kNone;
  History::Adjust adjust = nullptr;
};

void WriteUnconditionally(World* world) {
  for (int node = 0; node < world->nodes(); ++node) world->node(node).set_unconditional(true);
}

void KeepTokensOverRestarts(World* world) {
  for (int node = 0; node < world->nodes(); ++node) world->node(node).set_keeps_incarnation(true);
}

void MustBeCaught(const Mutant& mutant) {
  protocol_fault = mutant.fault;
  std::string violation;
  uint64_t seed = 0;
  while (violation.empty() && seed < kHistoriesMax) violation = History(seed++, mutant.adjust).Run();
  protocol_fault = ProtocolFault::kNone;
  std::cout << mutant.name << ": seed " << seed - 1 << ": " << violation << std::endl;
  CHECK(!violation.empty());
}

}  // namespace

TEST_CASE("A fault in reading is caught by the simulation", "[mutants]") {
  static constexpr Mutant kMutants[] = {
      {"no look at the cookie", ProtocolFault::kCookieUnchecked},
      {"no look at the cookie's epoch", ProtocolFault::kEpochUnchecked},
      {"no validation after local_trust", ProtocolFault::kTrustedForever},
      {"no takeover grace", ProtocolFault::kNoGrace},
      {"takeovers not written", ProtocolFault::kTakeoverNotWritten},
      {"one node's miss taken for absence", ProtocolFault::kFirstMissIsAbsence},
      {"laggards not repaired", ProtocolFault::kLaggardsStay},
      {"branches left out", ProtocolFault::kBranchesLeftOut},
      {"the usual name after a loss", ProtocolFault::kActorKept},
  };
  for (const Mutant& mutant : kMutants) {
    DYNAMIC_SECTION(mutant.name) { MustBeCaught(mutant); }
  }
}

TEST_CASE("A fault in writing or destroying is caught by the simulation", "[mutants]") {
  static constexpr Mutant kMutants[] = {
      {"branches overwritten silently", ProtocolFault::kSilentOverwrite},
      {"versions in place of vectors", ProtocolFault::kVersionsAlone},
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

#endif
