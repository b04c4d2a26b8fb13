// Fuzz target: splitting and merging of payloads, beside a merge over maps. See tests/fuzz/targets.h.
#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>

#include "src/record/merge.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

using namespace std::string_view_literals;
using Map = std::map<std::string, std::string, std::less<>>;
using Fields = std::vector<PayloadField>;

struct Sides {
  std::string base, mine, theirs;
};

// The bytes between 0xfe, as they are.
Sides RawSides(std::string_view input) {
  std::array<std::string, 3> sides;
  for (std::string& side : sides) {
    const size_t end = std::min(input.find('\xfe'), input.size());
    side = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return {sides[0], sides[1], sides[2]};
}

// Three valid payloads: each byte says on which sides a key is, the next one with which values.
Sides ScriptedSides(PayloadFormat format, std::string_view script) {
  static constexpr std::string_view kValues[] = {"N;",
                                                 "b:1;",
                                                 "i:-7;",
                                                 "d:1.5E-7;",
                                                 "s:13:\"a|i:1;\";r:1;}\";",
                                                 "a:2:{i:0;a:0:{}s:1:\"k\";N;}",
                                                 "O:1:\"P\":1:{s:4:\"\0P\0c\";i:1;}"sv,
                                                 "E:11:\"Suit:Hearts\";"};
  std::array<Fields, 3> sides;
  std::vector<std::string> keys;
  keys.reserve(script.size() / 2);
  for (size_t i = 0; i + 1 < script.size(); i += 2) {
    const auto where = static_cast<unsigned char>(script[i]);
    const auto what = static_cast<unsigned char>(script[i + 1]);
    keys.push_back((where & 0x80) != 0 ? std::to_string(i) : "!k\"" + std::to_string(i));
    for (unsigned side = 0; side < 3; side++) {
      if ((where >> side & 1) == 0) continue;
      // From the front or the back, so that the sides differ in their order too.
      Fields& fields = sides[side];
      const auto at = (where >> (3 + side) & 1) != 0 ? fields.begin() : fields.end();
      fields.insert(at, {keys.back(), kValues[(what >> (2 * side) & 3) * 2 + (what >> 7)]});
    }
  }
  return {JoinPayload(format, sides[0]), JoinPayload(format, sides[1]), JoinPayload(format, sides[2])};
}

Map ToMap(const Fields& fields) {
  Map map;
  for (const PayloadField& field : fields) map.emplace(field.key, field.value);
  return map;
}

std::optional<std::string> Get(const Map& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

// The rule in its plainest form.
Map MergeMaps(const Map& base, const Map& mine, const Map& theirs, uint32_t* collisions) {
  Map keys = base;
  keys.insert(mine.begin(), mine.end());
  keys.insert(theirs.begin(), theirs.end());
  Map merged;
  for (const auto& [key, unused] : keys) {
    const auto b = Get(base, key);
    const auto m = Get(mine, key);
    const auto t = Get(theirs, key);
    const bool i_changed = b != m;
    const bool they_changed = b != t;
    if (i_changed && they_changed && m != t) (*collisions)++;
    const auto winner = they_changed && !i_changed ? t : m;
    if (winner) merged.emplace(key, *winner);
  }
  return merged;
}

// Fields cover the payload from its first to its last byte.
FuzzFinding CheckSplit(PayloadFormat format, std::string_view payload, bool must_be_valid) {
  const auto fields = SplitPayload(format, payload);
  if (!fields.ok()) {
    FUZZ_CHECK(!must_be_valid);
    FUZZ_CHECK(fields.error().code() == ErrorCode::kCorrupt || fields.error().code() == ErrorCode::kUnsupported);
    return {};
  }
  FUZZ_CHECK(ToMap(*fields).size() == fields->size());
  FUZZ_CHECK(payload.empty() || JoinPayload(format, *fields) == payload);
  return {};
}

// Mine's keys in mine's order, then the others in theirs.
bool InOrder(const Fields& merged, const Fields& mine, const Fields& theirs) {
  Fields wanted = mine;
  const Map my_map = ToMap(mine);
  std::copy_if(theirs.begin(), theirs.end(), std::back_inserter(wanted),
               [&](const PayloadField& field) { return my_map.find(field.key) == my_map.end(); });
  auto at = wanted.begin();
  for (const PayloadField& field : merged) {
    at = std::find_if(at, wanted.end(), [&](const PayloadField& candidate) { return candidate.key == field.key; });
    if (at == wanted.end()) return false;
    ++at;
  }
  return true;
}

FuzzFinding CheckMerge(PayloadFormat format, const Sides& sides) {
  const auto outcome = MergePayloads(format, sides.base, sides.mine, sides.theirs);
  const auto base = SplitPayload(format, sides.base);
  const auto mine = SplitPayload(format, sides.mine);
  const auto theirs = SplitPayload(format, sides.theirs);
  if (!base.ok() || !mine.ok() || !theirs.ok()) {
    FUZZ_CHECK(!outcome.ok() || outcome->payload == sides.mine || outcome->payload == sides.theirs);
    return {};
  }
  FUZZ_CHECK(outcome.ok());
  const auto merged = SplitPayload(format, outcome->payload);
  FUZZ_CHECK(merged.ok());
  uint32_t collisions = 0;
  FUZZ_CHECK(ToMap(*merged) == MergeMaps(ToMap(*base), ToMap(*mine), ToMap(*theirs), &collisions));
  FUZZ_CHECK(outcome->collisions == collisions);
  FUZZ_CHECK(sides.base == sides.mine || InOrder(*merged, *mine, *theirs));

  // One more key on a side that is else the base: the other side comes out with that key, and in its own order.
  constexpr std::string_view kAnother = "another key";
  if (Get(ToMap(*base), std::string(kAnother)) || Get(ToMap(*mine), std::string(kAnother))) return {};
  Fields added = *base;
  added.push_back({kAnother, "N;"});
  Fields wanted = *mine;
  wanted.push_back(added.back());
  const auto plus = MergePayloads(format, sides.base, sides.mine, JoinPayload(format, added));
  FUZZ_CHECK(plus.ok());
  FUZZ_CHECK(plus->collisions == 0);
  FUZZ_CHECK(sides.base == sides.mine || plus->payload == JoinPayload(format, wanted));
  return {};
}

}  // namespace

FuzzFinding FuzzMerge(std::string_view input) {
  if (input.empty()) return {};
  const auto choice = static_cast<unsigned char>(input[0]);
  const auto format = static_cast<PayloadFormat>(choice & 3);
  const bool scripted = (choice & 4) != 0 && format != PayloadFormat::kOpaque;
  input.remove_prefix(1);
  const Sides sides = scripted ? ScriptedSides(format, input) : RawSides(input);
  for (const std::string& side : {sides.base, sides.mine, sides.theirs}) {
    if (FuzzFinding finding = CheckSplit(format, side, scripted); !finding.empty()) return finding;
  }
  for (const Sides& plain : {Sides{sides.base, sides.mine, sides.base}, Sides{sides.base, sides.base, sides.mine}}) {
    const auto outcome = MergePayloads(format, plain.base, plain.mine, plain.theirs);
    FUZZ_CHECK(outcome.ok() && outcome->payload == sides.mine && outcome->collisions == 0);
  }
  return CheckMerge(format, sides);
}

}  // namespace clustered_session
