// The record format: what is written is read, and nothing else is believed. Layer: tests.
#include "src/record/record.h"

#include <catch2/catch.hpp>
#include <string>

using namespace clustered_session;

namespace {

constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";

Record Sample() {
  Record record;
  record.vector.Advance(0xaabbccdd, 7);
  record.life = 2;
  record.version = 7;
  record.epoch = 3;
  record.instance = 0x0123456789abcdefull;
  record.lifetime_s = 1440;
  record.payload = std::string_view("n|i:1;\0x", 8);
  return record;
}

std::string Encode(Record record) { return EncodeRecord(&record, kKey); }

}  // namespace

TEST_CASE("A record is read as it was written", "[record]") {
  const std::string bytes = Encode(Sample());
  CHECK(bytes.size() == kRecordHeaderSize + 8);
  Result<Record> read = DecodeRecord(bytes, kKey);
  REQUIRE(read.ok());
  CHECK(read->version == 7);
  CHECK(read->epoch == 3);
  CHECK(read->instance == 0x0123456789abcdefull);
  CHECK(read->lifetime_s == 1440);
  CHECK(read->payload == Sample().payload);
  CHECK(read->life == 2);
  CHECK(read->vector == Sample().vector);
  CHECK(read->fingerprint != 0);
  CHECK_FALSE(read->tombstone());
}

TEST_CASE("A record's bytes are the documented layout", "[record]") {
  const std::string bytes = Encode(Sample());
  CHECK(bytes.substr(0, 8) == std::string("CSR1\x01\x00\xc0\x00", 8));
  CHECK(bytes.substr(8, 8) == std::string("\x07\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(16, 8) == std::string("\x03\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(24, 8) == std::string("\xef\xcd\xab\x89\x67\x45\x23\x01", 8));
  CHECK(bytes.substr(32, 8) == std::string("\xa0\x05\0\0\x08\0\0\0", 8));
  CHECK(bytes.substr(40, 8) == std::string("\x02\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(56, 8) == std::string("\xdd\xcc\xbb\xaa\x07\0\0\0", 8));
}

TEST_CASE("A record with any bit changed is not believed", "[record]") {
  const std::string good = Encode(Sample());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(DecodeRecord(bad, kKey).ok());
  }
}

TEST_CASE("A record cut short, with bytes added, or under another key is not believed", "[record]") {
  const std::string good = Encode(Sample());
  for (size_t size = 0; size < good.size(); ++size) CHECK_FALSE(DecodeRecord(good.substr(0, size), kKey).ok());
  CHECK_FALSE(DecodeRecord(good + '\0', kKey).ok());
  CHECK_FALSE(DecodeRecord(good, "cs:BAAAAAAAAAAAAAAAAAAAAA").ok());
}

TEST_CASE("A format or flag of a later version is told apart from garbage", "[record]") {
  std::string later = Encode(Sample());
  later[4] = 2;
  CHECK(DecodeRecord(later, kKey).error().code() == ErrorCode::kUnsupported);
  Record compressed = Sample();
  compressed.flags = kRecordCompressed;
  CHECK(DecodeRecord(Encode(compressed), kKey).error().code() == ErrorCode::kUnsupported);
  CHECK(DecodeRecord("garbage", kKey).error().code() == ErrorCode::kCorrupt);
}

TEST_CASE("A tombstone has no payload, and a record has a version and an owner", "[record]") {
  Record tombstone = Sample();
  tombstone.flags = kRecordTombstone;
  CHECK_FALSE(DecodeRecord(Encode(tombstone), kKey).ok());
  tombstone.payload = {};
  CHECK(DecodeRecord(Encode(tombstone), kKey)->tombstone());
  Record nobody = Sample();
  nobody.instance = 0;
  CHECK_FALSE(DecodeRecord(Encode(nobody), kKey).ok());
  Record never = Sample();
  never.version = 0;
  CHECK_FALSE(DecodeRecord(Encode(never), kKey).ok());
}

TEST_CASE("Which of two branches is shown first, the epoch decides, then the version", "[record]") {
  CHECK(RecordOrder{2, 1} > RecordOrder{1, 9});
  CHECK(RecordOrder{2, 3} > RecordOrder{2, 2});
  CHECK(RecordOrder{} < RecordOrder{0, 1});
}

TEST_CASE("A record is told apart from what is known: the same, its past, its successor, or a branch", "[record]") {
  Record known = Sample();
  known.vector.Advance(1, 8);
  (void)Encode(known);
  known.fingerprint = 100;
  Record successor = known;
  successor.vector.Advance(2, 9);
  successor.fingerprint = 101;
  Record branch = Sample();
  branch.vector.Advance(3, 8);
  branch.fingerprint = 102;
  CHECK(LineageOf(known, AncestryOf(known)) == Lineage::kSame);
  CHECK(LineageOf(successor, AncestryOf(known)) == Lineage::kDescendant);
  CHECK(LineageOf(known, AncestryOf(successor)) == Lineage::kAncestor);
  CHECK(LineageOf(branch, AncestryOf(successor)) == Lineage::kBranch);
  CHECK(LineageOf(known, Ancestry()) == Lineage::kDescendant);
  Record twin = known;  // the same writer and version, other bytes
  twin.fingerprint = 103;
  CHECK(LineageOf(twin, AncestryOf(known)) == Lineage::kBranch);
}

TEST_CASE("A tombstone ends all of its life, and what is started anew is beyond it", "[record]") {
  Record late = Sample();  // written without having seen the tombstone, with whatever version
  late.version = 1000;
  late.vector.Advance(9, 1000);
  late.fingerprint = 1;
  Record tombstone = Sample();
  tombstone.flags = kRecordTombstone;
  tombstone.payload = {};
  tombstone.fingerprint = 2;
  Record anew = Sample();
  anew.life = tombstone.life + 1;
  anew.vector = VersionVector();
  anew.vector.Advance(4, 8);
  anew.fingerprint = 3;
  CHECK(LineageOf(late, AncestryOf(tombstone)) == Lineage::kAncestor);
  CHECK(LineageOf(tombstone, AncestryOf(late)) == Lineage::kDescendant);
  CHECK(LineageOf(late, AncestryOf(anew)) == Lineage::kAncestor);
  CHECK(LineageOf(tombstone, AncestryOf(anew)) == Lineage::kAncestor);
  CHECK(LineageOf(anew, AncestryOf(tombstone)) == Lineage::kDescendant);
}
