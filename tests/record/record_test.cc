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
  record.payload = std::string_view("n|i:1;\0x", 8);
  return record;
}

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
  CHECK_FALSE(read->tombstone());
}

TEST_CASE("A record's bytes are the documented layout", "[record]") {
  const std::string bytes = Encode(Sample());
  CHECK(bytes.substr(0, 8) == std::string("CSR1\x01\x00\x38\x00", 8));
  CHECK(bytes.substr(8, 8) == std::string("\x07\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(16, 8) == std::string("\x03\0\0\0\0\0\0\0", 8));
  CHECK(bytes.substr(24, 8) == std::string("\xef\xcd\xab\x89\x67\x45\x23\x01", 8));
  CHECK(bytes.substr(32, 8) == std::string("\xa0\x05\0\0\x08\0\0\0", 8));
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
  CHECK(DecodeRecord(EncodeRecord(compressed, kKey), kKey).error().code() == ErrorCode::kUnsupported);
  CHECK(DecodeRecord("garbage", kKey).error().code() == ErrorCode::kCorrupt);
}

TEST_CASE("A tombstone has no payload, and a record has a version and an owner", "[record]") {
  Record tombstone = Sample();
  tombstone.flags = kRecordTombstone;
  CHECK_FALSE(DecodeRecord(EncodeRecord(tombstone, kKey), kKey).ok());
  tombstone.payload = {};
  CHECK(DecodeRecord(EncodeRecord(tombstone, kKey), kKey)->tombstone());
  Record nobody = Sample();
  nobody.instance = 0;
  CHECK_FALSE(DecodeRecord(EncodeRecord(nobody, kKey), kKey).ok());
  Record never = Sample();
  never.version = 0;
  CHECK_FALSE(DecodeRecord(EncodeRecord(never, kKey), kKey).ok());
}

TEST_CASE("The epoch decides which of two records is later, then the version", "[record]") {
  CHECK(RecordOrder{2, 1} > RecordOrder{1, 9});
  CHECK(RecordOrder{2, 3} > RecordOrder{2, 2});
  CHECK(RecordOrder{} < RecordOrder{0, 1});
}
