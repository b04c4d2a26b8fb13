// CausalContext: intervals of writes. Layer: record.
#include "src/record/causal_context.h"

#include <algorithm>

#include "src/base/bytes.h"

namespace clustered_session {
namespace {

constexpr size_t kNumberBytes = 6;

void StoreNumber(char* to, uint64_t number) {
  StoreLittleEndian<uint32_t>(to, static_cast<uint32_t>(number));
  StoreLittleEndian<uint16_t>(to + 4, static_cast<uint16_t>(number >> 32));
}

uint64_t LoadNumber(const char* from) {
  return LoadLittleEndian<uint32_t>(from) | static_cast<uint64_t>(LoadLittleEndian<uint16_t>(from + 4)) << 32;
}

}  // namespace

// Puts the interval first, joined with those of its actor that it touches.
bool CausalContext::Insert(Interval interval) {
  size_t kept = 0;
  for (size_t i = 0; i < size_; ++i) {
    const Interval& other = intervals_[i];
    if (other.actor == interval.actor && other.from <= interval.to + 1 && interval.from <= other.to + 1) {
      interval.from = std::min(interval.from, other.from);
      interval.to = std::max(interval.to, other.to);
    } else {
      intervals_[kept++] = other;
    }
  }
  const bool fits = kept < kIntervalsMax;
  size_ = fits ? kept + 1 : kIntervalsMax;
  std::move_backward(intervals_.begin(), intervals_.begin() + static_cast<ptrdiff_t>(size_ - 1),
                     intervals_.begin() + static_cast<ptrdiff_t>(size_));
  intervals_[0] = interval;
  return fits;
}

bool CausalContext::Add(const Dot& dot, uint64_t since) { return Insert({dot.actor, since, dot.number}); }

bool CausalContext::Absorb(const CausalContext& other) {
  const CausalContext mine = *this;
  bool all = true;
  // What is inserted last comes first: mine, in the order it had.
  for (size_t i = other.size_; i > 0; --i) all &= Insert(other.intervals_[i - 1]);
  for (size_t i = mine.size_; i > 0; --i) all &= Insert(mine.intervals_[i - 1]);
  return all;
}

bool CausalContext::Contains(const Dot& dot) const {
  return !dot.known() ||
         std::any_of(intervals_.begin(), intervals_.begin() + static_cast<ptrdiff_t>(size_),
                     [&](const Interval& interval) {
                       return interval.actor == dot.actor && interval.from <= dot.number && dot.number <= interval.to;
                     });
}

void CausalContext::Store(char* to) const {
  for (size_t i = 0; i < size_; ++i, to += kIntervalBytes) {
    StoreLittleEndian<uint32_t>(to, intervals_[i].actor);
    StoreNumber(to + 4, intervals_[i].from);
    StoreNumber(to + 4 + kNumberBytes, intervals_[i].to);
  }
}

bool CausalContext::Load(const char* from, size_t count) {
  if (count > kIntervalsMax) return false;
  size_ = count;
  for (size_t i = 0; i < size_; ++i, from += kIntervalBytes) {
    intervals_[i] = {LoadLittleEndian<uint32_t>(from), LoadNumber(from + 4), LoadNumber(from + 4 + kNumberBytes)};
    if (intervals_[i].actor == 0 || intervals_[i].from > intervals_[i].to) return false;
  }
  return true;
}

bool operator==(const CausalContext& a, const CausalContext& b) {
  return std::equal(a.intervals_.begin(), a.intervals_.begin() + static_cast<ptrdiff_t>(a.size_), b.intervals_.begin(),
                    b.intervals_.begin() + static_cast<ptrdiff_t>(b.size_));
}

}  // namespace clustered_session
