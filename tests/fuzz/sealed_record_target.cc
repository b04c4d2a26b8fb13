// Fuzz target: what opens sealed records, which reads what anybody may have stored on a node. See tests/fuzz/targets.h.
#include <algorithm>

#include "src/record/compression.h"
#include "src/record/record_codec.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

const RecordCodec& CodecFor(EncryptionMode mode) {
  static const auto keys = std::make_shared<PoolKeys>(**Keyring::Parse(kFuzzKeyLine), "cs:");
  static const RecordCodec codecs[] = {
      {keys, EncryptionMode::kRead}, {keys, EncryptionMode::kWrite}, {keys, EncryptionMode::kRequire}};
  return codecs[static_cast<size_t>(mode)];
}

// As they are, to servers with a key file and without.
FuzzFinding OpenBytes(std::string_view input) {
  std::string bytes(input);
  const Result<Record> required = CodecFor(EncryptionMode::kRequire).Decode(&bytes, kFuzzStorageKey);
  if (required.ok()) {
    FUZZ_CHECK(input[4] == 3 && (input[5] & kRecordEncrypted) != 0);
    FUZZ_CHECK(required->header_size + required->payload.size() == bytes.size());
  } else {
    FUZZ_CHECK(required.error().message().size() < 200);
  }
  bytes.assign(input);
  const Result<Record> any = CodecFor(EncryptionMode::kWrite).Decode(&bytes, kFuzzStorageKey);
  FUZZ_CHECK(!required.ok() || any.ok());
  bytes.assign(input);
  (void)RecordCodec().Decode(&bytes, kFuzzStorageKey).ok();
  return {};
}

// Whatever has been encrypted, opening it leads to a record or to an error.
FuzzFinding OpenEncrypted(std::string_view input) {
  const RecordCodec& codec = CodecFor(EncryptionMode::kRequire);
  const std::string sealed = codec.Seal(std::string(input), kFuzzStorageKey);
  std::string bytes = sealed;
  const Result<Record> record = codec.Decode(&bytes, kFuzzStorageKey);
  const Result<Record> plain = DecodeRecord(input, kFuzzStorageKey);
  FUZZ_CHECK(record.ok() == plain.ok());
  bytes = sealed;
  FUZZ_CHECK(!codec.Decode(&bytes, "cs:BAAAAAAAAAAAAAAAAAAAAA").ok());
  RecordCodec by_the_other = codec;
  by_the_other.cipher = CipherChoice::kXChaCha20;
  bytes = by_the_other.Seal(std::string(input), kFuzzStorageKey);
  FUZZ_CHECK(codec.Decode(&bytes, kFuzzStorageKey).ok() == plain.ok());
  return {};
}

// As if it had been compressed, by others or by us.
FuzzFinding OpenCompressed(std::string_view input) {
  std::string bytes = std::string("CSR1\3\2\x08\0", 8).append(input);
  (void)RecordCodec().Decode(&bytes, kFuzzStorageKey).ok();
  FUZZ_CHECK(bytes.size() <= std::max(input.size() * kCompressionRatioMax, input.size() + 8));
  if (!CompressionAvailable()) return {};
  const std::optional<std::string> smaller = Compress(input, 1);
  FUZZ_CHECK(!smaller || (smaller->size() < input.size() && Decompress(*smaller) == input));
  return {};
}

// As a payload; `change` says what is changed on its way.
FuzzFinding ThereAndBack(std::string_view payload, size_t change) {
  const RecordCodec& codec = CodecFor(EncryptionMode::kRequire);
  Record made;
  made.instance = 1;
  made.ancestry.lives.Add(1);
  made.ancestry.dot = {1, 1};
  made.ancestry.context.Add(made.ancestry.dot, 1);
  made.payload = payload;
  const std::string sealed = codec.Encode(&made, kFuzzStorageKey);
  std::string bytes = sealed;
  const Result<Record> read = codec.Decode(&bytes, kFuzzStorageKey);
  FUZZ_CHECK(read.ok() && read->payload == payload);
  FUZZ_CHECK(read->ancestry.fingerprint == made.ancestry.fingerprint);
  bytes = sealed;
  bytes[change % bytes.size()] = static_cast<char>(bytes[change % bytes.size()] ^ (1 << (change % 7)));
  FUZZ_CHECK(!codec.Decode(&bytes, kFuzzStorageKey).ok());
  bytes = sealed.substr(0, change % sealed.size());
  FUZZ_CHECK(!codec.Decode(&bytes, kFuzzStorageKey).ok());
  return {};
}

}  // namespace

FuzzFinding FuzzSealedRecord(std::string_view input) {
  if (input.empty()) return OpenBytes(input);
  const std::string_view rest = input.substr(1);
  switch (input[0] & 3) {
    case 0:
      return OpenBytes(rest);
    case 1:
      return OpenEncrypted(rest);
    case 2:
      return OpenCompressed(rest);
    default:
      return ThereAndBack(
          rest, rest.size() > 1 ? static_cast<unsigned char>(rest[0]) * 256u + static_cast<unsigned char>(rest[1]) : 3);
  }
}

}  // namespace clustered_session
