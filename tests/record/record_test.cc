// The record format: what is written is read, and nothing else is believed. Layer: tests.
#include "src/record/record.h"

#include <catch2/catch.hpp>
#include <string>

using namespace clustered_session;

namespace {

constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";

Record Sample() {
  Record record;
  record.version = 7;
  record.epoch = 3;
  record.instance = 0x0123456789abcdefull;
  record.lifetime_s = 1440;
  record.home_node = 0x51525354;
  record.ancestry.dot = {0xaabbccdd, 9};
  record.ancestry.context.Add(record.ancestry.dot, 5);
  record.ancestry.lives.Add(0x80000001);
  record.ancestry.ended.Add(0x80000002);
  record.ancestry.lifetime_max_s = 3600;
  record.payload = std::string_view("n|i:1;\0x", 8);
  return record;
}

Record SampleTombstone() {
  Record record;
  record.epoch = 3;
  record.ancestry.tombstone = true;
  record.ancestry.ended.Add(0x80000001);
  record.ancestry.lifetime_max_s = 3600;
  return record;
}

std::string Encode(Record record) { return EncodeRecord(&record, kKey); }

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// What release 0.1 has written: its header up to the vector, the vector's two slots in use, the rest of it, the
// payload.
std::string Format1(std::string_view head, std::string_view slots, std::string_view checksum,
                    std::string_view payload) {
  return FromHex(head) + FromHex(slots) + std::string(112, '\0') + FromHex(checksum) + std::string(payload);
}

constexpr std::string_view kFormat1Slots = "4433221107000000ddccbbaa06000000";

}  // namespace

TEST_CASE("A record is read as it was written", "[record]") {
  const std::string bytes = Encode(Sample());
  Result<Record> read = DecodeRecord(bytes, kKey);
  REQUIRE(read.ok());
  CHECK(read->version == 7);
  CHECK(read->epoch == 3);
  CHECK(read->instance == 0x0123456789abcdefull);
  CHECK(read->lifetime_s == 1440);
  CHECK(read->home_node == 0x51525354);
  CHECK(read->payload == Sample().payload);
  CHECK(read->ancestry.dot == Sample().ancestry.dot);
  CHECK(read->ancestry.context == Sample().ancestry.context);
  CHECK(read->ancestry.lives == Sample().ancestry.lives);
  CHECK(read->ancestry.ended == Sample().ancestry.ended);
  CHECK(read->ancestry.lifetime_max_s == 3600);
  CHECK(read->ancestry.fingerprint != 0);
  CHECK_FALSE(read->tombstone());
}

TEST_CASE("A record's bytes are the documented layout", "[record]") {
  const std::string bytes = Encode(Sample());
  CHECK(bytes.size() == kRecordHeaderMin + LifeSet::kLifeBytes + 8);
  CHECK(bytes.substr(0, 8) == std::string("CSR1\x02\x00\x60\x00", 8));
  CHECK(bytes.substr(8, 16) == FromHex("100e0000"
                                       "54535251"
                                       "0300000000000000"));
  CHECK(bytes.substr(24, 24) == FromHex("0700000000000000"
                                        "efcdab8967452301"
                                        "a0050000"
                                        "08000000"));
  CHECK(bytes.substr(48, 16) == FromHex("ddccbbaa"
                                        "0900000000000000"
                                        "01010100"));
  CHECK(bytes.substr(64, 24) == FromHex("01000080"
                                        "02000080"
                                        "ddccbbaa"
                                        "050000000000"
                                        "090000000000"));
  const std::string tombstone = Encode(SampleTombstone());
  CHECK(tombstone.size() == kTombstoneSizeMin);
  CHECK(tombstone.substr(0, 24) == FromHex("43535231"
                                           "02"
                                           "01"
                                           "2800"
                                           "100e0000"
                                           "00000000"
                                           "0300000000000000"));
  CHECK(tombstone.substr(24, 8) == FromHex("01000000"
                                           "01000080"));
}

TEST_CASE("A tombstone is read as it was written", "[record]") {
  const std::string bytes = Encode(SampleTombstone());
  Result<Record> read = DecodeRecord(bytes, kKey);
  REQUIRE(read.ok());
  CHECK(read->tombstone());
  CHECK(read->epoch == 3);
  CHECK(read->lifetime_s == 3600);
  CHECK(read->ancestry.ended == SampleTombstone().ancestry.ended);
  CHECK(read->payload.empty());
}

TEST_CASE("The largest header is written and read", "[record]") {
  Record record = Sample();
  for (uint32_t i = 1; i < LifeSet::kMax; ++i) {
    record.ancestry.lives.Add(0x90000000 + i);
    record.ancestry.ended.Add(0xa0000000 + i);
  }
  for (uint32_t i = 1; i < CausalContext::kIntervalsMax; ++i) record.ancestry.context.Add({i, 7}, 7);
  const std::string bytes = Encode(record);
  CHECK(bytes.size() == kRecordHeaderMax + 8);
  REQUIRE(DecodeRecord(bytes, kKey).ok());
  CHECK(DecodeRecord(bytes, kKey)->ancestry.context == record.ancestry.context);
}

TEST_CASE("A record of release 0.1 is read, with its writers and lives", "[record]") {
  constexpr std::string_view kRest =
      "0700000000000000"
      "0300000000000000"
      "efcdab8967452301";
  const std::string session =
      Format1("435352310100c000" + std::string(kRest) + "a00500000600000002000000" + std::string(24, '0'),
              kFormat1Slots, "18f83ba95c26aebc", "n|i:1;");
  Result<Record> read = DecodeRecord(session, kKey);
  REQUIRE(read.ok());
  CHECK(read->payload == "n|i:1;");
  CHECK(read->version == 7);
  CHECK(read->epoch == 3);
  CHECK(read->lifetime_s == 1440);
  CHECK(read->ancestry.dot == Dot{0x11223344, 7});
  CHECK(read->ancestry.context.Contains({0xaabbccdd, 6}));
  CHECK_FALSE(read->ancestry.context.Contains({0xaabbccdd, 7}));
  const std::string destroyed =
      Format1("435352310101c000" + std::string(kRest) + "a00500000000000002000000" + std::string(24, '0'),
              kFormat1Slots, "2bc9bf5147f10735", "");
  Result<Record> tombstone = DecodeRecord(destroyed, kKey);
  REQUIRE(tombstone.ok());
  CHECK(tombstone->tombstone());
  CHECK(LineageOf(read->ancestry, tombstone->ancestry) == Lineage::kAncestor);
  for (size_t bit = 0; bit < session.size() * 8; ++bit) {
    std::string bad = session;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(DecodeRecord(bad, kKey).ok());
  }
  for (size_t size = 0; size < session.size(); ++size) CHECK_FALSE(DecodeRecord(session.substr(0, size), kKey).ok());
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
  later[4] = 3;
  CHECK(DecodeRecord(later, kKey).error().code() == ErrorCode::kUnsupported);
  Record compressed = Sample();
  compressed.flags = kRecordCompressed;
  CHECK(DecodeRecord(Encode(compressed), kKey).error().code() == ErrorCode::kUnsupported);
  CHECK(DecodeRecord("garbage", kKey).error().code() == ErrorCode::kCorrupt);
}

TEST_CASE("A tombstone has no payload and names a life, and a session has a version, an owner, a life and a write",
          "[record]") {
  Record tombstone = SampleTombstone();
  tombstone.payload = "x";
  CHECK_FALSE(DecodeRecord(Encode(tombstone), kKey).ok());
  tombstone = SampleTombstone();
  tombstone.ancestry.ended = LifeSet();
  CHECK_FALSE(DecodeRecord(Encode(tombstone), kKey).ok());
  Record nobody = Sample();
  nobody.instance = 0;
  CHECK_FALSE(DecodeRecord(Encode(nobody), kKey).ok());
  Record never = Sample();
  never.version = 0;
  CHECK_FALSE(DecodeRecord(Encode(never), kKey).ok());
  Record lifeless = Sample();
  lifeless.ancestry.lives = LifeSet();
  CHECK_FALSE(DecodeRecord(Encode(lifeless), kKey).ok());
  Record stranger = Sample();
  stranger.ancestry.dot = {5, 5};
  CHECK_FALSE(DecodeRecord(Encode(stranger), kKey).ok());
  Record dead = Sample();
  dead.ancestry.ended.Add(0x80000001);
  CHECK_FALSE(DecodeRecord(Encode(dead), kKey).ok());
}

TEST_CASE("Which of two branches is shown first, the epoch decides, then the version", "[record]") {
  CHECK(RecordOrder{2, 1} > RecordOrder{1, 9});
  CHECK(RecordOrder{2, 3} > RecordOrder{2, 2});
  CHECK(RecordOrder{} < RecordOrder{0, 1});
}
