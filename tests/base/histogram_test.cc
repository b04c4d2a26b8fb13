// A histogram counts each value once, in the first bucket that is large enough for it.
#include "src/base/histogram.h"

#include <catch2/catch.hpp>

namespace clustered_session {
namespace {

using Small = Histogram<2, 3>;  // at most 4, 8, 16; the rest

TEST_CASE("A value is counted in the first bucket that is large enough", "[base][histogram]") {
  struct Row {
    uint64_t value;
    uint32_t bucket;
  };
  for (const Row row : {Row{0, 0}, Row{1, 0}, Row{4, 0}, Row{5, 1}, Row{8, 1}, Row{9, 2}, Row{16, 2}, Row{17, 3},
                        Row{uint64_t{1} << 63, 3}, Row{UINT64_MAX, 3}}) {
    INFO(row.value);
    Small histogram;
    histogram.Add(row.value);
    for (uint32_t i = 0; i < Small::kBuckets; ++i) CHECK(histogram.Count(i) == (i == row.bucket ? 1 : 0));
    CHECK(histogram.Sum() == row.value);
    histogram.Clear();
    CHECK(histogram.Count(row.bucket) + histogram.Sum() == 0);
  }
  CHECK(Small::Bound(0) == 4);
  CHECK(Small::Bound(2) == 16);
}

TEST_CASE("A time is rounded up to whole microseconds, so that no bucket claims less than it was",
          "[base][histogram]") {
  TimeHistogram histogram;
  AddTime(&histogram, std::chrono::nanoseconds(64'001));
  CHECK(histogram.Count(0) == 0);
  CHECK(histogram.Count(1) == 1);
  CHECK(histogram.Sum() == 65);
  AddTime(&histogram, std::chrono::seconds(-1));  // a clock that was set
  CHECK(histogram.Count(0) == 1);
  CHECK(histogram.Sum() == 65);
}

}  // namespace
}  // namespace clustered_session
