// Histograms: how long things took and how large they were, in shared memory for all workers. Layer: base. Lock-free,
// relaxed: a worker killed in the middle loses at most a part of its own value. Zeroed = nothing was seen.
#ifndef CLUSTERED_SESSION_BASE_HISTOGRAM_H_
#define CLUSTERED_SESSION_BASE_HISTOGRAM_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

// Bucket i counts the values of at most 2^(kFirst + i) that are in no bucket before; the last one counts the rest.
template <uint32_t kFirst, uint32_t kBounds>
class Histogram {
 public:
  static constexpr uint32_t kBuckets = kBounds + 1;

  void Add(uint64_t value) {
    const auto bits = static_cast<uint32_t>(value <= 1 ? 0 : std::bit_width(value - 1));
    const uint32_t bucket = bits <= kFirst ? 0 : std::min(bits - kFirst, kBounds);
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  // The largest value of a bucket. REQUIRES: index < kBounds
  static constexpr uint64_t Bound(uint32_t index) { return uint64_t{1} << (kFirst + index); }
  uint64_t Count(uint32_t index) const { return buckets_[index].load(std::memory_order_relaxed); }
  uint64_t Sum() const { return sum_.load(std::memory_order_relaxed); }

  void Clear() {
    for (std::atomic<uint64_t>& bucket : buckets_) bucket.store(0, std::memory_order_relaxed);
    sum_.store(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> buckets_[kBuckets] = {};
  std::atomic<uint64_t> sum_{0};
};

// Microseconds: 64 us to 33 s.
using TimeHistogram = Histogram<6, 20>;
// Microseconds, of what has a timeout that is usually below a second: 64 us to 1 s.
using NodeTimeHistogram = Histogram<6, 15>;
// Bytes: 64 to 16 MiB.
using SizeHistogram = Histogram<6, 19>;

template <uint32_t kFirst, uint32_t kBounds>
void AddTime(Histogram<kFirst, kBounds>* histogram, Duration took) {
  const int64_t nanos = std::max<int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count(), 0);
  histogram->Add((static_cast<uint64_t>(nanos) + 999) / 1000);
}

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_BASE_HISTOGRAM_H_
