// Ancestries: the same, past, successor or branch; lives and their ends. Layer: tests.
#include "src/record/ancestry.h"

#include <catch2/catch.hpp>
#include <utility>

using namespace clustered_session;

namespace {

constexpr uint32_t kFirstLife = 0x80000001;
constexpr uint32_t kSecondLife = 0x80000002;
uint64_t fingerprints = 1;

// The write `dot`, made from what `from` is.
Ancestry Write(Ancestry from, Dot dot) {
  from.dot = dot;
  from.context.Add(dot, dot.number);
  from.fingerprint = ++fingerprints;
  return from;
}

Ancestry Start(uint32_t life, Dot dot) {
  Ancestry start;
  start.lives.Add(life);
  return Write(start, dot);
}

Ancestry Tombstone(LifeSet ended) {
  Ancestry tombstone;
  tombstone.tombstone = true;
  tombstone.ended = ended;
  tombstone.fingerprint = ++fingerprints;
  return tombstone;
}

// Started under an ID whose end `tombstone` has told.
Ancestry StartAnew(const Ancestry& tombstone, uint32_t life, Dot dot) {
  Ancestry start;
  start.ended = tombstone.ended;
  start.lives.Add(life);
  return Write(start, dot);
}

}  // namespace

TEST_CASE("A record is told apart from what is known: the same, its past, its successor, or a branch", "[record]") {
  const Ancestry base = Start(kFirstLife, {1, 1});
  const Ancestry mine = Write(base, {1, 2});
  const Ancestry theirs = Write(base, {2, 1});
  CHECK(LineageOf(mine, mine) == Lineage::kSame);
  CHECK(LineageOf(base, mine) == Lineage::kAncestor);
  CHECK(LineageOf(mine, base) == Lineage::kDescendant);
  CHECK(LineageOf(mine, theirs) == Lineage::kBranch);
  CHECK(LineageOf(mine, Ancestry()) == Lineage::kDescendant);
  Ancestry both = mine;
  CHECK(both.Absorb(theirs));
  const Ancestry merged = Write(both, {1, 3});
  CHECK(LineageOf(theirs, merged) == Lineage::kAncestor);
  CHECK(LineageOf(mine, merged) == Lineage::kAncestor);
  CHECK(LineageOf(merged, theirs) == Lineage::kDescendant);
}

TEST_CASE("A writer that has forgotten its last write does not cover it", "[record]") {
  const Ancestry base = Start(kFirstLife, {1, 10});
  const Ancestry forgotten = Write(base, {1, 20});
  const Ancestry again = Write(base, {1, 30});  // by the same server, which knows of 10 only
  CHECK(LineageOf(forgotten, again) == Lineage::kBranch);
  CHECK(LineageOf(again, forgotten) == Lineage::kBranch);
}

TEST_CASE("A record of a time that is dropped looks like a branch, never like the past", "[record]") {
  const Ancestry old = Start(kFirstLife, {1, 1});
  Ancestry now = old;
  for (uint32_t actor = 2; actor < 2 + CausalContext::kIntervalsMax; ++actor) now = Write(now, {actor, 1});
  CHECK(LineageOf(old, now) == Lineage::kBranch);
}

TEST_CASE("A tombstone ends the lives that it names, whoever wrote what of them when", "[record]") {
  const Ancestry session = Start(kFirstLife, {1, 1});
  const Ancestry late = Write(session, {2, 1000});
  const Ancestry tombstone = Tombstone(LifeSet(kFirstLife));
  CHECK(LineageOf(session, tombstone) == Lineage::kAncestor);
  CHECK(LineageOf(late, tombstone) == Lineage::kAncestor);
  CHECK(LineageOf(tombstone, late) == Lineage::kDescendant);
  const Ancestry anew = StartAnew(tombstone, kSecondLife, {3, 1});
  CHECK(LineageOf(anew, tombstone) == Lineage::kDescendant);
  CHECK(LineageOf(tombstone, anew) == Lineage::kAncestor);
  CHECK(LineageOf(late, anew) == Lineage::kAncestor);
  CHECK(LineageOf(anew, late) == Lineage::kDescendant);
}

TEST_CASE("A tombstone says nothing about a life that it does not name", "[record]") {
  const Ancestry tombstone = Tombstone(LifeSet(kFirstLife));
  const Ancestry unaware = Start(kSecondLife, {3, 1});  // where the end of the first life could not be seen
  CHECK(LineageOf(unaware, tombstone) == Lineage::kBranch);
  CHECK(LineageOf(tombstone, unaware) == Lineage::kBranch);
  Ancestry told = unaware;
  CHECK(told.Absorb(tombstone));
  CHECK(LineageOf(tombstone, Write(told, {3, 2})) == Lineage::kAncestor);
  CHECK(LineageOf(Start(kFirstLife, {1, 1}), told) == Lineage::kAncestor);
}

TEST_CASE("Two lives that were merged end with either of them", "[record]") {
  Ancestry merged = Start(kFirstLife, {1, 1});
  merged.Absorb(Start(kSecondLife, {2, 1}));
  merged = Write(merged, {1, 2});
  CHECK(LineageOf(merged, Tombstone(LifeSet(kFirstLife))) == Lineage::kAncestor);
  CHECK(LineageOf(merged, Tombstone(LifeSet(kSecondLife))) == Lineage::kAncestor);
  CHECK(LineageOf(Tombstone(LifeSet(kSecondLife)), merged) == Lineage::kDescendant);
}

TEST_CASE("Of two tombstones the one that names more stands, and others are joined", "[record]") {
  LifeSet both(kFirstLife);
  both.Add(kSecondLife);
  const Ancestry one = Tombstone(LifeSet(kFirstLife));
  const Ancestry other = Tombstone(LifeSet(kSecondLife));
  const Ancestry all = Tombstone(both);
  CHECK(LineageOf(one, all) == Lineage::kAncestor);
  CHECK(LineageOf(all, one) == Lineage::kDescendant);
  CHECK(LineageOf(one, other) == Lineage::kBranch);
  const Ancestry twin = Tombstone(LifeSet(kFirstLife));
  CHECK(LineageOf(twin, one) == Lineage::kSame);
  Ancestry longer = twin;
  longer.lifetime_max_s = 1;
  longer.fingerprint = ++fingerprints;
  CHECK(LineageOf(twin, longer) == Lineage::kAncestor);
  CHECK(LineageOf(longer, twin) == Lineage::kDescendant);
}

TEST_CASE("An end names what had ended before, and lasts as long", "[record]") {
  Ancestry session = StartAnew(Tombstone(LifeSet(kFirstLife)), kSecondLife, {1, 2});
  session.lifetime_max_s = 1440;
  const Ancestry end = session.End();
  CHECK(end.tombstone);
  CHECK(end.lives.empty());
  CHECK(end.ended.Contains(kFirstLife));
  CHECK(end.ended.Contains(kSecondLife));
  CHECK(end.lifetime_max_s == 1440);
}

TEST_CASE("Of what is merged all lives and ends are known, and the longest lifetime", "[record]") {
  Ancestry mine = Start(kFirstLife, {1, 1});
  mine.lifetime_max_s = 60;
  Ancestry theirs = StartAnew(Tombstone(LifeSet(7)), kSecondLife, {2, 1});
  theirs.lifetime_max_s = 1440;
  for (const auto& [to, from] : {std::pair{mine, theirs}, std::pair{theirs, mine}}) {
    Ancestry both = to;
    CHECK(both.Absorb(from));
    CHECK(both.lives.Contains(kFirstLife));
    CHECK(both.lives.Contains(kSecondLife));
    CHECK(both.ended.Contains(7));
    CHECK(both.lifetime_max_s == 1440);
  }
}
TEST_CASE("A set of lives forgets the oldest, and says so", "[record]") {
  LifeSet lives;
  for (uint32_t life = 1; life <= LifeSet::kMax; ++life) CHECK(lives.Add(life));
  CHECK(lives.Add(3));
  CHECK_FALSE(lives.Add(LifeSet::kMax + 1));
  CHECK_FALSE(lives.Contains(1));
  CHECK(lives.Contains(2));
  CHECK(lives.size() == LifeSet::kMax);
}

TEST_CASE("Of two full sets of lives the latest of both stay, whichever takes over the other", "[record]") {
  LifeSet mine;
  LifeSet theirs;
  for (uint32_t life = 1; life <= LifeSet::kMax; ++life) {
    mine.Add(100 + life);
    theirs.Add(200 + life);
  }
  const uint32_t last = LifeSet::kMax;
  for (const bool mine_first : {true, false}) {
    LifeSet both = mine_first ? mine : theirs;
    CHECK_FALSE(both.Absorb(mine_first ? theirs : mine));
    CHECK(both.size() == LifeSet::kMax);
    for (uint32_t back = 0; back < LifeSet::kMax / 2; ++back) {
      CHECK(both.Contains(100 + last - back));
      CHECK(both.Contains(200 + last - back));
    }
    // The latest ones are the last to go, whatever is met next.
    LifeSet old;
    for (uint32_t life = 1; life <= LifeSet::kMax; ++life) old.Add(life);
    CHECK_FALSE(both.Absorb(old));
    CHECK(both.Contains(100 + last));
    CHECK(both.Contains(200 + last));
  }
}

TEST_CASE("What a full set of lives has already is no reason to drop another one", "[record]") {
  LifeSet lives;
  for (uint32_t life = 1; life <= LifeSet::kMax; ++life) lives.Add(life);
  LifeSet some(3);
  some.Add(1);
  const LifeSet before = lives;
  CHECK(lives.Absorb(some));
  CHECK(lives == before);
}

TEST_CASE("An end names all lives of what it ends, however many ended before", "[record]") {
  Ancestry session;
  for (uint32_t life = 1; life <= LifeSet::kMax; ++life) session.ended.Add(life);
  session.lives.Add(100);
  session.lives.Add(101);
  const Ancestry end = session.End();
  CHECK(end.ended.Contains(100));
  CHECK(end.ended.Contains(101));
}
