// Sealed records: what is written is read, and no byte of it is believed that no key of ours has written for this very
// session. Layer: tests.
#include "src/record/record_codec.h"

#include <sys/mman.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "src/record/compression.h"
#include "src/record/record_cipher.h"

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
  RecordCodec codec = CodecOf(line);
  codec.cipher = GENERATE(CipherChoice::kAuto, CipherChoice::kXChaCha20);
  const bool aes = codec.cipher == CipherChoice::kAuto && AesIsFast();
  Record written = SealedSample();
  const std::string sealed = codec.Encode(&written, kKey);
  CHECK(sealed.size() == written.header_size + written.payload.size() + kSealMax);
  CHECK(sealed.substr(0, 8) == std::string(aes ? "CSR1\x03\x0c\x24\x00" : "CSR1\x03\x04\x24\x00", 8));
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
  RecordCodec codec = CodecOf(NewKeyLine("k1"));
  codec.cipher = GENERATE(CipherChoice::kAuto, CipherChoice::kXChaCha20);
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

TEST_CASE("Either cipher is read, whichever this server writes with, and neither has the other's keys",
          "[record][keys]") {
  // As a server has written it whose key file is this one: what is on nodes stays readable.
  const std::string line = "k1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  const auto bytes_of = [](std::string_view hex) {
    std::string bytes(hex.size() / 2, '\0');
    sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), hex.data(), hex.size(), nullptr,
                   nullptr, nullptr);
    return bytes;
  };
  const std::string by_xchacha20 = bytes_of(
      "4353523103042400feb375049d3a32b925aeedf760ebee97ebf3753d2692b8af4646d513921f5e94"
      "40894f4360dc07f808c40b9793b5fb80536aee23045a23e7e5fca5c1dd8bd4ac91a7aae107e54e1f"
      "984eec3d95c1ad0f16fa07bde8f657a7ec6039f3f1ceac7696f683681b803dd32e2274ad73882b56"
      "9538addf2bcc2dfd452bb13dbf711430c565a6d7c830a792ea72deef7b9448cc3a614e13f12ca471"
      "398a1f3a");
  const std::string by_aes = bytes_of(
      "43535231030c2400feb37504fa106a5ea106402a3c8cd558ff8b6d69bdcbe05580ec96b5389711ff"
      "18e9c46d120da3aad60ffe1943855247ec2257be60ab2e34d52a60500251880c8ad5704b884f8307"
      "d7a088c49eb8b8daa8add8c972a5aabaa16ad314cbac2fd2276d23df72eb9a708f1c18ab46e5a582"
      "b4ecad45bcd9b26e735d0e867641ea4de9182dffcc76a5797dc597b16c5b75e50af8176564b25ff1"
      "5a46ed07");
  for (const CipherChoice mine : {CipherChoice::kAuto, CipherChoice::kXChaCha20}) {
    RecordCodec codec = CodecOf(line);
    codec.cipher = mine;
    for (const std::string& sealed : {by_xchacha20, by_aes}) {
      if (sealed == by_aes && !CipherAvailable(Cipher::kAes256)) continue;
      std::string bytes = sealed;
      const Result<Record> read = codec.Decode(&bytes, kKey);
      REQUIRE(read.ok());
      CHECK(read->payload == SealedSample().payload);
      std::string other = sealed;
      other[5] = static_cast<char>(other[5] ^ kRecordAes);
      CHECK(WhyNotBelieved(codec, other) == "wrong authentication");
    }
  }
  const auto pool = CodecOf(line).keys;
  CHECK(std::string_view(reinterpret_cast<const char*>(pool->AesKey(0)), 32) !=
        std::string_view(reinterpret_cast<const char*>(pool->RecordKey(0)), 32));
}

TEST_CASE("AES is what libsodium says it is, and each nonce has a key of its own", "[record][keys]") {
  if (!AesIsFast() || crypto_aead_aes256gcm_is_available() == 0) return;
  unsigned char key[kCipherKeySize];
  unsigned char nonce[kCipherNonceSize];
  randombytes_buf(key, sizeof key);
  for (const size_t size : {0, 1, 15, 16, 17, 1000, 70000}) {
    CAPTURE(size);
    randombytes_buf(nonce, sizeof nonce);
    std::string text(size + kCipherTagSize, 't');
    auto* bytes = reinterpret_cast<unsigned char*>(text.data());
    EncryptInPlace({Cipher::kAes256, key, nonce, "bound"}, bytes, size);
    unsigned char record_key[32];
    crypto_generichash(record_key, sizeof record_key, nonce, sizeof nonce, key, sizeof key);
    const unsigned char zero[12] = {};
    std::string expected(size + kCipherTagSize, 't');
    auto* to = reinterpret_cast<unsigned char*>(expected.data());
    crypto_aead_aes256gcm_encrypt(to, nullptr, to, size, reinterpret_cast<const unsigned char*>("bound"), 5, nullptr,
                                  zero, record_key);
    CHECK(text == expected);
    const std::string sealed = text;
    CHECK(DecryptInPlace({Cipher::kAes256, key, nonce, "bound"}, bytes, size));
    CHECK(text.substr(0, size) == std::string(size, 't'));
    for (const std::string_view bound : {"bounD", "boun", ""}) {
      text = sealed;
      CHECK_FALSE(DecryptInPlace({Cipher::kAes256, key, nonce, bound}, bytes, size));
    }
    nonce[23] = static_cast<unsigned char>(nonce[23] ^ 1);
    text = sealed;
    CHECK_FALSE(DecryptInPlace({Cipher::kAes256, key, nonce, "bound"}, bytes, size));
  }
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

// What zstd makes of `size` equal bytes, as its format has it (RFC 8878): blocks of one byte and a count.
std::string FrameOf(char byte, uint32_t size) {
  constexpr uint32_t kBlockMax = 128u << 10;
  const auto append = [](uint32_t number, int bytes, std::string* to) {
    for (int i = 0; i < bytes; ++i) to->push_back(static_cast<char>(number >> (8 * i)));
  };
  std::string frame("\x28\xb5\x2f\xfd\xa0");
  append(size, 4, &frame);
  for (uint32_t left = size; left > 0;) {
    const uint32_t block = std::min(left, kBlockMax);
    left -= block;
    append((block << 3) | (1u << 1) | (left == 0 ? 1 : 0), 3, &frame);
    frame.push_back(byte);
  }
  return frame;
}

// With zeros behind it, until it is believed for its size.
std::string Believable(std::string frame, uint32_t size) {
  frame.resize(size / kCompressionRatioMax + 1, '\0');
  return frame;
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
    return bytes[4] == 3 ? bytes[5] & ~kRecordAes : 0;
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
  // A frame of the same without the zeros that make it believable: a bomb.
  const std::string bomb = ours.substr(0, 8) + FrameOf('\0', zeros.size());
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

TEST_CASE("Compressed bytes are read up to 32 times their size, and up to 128 MB, and no more is compressed",
          "[record][keys]") {
  constexpr uint32_t kSome = 1u << 20;
  CHECK(Decompress(Believable(FrameOf('z', kSome), kSome)) == std::string(kSome, 'z'));
  CHECK_FALSE(Decompress(FrameOf('z', kSome)));
  constexpr uint32_t kTooMuch = kDecompressedMax + 1;
  CHECK_FALSE(Decompress(Believable(FrameOf('z', kTooMuch), kTooMuch)));
  // Nobody reads these bytes, so they take no memory.
  void* const bytes = mmap(nullptr, kTooMuch, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(bytes != MAP_FAILED);
  CHECK_FALSE(Compress({static_cast<const char*>(bytes), kTooMuch}, 1));
  munmap(bytes, kTooMuch);
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
