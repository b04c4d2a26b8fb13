// Ancestry: what was made from what. Layer: record.
#include "src/record/ancestry.h"

#include <algorithm>

#include "src/base/protocol_fault.h"

namespace clustered_session {
namespace {

Lineage OneWay(bool ancestor, bool descendant) {
  if (ancestor == descendant) return Lineage::kBranch;
  return ancestor ? Lineage::kAncestor : Lineage::kDescendant;
}

// Both are tombstones, or one is and does not end the other.
Lineage OfEnds(const Ancestry& record, const Ancestry& known) {
  const bool ancestor = record.tombstone && known.ended.Includes(record.ended);
  const bool descendant = known.tombstone && record.ended.Includes(known.ended);
  // Two tombstones of the same lives: any rule that all servers share will do.
  if (ancestor && descendant) return record.fingerprint < known.fingerprint ? Lineage::kAncestor : Lineage::kDescendant;
  return OneWay(ancestor, descendant);
}

}  // namespace

bool Ancestry::Absorb(const Ancestry& other) {
  bool all = context.Absorb(other.context);
  all &= lives.Absorb(other.lives);
  all &= ended.Absorb(other.ended);
  lifetime_max_s = std::max(lifetime_max_s, other.lifetime_max_s);
  return all;
}

Lineage LineageOf(const Ancestry& record, const Ancestry& known) {
  if (record.fingerprint != 0 && record.fingerprint == known.fingerprint) return Lineage::kSame;
  const bool record_ended = known.ended.Meets(record.lives) && !HasFault(ProtocolFault::kLivesIgnored);
  const bool known_ended = record.ended.Meets(known.lives) && !HasFault(ProtocolFault::kLivesIgnored);
  if (record_ended || known_ended) return OneWay(record_ended, known_ended);
  if (record.tombstone || known.tombstone) return OfEnds(record, known);
  // A write is known for good only with all that it was made from, so one dot tells.
  return OneWay(known.context.Contains(record.dot) && record.dot.known(), record.context.Contains(known.dot));
}

}  // namespace clustered_session
