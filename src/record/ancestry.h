// Ancestry: where a record, or a server's copy, comes from, and how two of them stand to each other. Layer: record.
// Pure; value type.
#ifndef CLUSTERED_SESSION_RECORD_ANCESTRY_H_
#define CLUSTERED_SESSION_RECORD_ANCESTRY_H_

#include <cstdint>

#include "src/record/causal_context.h"
#include "src/record/life_set.h"

namespace clustered_session {

struct Ancestry {
  Dot dot;                      // the write that made it; none: nothing was ever written, or it is a tombstone
  CausalContext context;        // the writes that it was made from, its own included
  LifeSet lives;                // to which it belongs: one, or several that were merged; none in a tombstone
  LifeSet ended;                // lives of this ID that were destroyed
  uint32_t lifetime_max_s = 0;  // the longest lifetime with which any of this was written
  uint64_t fingerprint = 0;     // of the record that is exactly this; 0 = there is none
  bool tombstone = false;

  // Takes over all that `other` knows. `other` and this are branches, or `other` is past. False: there was no room to
  // keep all, so that some record of the past will look like a branch.
  bool Absorb(const Ancestry& other);

  // With which lifetime records of lives that have ended may still be kept by nodes, in seconds; 0: none has ended.
  uint32_t LifetimeOfEnded() const { return ended.empty() ? 0 : lifetime_max_s; }

  // Lives of `record` that nobody has named as ended, although its session has: a session that was merged of several
  // lives ends as a whole. None, if its session has not ended as far as this knows.
  LifeSet EndedBeside(const Ancestry& record) const;

  // A tombstone that ends what this is, and whatever this knows to have ended.
  Ancestry End() const;
};

// The mark (cluster/node.h) of the item that holds the record with this fingerprint. Two records of a session share one
// by chance in 1 of 4 billion cases.
constexpr uint32_t MarkOf(uint64_t fingerprint) {
  const auto mark = static_cast<uint32_t>(fingerprint);
  return mark != 0 ? mark : 1;  // 0 is none
}

// How a record stands to what is known: the same, part of its past, made from it, or neither. Of two branches the
// payloads are to be merged; of a tombstone that is a branch only its `ended` is.
enum class Lineage : uint8_t { kSame, kAncestor, kDescendant, kBranch };
Lineage LineageOf(const Ancestry& record, const Ancestry& known);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_ANCESTRY_H_
