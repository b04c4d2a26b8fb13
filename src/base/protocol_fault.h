// Faults of the protocol: what it would be without one of its rules. The simulation's tests put in one at a time, and
// its oracles must notice. Layer: base. Compiled to nothing unless CLUSTERED_SESSION_FAULT_POINTS is defined, for the
// core and its tests alike.
#ifndef CLUSTERED_SESSION_BASE_PROTOCOL_FAULT_H_
#define CLUSTERED_SESSION_BASE_PROTOCOL_FAULT_H_

#include <cstdint>

namespace clustered_session {

enum class ProtocolFault : uint8_t {
  kNone,
  // Reading.
  kCookieUnchecked,       // a local copy is trusted whatever cookie the client shows
  kEpochUnchecked,        // a cookie with this server's name will do
  kTrustedForever,        // a local copy is not validated when local_trust is over
  kNoGrace,               // nor within the takeover grace
  kTakeoverNotWritten,    // a takeover that changes nothing is told to no node
  kFirstMissIsAbsence,    // what the first node does not have is nowhere
  kLaggardsStay,          // nodes that have lost something are left alone
  kLossAsksNobody,        // where one of the nodes that are asked has lost something, the rest is not asked
  kBranchesLeftOut,       // of several branches that are met by a read, one stays
  kMarksIgnored,          // what a node does not show is taken for what another one has shown
  kForgottenWritesKnown,  // a server that has lost its copy claims to know all that it has written
  kNewsIgnored,           // a local copy is trusted whatever news say
  // Writing.
  kNewsUntold,             // takeovers and destructions are told to nobody
  kSilentOverwrite,        // a branch that is met by a write counts as past
  kVersionsAlone,          // of two records, the one whose write has the higher number was made from the other
  kUnansweredCounts,       // a node that did not answer counts as having acknowledged
  kUnreplicatedForgotten,  // what no node has acknowledged is nobody's to write, and may be evicted
  kLostOwnershipForgets,   // a write that met a takeover is dropped here, although no node took it
  kNoTurns,                // with lock=none, commits of one server do not start from what the one before has left
  kNeverRefreshed,         // unchanged sessions are never written again
  kLeftoversStay,          // what stand-ins hold stays there when the proper nodes work again
  kNothingRefilled,        // what no server holds is not brought to a node that has lost it
  kRepairUnconditional,    // what repair brings replaces whatever is there
  // Destroying.
  kNoTombstone,        // the records are erased, and nothing is put in their place
  kTombstoneOnCopies,  // a tombstone is written where the record would be, not everywhere
  kTombstoneIsBranch,  // a tombstone ends only what it was made from
  kReplacedTooEarly,   // a session whose successor is on no node yet is destroyed on the nodes
  kTombstonesLeft,     // repair brings no tombstones to nodes that lack them
  kLivesIgnored,       // a session that is started anew is one with that before
};

#ifdef CLUSTERED_SESSION_FAULT_POINTS

inline ProtocolFault protocol_fault = ProtocolFault::kNone;  // set while one thread runs

inline bool HasFault(ProtocolFault fault) { return protocol_fault == fault; }

#else

constexpr bool HasFault(ProtocolFault) { return false; }

#endif

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_PROTOCOL_FAULT_H_
