// Sealed records: what is written is read, and no byte of it is believed that no key of ours has written for this very
// session. Layer: tests.
#include "src/record/record_codec.h"

#include <catch2/catch.hpp>
#include <string>

#include "src/record/compression.h"

using namespace clustered_session;

namespace {

constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";
constexpr std::string_view kOtherKey = "cs:BAAAAAAAAAAAAAAAAAAAAA";

RecordCodec CodecOf(const std::string& lines, EncryptionMode mode = EncryptionMode::kRequire,
                    std::string_view prefix = "cs:") {
  return {std::make_shared<PoolKeys>(**Keyring::Parse(lines), prefix), mode};
}

Record SealedSample(std::string_view payload = "secret|s:6:\"orchid\";") {
  Record record;
  record.version = 7;
  record.epoch = 3;
  record.instance = 11;
  record.lifetime_s = 1440;
  record.ancestry.dot = {5, 9};
  record.ancestry.context.Add(record.ancestry.dot, 5);
  record.ancestry.lives.Add(1);
  record.ancestry.lifetime_max_s = 1440;
  record.payload = payload;
  return record;
}

std::string SealedBytes(const RecordCodec& codec, Record record = SealedSample()) {
  return codec.Encode(&record, kKey);
}

// "" if it is believed.
std::string WhyNotBelieved(const RecordCodec& codec, std::string bytes, std::string_view key = kKey) {
  const Result<Record> record = codec.Decode(&bytes, key);
  return record.ok() ? "" : record.error().message();
}

ErrorCode CodeOf(const RecordCodec& codec, std::string bytes) {
  const Result<Record> record = codec.Decode(&bytes, kKey);
  REQUIRE_FALSE(record.ok());
  return record.error().code();
}

}  // namespace

TEST_CASE("An encrypted record is read as it was written, and shows nothing of it", "[record][keys]") {
  const std::string line = NewKeyLine("k1");
  const RecordCodec codec = CodecOf(line);
  Record written = SealedSample();
  const std::string sealed = codec.Encode(&written, kKey);
  CHECK(sealed.size() == written.header_size + written.payload.size() + kSealMax);
  CHECK(sealed.substr(0, 8) == std::string("CSR1\x03\x04\x24\x00", 8));
  CHECK(sealed.find("orchid") == std::string::npos);
  std::string bytes = sealed;
  const Result<Record> read = codec.Decode(&bytes, kKey);
  REQUIRE(read.ok());
  CHECK(read->payload == SealedSample().payload);
  CHECK(read->version == 7);
  CHECK(read->ancestry.fingerprint == written.ancestry.fingerprint);
  CHECK(bytes == EncodeRecord(&written, kKey));
  // Nobody sees on the node whether it is the same once more.
  const std::string again = codec.Seal(bytes, kKey);
  CHECK(again != sealed);
  CHECK(WhyNotBelieved(codec, again).empty());
  CHECK(again.substr(36).find(sealed.substr(36, 8)) == std::string::npos);
}

TEST_CASE("A tombstone is encrypted like a session", "[record][keys]") {
  const RecordCodec codec = CodecOf(NewKeyLine("k1"));
  Record tombstone;
  tombstone.ancestry = SealedSample().ancestry.End();
  std::string bytes = codec.Encode(&tombstone, kKey);
  CHECK((bytes[5] & kRecordTombstone) == 0);
  const Result<Record> read = codec.Decode(&bytes, kKey);
  REQUIRE(read.ok());
  CHECK(read->tombstone());
}

TEST_CASE("An encrypted record with any bit changed, cut short or longer is not believed", "[record][keys]") {
  const RecordCodec codec = CodecOf(NewKeyLine("k1"));
  const std::string good = SealedBytes(codec);
  REQUIRE(WhyNotBelieved(codec, good).empty());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    CAPTURE(bit);
    CHECK_FALSE(WhyNotBelieved(codec, bad).empty());
  }
  for (size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(WhyNotBelieved(codec, good.substr(0, size)).empty());
  }
  CHECK_FALSE(WhyNotBelieved(codec, good + '\0').empty());
}

TEST_CASE("An encrypted record is believed under its own storage key, prefix and keys alone", "[record][keys]") {
  const std::string line = NewKeyLine("k1");
  const RecordCodec codec = CodecOf(line);
  const std::string good = SealedBytes(codec);
  CHECK(WhyNotBelieved(codec, good, kOtherKey) == "wrong authentication");
  CHECK(WhyNotBelieved(CodecOf(line, EncryptionMode::kRequire, "shop:"), good) ==
        "of a key that clustered_session.key_file does not have");
  const RecordCodec stranger = CodecOf(NewKeyLine("k1"));
  CHECK(WhyNotBelieved(stranger, good) == "of a key that clustered_session.key_file does not have");
  CHECK(CodeOf(stranger, good) == ErrorCode::kForged);
}

TEST_CASE("The first key writes, and all read", "[record][keys]") {
  const std::string before = NewKeyLine("k1");
  const std::string next = NewKeyLine("k2");
  const std::string of_before = SealedBytes(CodecOf(before));
  const std::string of_next = SealedBytes(CodecOf(next + "\n" + before));
  CHECK(WhyNotBelieved(CodecOf(before + "\n" + next), of_before).empty());
  CHECK(WhyNotBelieved(CodecOf(before + "\n" + next), of_next).empty());
  CHECK(WhyNotBelieved(CodecOf(next + "\n" + before), of_before).empty());
  CHECK(WhyNotBelieved(CodecOf(next), of_next).empty());
  CHECK(WhyNotBelieved(CodecOf(next), of_before) == "of a key that clustered_session.key_file does not have");
}

TEST_CASE("What the encryption setting says of plain records", "[record][keys]") {
  const std::string line = NewKeyLine("k1");
  const std::string plain = SealedBytes(RecordCodec());
  const std::string sealed = SealedBytes(CodecOf(line));
  CHECK(SealedBytes(CodecOf(line, EncryptionMode::kRead)) == plain);
  CHECK(SealedBytes(CodecOf(line, EncryptionMode::kWrite)).size() == sealed.size());
  for (const EncryptionMode mode : {EncryptionMode::kRead, EncryptionMode::kWrite}) {
    CHECK(WhyNotBelieved(CodecOf(line, mode), plain).empty());
    CHECK(WhyNotBelieved(CodecOf(line, mode), sealed).empty());
    CHECK(CodeOf(CodecOf(line, mode), "garbage") == ErrorCode::kCorrupt);
  }
  CHECK(WhyNotBelieved(CodecOf(line), plain) == "not encrypted");
  CHECK(CodeOf(CodecOf(line), plain) == ErrorCode::kForged);
  CHECK(CodeOf(CodecOf(line), "garbage") == ErrorCode::kForged);
  CHECK(CodeOf(CodecOf(line), std::string("CSR1\x03\0\x08\0", 8) + plain) == ErrorCode::kForged);
}

TEST_CASE("A record of a later format is no forged one, whatever the encryption setting says", "[record][keys]") {
  std::string later = SealedBytes(CodecOf(NewKeyLine("k1")));
  later[4] = 4;
  for (const EncryptionMode mode : {EncryptionMode::kRead, EncryptionMode::kWrite, EncryptionMode::kRequire}) {
    CHECK(CodeOf(CodecOf(NewKeyLine("k1"), mode), later) == ErrorCode::kUnsupported);
  }
}

TEST_CASE("The mark of an encrypted record is known by every key, and tells nothing to who has none",
          "[record][keys]") {
  const std::string before = NewKeyLine("k1");
  const std::string next = NewKeyLine("k2");
  constexpr uint64_t kFingerprint = 0x1122334455667788;
  const uint32_t plain = MarkOf(kFingerprint);
  const uint32_t mark = CodecOf(before).MarkOf(kFingerprint);
  CHECK(mark != plain);
  CHECK(mark != CodecOf(next).MarkOf(kFingerprint));
  CHECK(CodecOf(next + "\n" + before).IsMark(mark, kFingerprint));
  CHECK_FALSE(CodecOf(next).IsMark(mark, kFingerprint));
  CHECK_FALSE(CodecOf(before).IsMark(mark, kFingerprint + 1));
  CHECK_FALSE(RecordCodec().IsMark(mark, kFingerprint));
  CHECK(RecordCodec().IsMark(plain, kFingerprint));
  CHECK(CodecOf(before, EncryptionMode::kRead).MarkOf(kFingerprint) == plain);
  CHECK(CodecOf(before, EncryptionMode::kWrite).IsMark(plain, kFingerprint));
  CHECK_FALSE(CodecOf(before).IsMark(plain, kFingerprint));  // or nobody would encrypt what is there
}

TEST_CASE("A server without a key file leaves an encrypted record as it is", "[record][keys]") {
  CHECK(CodeOf(RecordCodec(), SealedBytes(CodecOf(NewKeyLine("k1")))) == ErrorCode::kNoKey);
  CHECK(CodeOf(RecordCodec(), std::string("CSR1\x03\0\x08\0", 8)) == ErrorCode::kCorrupt);
  CHECK(CodeOf(RecordCodec(), std::string("CSR1\x03\x40\x08\0", 8)) == ErrorCode::kUnsupported);
}

namespace {

RecordCodec Compressing(RecordCodec codec, uint32_t level = 3, uint32_t threshold = 0) {
  codec.compression_level = level;
  codec.compression_threshold = threshold;
  return codec;
}

std::string Repeated(std::string_view text, size_t size) {
  std::string repeated;
  while (repeated.size() < size) repeated += text;
  return repeated.substr(0, size);
}

// As a server without a key file stores it.
std::string CompressedBytes(std::string_view payload) {
  return SealedBytes(Compressing(RecordCodec()), SealedSample(payload));
}

}  // namespace

TEST_CASE("A compressed record is read as it was written, encrypted or not", "[record][keys]") {
  const std::string payload = Repeated("item|a:2:{s:3:\"sku\";i:4711;s:3:\"qty\";i:2;}", 20000);
  for (const RecordCodec& codec : {RecordCodec(), CodecOf(NewKeyLine("k1"))}) {
    const std::string sealed = SealedBytes(Compressing(codec), SealedSample(payload));
    CHECK(sealed.size() < payload.size() / 8);
    std::string bytes = sealed;
    const Result<Record> read = codec.Decode(&bytes, kKey);  // who reads needs no setting
    REQUIRE(read.ok());
    CHECK(read->payload == payload);
    CHECK_FALSE(WhyNotBelieved(codec, sealed, kOtherKey).empty());
  }
}

TEST_CASE("What compression does not make smaller, and what is below the threshold, is not compressed",
          "[record][keys]") {
  std::string noise(5000, '\0');
  randombytes_buf(noise.data(), noise.size());
  const std::string zeros(5000, 'z');
  const auto flags_of = [](const RecordCodec& codec, std::string_view payload) {
    const std::string bytes = SealedBytes(codec, SealedSample(payload));
    return bytes[4] == 3 ? bytes[5] : 0;
  };
  CHECK(flags_of(Compressing(RecordCodec()), noise) == 0);
  CHECK(flags_of(Compressing(CodecOf(NewKeyLine("k1"))), noise) == kRecordEncrypted);
  CHECK(flags_of(Compressing(RecordCodec()), zeros) == kRecordCompressed);
  CHECK(flags_of(Compressing(RecordCodec(), 3, 6000), zeros) == 0);
  CHECK(flags_of(Compressing(RecordCodec(), 0), zeros) == 0);
  CHECK(flags_of(Compressing(CodecOf(NewKeyLine("k1")), 19), zeros) == (kRecordCompressed | kRecordEncrypted));
}

TEST_CASE("A record is so many times larger than its compressed bytes at most, whoever made them", "[record][keys]") {
  const std::string zeros(3u << 20, '\0');
  const std::string ours = CompressedBytes(zeros);
  CHECK(ours.size() >= zeros.size() / kCompressionRatioMax);
  CHECK(ours.size() < zeros.size() / kCompressionRatioMax + 200);
  CHECK(WhyNotBelieved(RecordCodec(), ours).empty());
  // The same frame without the zeros that make it believable: a bomb.
  const std::string bomb = ours.substr(0, ours.find_last_not_of('\0') + 1);
  CHECK(bomb.size() < 2000);
  CHECK(WhyNotBelieved(RecordCodec(), bomb) == "cannot be decompressed");
  // One that promises to be small, and one that promises nothing.
  std::string liar = bomb;
  const auto frame = liar.find("\x28\xb5\x2f\xfd", 0, 4);
  REQUIRE(frame == 8);
  for (size_t at = 12; at < 20; ++at) {
    std::string other = liar;
    for (int value = 0; value < 256; ++value) {
      other[at] = static_cast<char>(value);
      if (other != liar) CHECK_FALSE(WhyNotBelieved(RecordCodec(), other).empty());
    }
  }
}

TEST_CASE("A compressed record with any bit changed, cut short or longer is not believed as another one",
          "[record][keys]") {
  const std::string payload = Repeated("n|i:1;", 300);
  const std::string good = CompressedBytes(payload);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    CAPTURE(bit);
    const Result<Record> read = RecordCodec().Decode(&bad, kKey);
    CHECK((!read.ok() || read->payload == payload));  // zstd's header has a bit that means nothing
  }
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(WhyNotBelieved(RecordCodec(), good.substr(0, size)).empty());
  }
  CHECK_FALSE(WhyNotBelieved(RecordCodec(), good + "x").empty());
  CHECK(WhyNotBelieved(CodecOf(NewKeyLine("k1")), good) == "not encrypted");
  CHECK(CodeOf(RecordCodec(), good.substr(0, good.size() - 3)) == ErrorCode::kCorrupt);
}
