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
  if (!ancestor || !descendant) return OneWay(ancestor, descendant);
  // Two tombstones of the same lives: the one that has to be kept for longer stands.
  if (record.lifetime_max_s == known.lifetime_max_s) return Lineage::kSame;
  return record.lifetime_max_s < known.lifetime_max_s ? Lineage::kAncestor : Lineage::kDescendant;
}

}  // namespace

bool Ancestry::Absorb(const Ancestry& other) {
  bool all = context.Absorb(other.context);
  all &= lives.Absorb(other.lives);
  all &= ended.Absorb(other.ended);
  lifetime_max_s = std::max(lifetime_max_s, other.lifetime_max_s);
  return all;
}

LifeSet Ancestry::EndedBeside(const Ancestry& record) const {
  if (!ended.Meets(record.lives)) return {};
  return record.lives.Without(ended).Without(lives);
}

Ancestry Ancestry::End() const {
  Ancestry end;
  end.tombstone = true;
  end.ended = ended;
  end.ended.AddAll(lives);
  end.lifetime_max_s = lifetime_max_s;
  return end;
}

Lineage LineageOf(const Ancestry& record, const Ancestry& known) {
  if (record.fingerprint != 0 && record.fingerprint == known.fingerprint) return Lineage::kSame;
  const bool blind = HasFault(ProtocolFault::kLivesIgnored) ||
                     (HasFault(ProtocolFault::kTombstoneIsBranch) && record.tombstone != known.tombstone);
  const bool record_ended = !blind && known.ended.Meets(record.lives);
  const bool known_ended = !blind && record.ended.Meets(known.lives);
  // Each ends the other only in records that contradict themselves: any rule that all servers share will do.
  if (record_ended && known_ended) {
    return record.fingerprint < known.fingerprint ? Lineage::kAncestor : Lineage::kDescendant;
  }
  if (record_ended || known_ended) return OneWay(record_ended, known_ended);
  if (record.tombstone || known.tombstone) return OfEnds(record, known);
  if (HasFault(ProtocolFault::kVersionsAlone)) {
    return record.dot.number <= known.dot.number ? Lineage::kAncestor : Lineage::kDescendant;
  }
  // A write is known for good only with all that it was made from, so one dot tells.
  return OneWay(known.context.Contains(record.dot) && record.dot.known(), record.context.Contains(known.dot));
}

}  // namespace clustered_session
