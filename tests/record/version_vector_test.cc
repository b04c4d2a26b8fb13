// Version vectors: what covers what, also when there are more writers than slots. Layer: tests.
#include "src/record/version_vector.h"

#include <catch2/catch.hpp>

using namespace clustered_session;

namespace {

VersionVector Made(std::initializer_list<std::pair<uint32_t, uint64_t>> writes) {
  VersionVector vector;
  for (const auto& [actor, version] : writes) vector.Advance(actor, version);
  return vector;
}

}  // namespace

TEST_CASE("A vector covers its past and not what it has not seen", "[record]") {
  const VersionVector base = Made({{1, 1}, {2, 2}});
  CHECK(base.Covers(VersionVector()));
  CHECK_FALSE(VersionVector().Covers(base));
  CHECK(base.Covers(base));
  CHECK(Made({{1, 1}, {2, 2}, {1, 3}}).Covers(base));
  CHECK_FALSE(base.Covers(Made({{1, 1}, {2, 2}, {1, 3}})));
  CHECK_FALSE(Made({{1, 1}, {3, 2}}).Covers(base));
}

TEST_CASE("A merge covers both of its parents", "[record]") {
  const VersionVector mine = Made({{1, 1}, {2, 5}});
  const VersionVector theirs = Made({{1, 3}, {4, 2}});
  VersionVector merged = mine;
  merged.Absorb(theirs);
  CHECK(merged.Covers(mine));
  CHECK(merged.Covers(theirs));
  CHECK_FALSE(mine.Covers(theirs));
}

TEST_CASE("With more writers than slots the latest are kept, and older writes count as known", "[record]") {
  VersionVector vector;
  for (uint32_t i = 1; i <= 3 * VersionVector::kSlots; ++i) vector.Advance(i, i);
  CHECK(vector.Covers(Made({{1, 1}})));
  CHECK(vector.Covers(Made({{3 * VersionVector::kSlots, 3 * VersionVector::kSlots}})));
  CHECK_FALSE(vector.Covers(Made({{99, 3 * VersionVector::kSlots}})));
  // But not those of a writer who was never there.
  VersionVector few;
  for (uint32_t i = 1; i <= VersionVector::kSlots + 1; ++i) few.Advance(i, i);
  CHECK(few.Covers(Made({{1, 1}})));
  CHECK_FALSE(few.Covers(Made({{99, 1}})));
  VersionVector merged = few;
  merged.Absorb(Made({{99, 1}}));
  CHECK(merged.Covers(Made({{99, 1}})));
  CHECK(merged.Covers(few));
  // Unless it has to be sure.
  CHECK_FALSE(vector.SurelyCovers(Made({{1, 1}})));
  CHECK(vector.SurelyCovers(Made({{3 * VersionVector::kSlots, 3 * VersionVector::kSlots}})));
  CHECK(vector.SurelyCovers(vector));
}

TEST_CASE("Who has never seen the write of a dropped writer does not cover what was made from it", "[record]") {
  VersionVector theirs;
  for (uint32_t i = 1; i <= VersionVector::kSlots; ++i) theirs.Advance(i, 10 + i);
  VersionVector merged = theirs;
  merged.Absorb(Made({{99, 1}}));
  REQUIRE(merged.Covers(theirs));
  CHECK_FALSE(theirs.Covers(merged));
  CHECK_FALSE(theirs.SurelyCovers(merged));
  // It may have dropped it too, or hold it in a slot.
  VersionVector other = merged;
  other.Advance(1, 100);
  CHECK(other.Covers(merged));
  CHECK_FALSE(other.SurelyCovers(merged));
  CHECK(merged.SurelyCovers(merged));
  VersionVector in_slot = Made({{99, 1}});
  for (uint32_t i = 2; i <= VersionVector::kSlots; ++i) in_slot.Advance(i, 10 + i);
  VersionVector dropped = in_slot;
  dropped.Advance(100, 50);
  CHECK_FALSE(in_slot.Covers(dropped));
}

TEST_CASE("Who takes in what has dropped writers knows that it has", "[record]") {
  VersionVector theirs;
  for (uint32_t i = 1; i <= VersionVector::kSlots + 4; ++i) theirs.Advance(i, i);
  VersionVector mine = GENERATE(VersionVector(), Made({{50, 100}}), Made({{1, 1}, {50, 100}}));
  CHECK_FALSE(mine.Covers(theirs));
  mine.Absorb(theirs);
  CHECK(mine.Covers(theirs));
  // And nobody who has not taken it in covers what was made from it.
  VersionVector later = mine;
  later.Advance(50, 101);
  VersionVector others;
  for (uint32_t i = 1; i <= VersionVector::kSlots; ++i) others.Advance(100 + i, 1000 + i);
  CHECK_FALSE(others.Covers(later));
  CHECK_FALSE(others.Covers(mine));
}

TEST_CASE("A vector is stored and loaded as it was", "[record]") {
  const VersionVector vector = Made({{0xffffffff, 1}, {7, 0xfffffffe}});
  char bytes[VersionVector::kBytes];
  vector.Store(bytes);
  CHECK(VersionVector::Load(bytes) == vector);
}
