// CausalContext: the writes that a record was made from, so that of two records the older one can be told from a
// branch that has to be merged. Layer: record. Pure; value type.
//
// A write is a dot: the actor that made it, and a number that this actor uses once. A server is one actor from its
// start to its stop, and takes numbers for all of its sessions from one counter. So the writes of one session are some
// of the numbers of an actor. The context keeps intervals: every write of this session whose number is in [from, to] is
// in it. An actor that has lost its copy of a session does not know its last writes, and begins a new interval. This is
// a dotted version vector (Preguica et al., 2010) with intervals in place of single dots.
//
// When the intervals are used up, the one that grew longest ago goes. Its writes count as unknown from then on: a
// record that comes back from that time looks like a branch. It is merged, never overwritten.
#ifndef CLUSTERED_SESSION_RECORD_CAUSAL_CONTEXT_H_
#define CLUSTERED_SESSION_RECORD_CAUSAL_CONTEXT_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace clustered_session {

// One write.
struct Dot {
  uint32_t actor = 0;   // 0 = no write
  uint64_t number = 0;  // below 2^48; an actor's later writes have higher ones

  bool known() const { return actor != 0; }
  friend bool operator==(const Dot&, const Dot&) = default;
};

class CausalContext {
 public:
  CausalContext() = default;
  CausalContext(const CausalContext& other) { *this = other; }
  CausalContext& operator=(const CausalContext& other) {  // most are far from full
    size_ = other.size_;
    std::copy_n(other.intervals_.begin(), size_, intervals_.begin());
    return *this;
  }

  static constexpr size_t kIntervalsMax = 32;
  static constexpr size_t kIntervalBytes = 16;  // as stored: actor (4), from (6), to (6), little-endian

  // Adds the write. `since`: its actor has written nothing else to this session from this number on that is not in
  // here. False: an interval had to go. REQUIRES: dot.known() and since <= dot.number
  bool Add(const Dot& dot, uint64_t since);

  // Makes this contain all that `other` does. False: an interval had to go.
  bool Absorb(const CausalContext& other);

  // Whether the write is in here; a write that is none is in every context.
  bool Contains(const Dot& dot) const;

  size_t size() const { return size_; }
  size_t stored_size() const { return size_ * kIntervalBytes; }
  void Store(char* to) const;  // stored_size() bytes
  // False if these are no intervals. `from` has count * kIntervalBytes bytes.
  bool Load(const char* from, size_t count);

  friend bool operator==(const CausalContext& a, const CausalContext& b);

 private:
  struct Interval {
    uint32_t actor;
    uint64_t from;
    uint64_t to;
    friend bool operator==(const Interval&, const Interval&) = default;
  };

  bool Insert(Interval interval);

  size_t size_ = 0;
  std::array<Interval, kIntervalsMax> intervals_;  // the first size_ are in use; the one that grew last comes first
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_CAUSAL_CONTEXT_H_
