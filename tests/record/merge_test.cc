// The three-way merge of sessions. Mirrors src/record/merge.h. What PHP itself would write for a merged session is
// asked from PHP in merge_php_test.cc.
#include "src/record/merge.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

namespace clustered_session {
namespace {

using namespace std::string_view_literals;

constexpr PayloadFormat kPhp = PayloadFormat::kPhp;

struct Row {
  std::string_view base;
  std::string_view mine;
  std::string_view theirs;
  std::string_view merged;
  uint32_t collisions;
};

void CheckMerge(PayloadFormat format, const Row& row) {
  INFO("base " << row.base << " mine " << row.mine << " theirs " << row.theirs);
  const auto outcome = MergePayloads(format, row.base, row.mine, row.theirs);
  INFO((outcome.ok() ? "" : outcome.error().message()));
  REQUIRE(outcome.ok());
  CHECK(outcome->payload == row.merged);
  CHECK(outcome->collisions == row.collisions);
}

TEST_CASE("a key changed on one side is taken from that side, changed on both from mine") {
  CheckMerge(kPhp, GENERATE(values<Row>({
                       // Set on one side.
                       {"a|i:1;b|i:1;", "a|i:2;b|i:1;", "a|i:1;b|i:3;", "a|i:2;b|i:3;", 0},
                       {"a|i:1;b|i:1;", "a|i:1;b|i:3;c|N;", "a|i:2;b|i:1;", "a|i:2;b|i:3;c|N;", 0},
                       // Added on one side, or on both.
                       {"a|i:1;", "a|i:1;m|i:1;", "a|i:1;t|i:1;", "a|i:1;m|i:1;t|i:1;", 0},
                       {"", "m|i:1;", "t|i:1;", "m|i:1;t|i:1;", 0},
                       {"", "x|i:1;m|N;", "x|i:1;", "x|i:1;m|N;", 0},
                       {"", "x|i:1;", "x|i:2;", "x|i:1;", 1},
                       // Removed on one side, or on both.
                       {"a|i:1;b|i:1;", "b|i:1;m|N;", "a|i:1;b|i:2;", "b|i:2;m|N;", 0},
                       {"a|i:1;b|i:1;", "a|i:1;b|i:1;m|N;", "b|i:1;", "b|i:1;m|N;", 0},
                       {"a|i:1;b|i:1;", "a|i:1;", "b|i:1;", "", 0},
                       {"a|i:1;b|i:1;", "b|i:2;", "b|i:1;t|N;", "b|i:2;t|N;", 0},
                       // Removed on one side and set on the other.
                       {"a|i:1;b|i:1;", "b|i:1;", "a|i:2;b|i:1;", "b|i:1;", 1},
                       {"a|i:1;b|i:1;", "a|i:2;b|i:1;", "b|i:1;", "a|i:2;b|i:1;", 1},
                       // Set on both sides.
                       {"a|i:1;", "a|i:2;m|N;", "a|i:2;t|N;", "a|i:2;m|N;t|N;", 0},
                       {"a|i:1;b|i:1;", "a|i:2;b|i:2;", "a|i:3;b|i:3;", "a|i:2;b|i:2;", 2},
                       // One side emptied.
                       {"a|i:1;b|i:1;", "", "a|i:1;b|i:1;t|N;", "t|N;", 0},
                       {"a|i:1;b|i:1;", "", "a|i:1;b|i:2;", "", 1},
                       {"a|i:1;b|i:1;", "a|i:1;b|i:2;", "", "b|i:2;", 1},
                   })));
}

TEST_CASE("the merged session has mine's order, then what only theirs has in their order") {
  CheckMerge(kPhp, {"a|i:1;b|i:1;c|i:1;", "c|i:1;b|i:1;a|i:1;m|N;", "y|N;a|i:2;x|N;c|i:1;b|i:1;",
                    "c|i:1;b|i:1;a|i:2;m|N;y|N;x|N;", 0});
}

TEST_CASE("values are compared by their bytes, whatever they contain") {
  CheckMerge(kPhp, {"a|s:6:\"b|i:1;\";b|i:1;", "a|s:6:\"b|i:2;\";b|i:1;", "a|s:6:\"b|i:1;\";b|i:3;",
                    "a|s:6:\"b|i:2;\";b|i:3;", 0});
}

TEST_CASE("the other formats are merged alike, with their lengths and counts put right") {
  CheckMerge(PayloadFormat::kPhpBinary,
             {"\001ai:1;", "\001ai:1;\003m|mi:1;", "\001ai:2;\000N;"sv, "\001ai:2;\003m|mi:1;\000N;"sv, 0});
  CheckMerge(PayloadFormat::kPhpSerialize,
             {"a:1:{s:1:\"a\";i:1;}", "a:2:{s:1:\"a\";i:1;i:5;N;}", "a:3:{s:1:\"a\";i:2;s:2:\"5x\";N;i:-5;N;}",
              "a:4:{s:1:\"a\";i:2;i:5;N;s:2:\"5x\";N;i:-5;N;}", 0});
  CheckMerge(PayloadFormat::kPhpSerialize, {"a:2:{i:1;N;i:2;N;}", "a:1:{i:1;N;}", "a:1:{i:2;N;}", "a:0:{}", 0});
  CheckMerge(PayloadFormat::kPhpSerialize, {"", "a:1:{i:1;N;}", "a:1:{i:2;N;}", "a:2:{i:1;N;i:2;N;}", 0});
}

TEST_CASE("a session that one side did not change is the other side's, in every format") {
  for (const PayloadFormat format :
       {kPhp, PayloadFormat::kPhpBinary, PayloadFormat::kPhpSerialize, PayloadFormat::kOpaque}) {
    CheckMerge(format, {"\1\2", "\3\4", "\1\2", "\3\4", 0});
    CheckMerge(format, {"\1\2", "\1\2", "\3\4", "\3\4", 0});
    CheckMerge(format, {"\1\2", "\3\4", "\3\4", "\3\4", 0});
    CheckMerge(format, {"", "", "", "", 0});
  }
}

TEST_CASE("what cannot be split on any side is not merged") {
  struct Bad {
    PayloadFormat format;
    std::string_view base;
    std::string_view mine;
    std::string_view theirs;
    ErrorCode code;
  };
  const Bad bad = GENERATE(values<Bad>({
      {kPhp, "a|x", "a|i:2;", "a|i:3;", ErrorCode::kCorrupt},
      {kPhp, "a|i:1;", "a|x", "a|i:3;", ErrorCode::kCorrupt},
      {kPhp, "a|i:1;", "a|i:2;", "a|x", ErrorCode::kCorrupt},
      {kPhp, "a|a:0:{}b|r:1;", "a|i:2;", "a|i:3;", ErrorCode::kUnsupported},
      {kPhp, "a|i:1;", "a|a:0:{}b|R:1;", "a|i:3;", ErrorCode::kUnsupported},
      {kPhp, "a|i:1;", "a|i:2;", "a|a:0:{}b|r:1;", ErrorCode::kUnsupported},
      {PayloadFormat::kOpaque, "a|i:1;", "a|i:2;", "a|i:3;", ErrorCode::kUnsupported},
  }));
  const auto outcome = MergePayloads(bad.format, bad.base, bad.mine, bad.theirs);
  REQUIRE_FALSE(outcome.ok());
  CHECK(outcome.error().code() == bad.code);
}

TEST_CASE("a merge of many keys does not take the square of their number", "[long]") {
  // With a search through all keys for each of them, this takes minutes.
  std::string base;
  std::string mine;
  std::string theirs;
  for (int i = 0; i < 200000; i++) {
    const std::string key = "k" + std::to_string(i);
    base += key + "|i:1;";
    mine += key + (i % 2 == 0 ? "|i:2;" : "|i:1;");
    theirs += key + (i % 2 == 0 ? "|i:1;" : "|i:3;");
  }
  const auto outcome = MergePayloads(kPhp, base, mine, theirs);
  REQUIRE(outcome.ok());
  CHECK(outcome->payload.size() == base.size());
  CHECK(outcome->collisions == 0);
  CHECK(std::string_view(outcome->payload).substr(0, 14) == "k0|i:2;k1|i:3;");
}

}  // namespace
}  // namespace clustered_session
