// Runs the fuzz targets in every test run: on inputs that were written down and on random changes of them. The seed is
// printed on failure; CLUSTERED_SESSION_TEST_SEED=<seed> repeats a run.
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "src/record/record.h"
#include "src/record/record_codec.h"

namespace clustered_session {
namespace {

using namespace std::string_literals;

constexpr int kRounds = 20000;  // per target
constexpr size_t kInputLengthMax = 4096;

using Corpus = std::vector<std::string>;

unsigned Seed() {
  const char* given = std::getenv("CLUSTERED_SESSION_TEST_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
}

std::string Hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

class Mutator {
 public:
  Mutator(unsigned seed, const Corpus& corpus) : random_(seed), corpus_(corpus) {}

  // One of the corpus after a few changes.
  std::string Next() {
    std::string input = Pick();
    for (size_t changes = Below(5); changes > 0; changes--) Change(&input);
    input.resize(std::min(input.size(), kInputLengthMax));
    return input;
  }

 private:
  size_t Below(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }
  const std::string& Pick() { return corpus_[Below(corpus_.size())]; }

  void Change(std::string* input) {
    const size_t at = Below(input->size() + 1);
    const size_t length = Below(input->size() - at + 1);
    const std::string& other = Pick();
    const size_t from = Below(other.size() + 1);
    switch (Below(5)) {
      case 0:
        if (at < input->size()) (*input)[at] = static_cast<char>(Below(256));
        break;
      case 1:
        input->insert(at, 1, static_cast<char>(Below(256)));
        break;
      case 2:
        input->erase(at, length);
        break;
      case 3:
        input->insert(at, other, from, Below(other.size() - from + 1));
        break;
      default:
        input->insert(at, input->substr(at, length));
        break;
    }
  }

  std::mt19937 random_;
  const Corpus& corpus_;
};

void RunTarget(FuzzFinding (*target)(std::string_view), const Corpus& corpus) {
  const unsigned seed = Seed();
  Mutator mutator(seed, corpus);
  for (int round = -static_cast<int>(corpus.size()); round < kRounds; round++) {
    const std::string input = round < 0 ? corpus[static_cast<size_t>(-round - 1)] : mutator.Next();
    const FuzzFinding finding = target(input);
    if (finding.empty()) continue;
    CAPTURE(seed, round, Hex(input));
    FAIL(finding);
  }
  SUCCEED();
}

TEST_CASE("whatever save_path holds, it is refused in one line or read as unique, canonical nodes") {
  RunTarget(FuzzSavePath,
            {"", "10.0.0.1:11211,10.0.0.2:11211", "m1=a:1:2, m2=[::1]:5:7", "u=unix:/run/a=b:0:3,/run/s:0", "tcp://a:1",
             "PERSISTENT=a b", "a..b,[fe80::a]", "10.1,1000", "a\0b"s});
}

TEST_CASE("whatever clients send and settings hold, it is refused or comes back as it was") {
  RunTarget(FuzzClientInput, {"", "abcdef0123456789-m1", "a-b-c,d-", "web-1.7", "a.18446744073709551615", "a.0", "a.01",
                              "web-1.example.com", "10.0.0.1", "250ms", "2562047h", " 10s ", "64M", "17179869183G"});
}

TEST_CASE("whatever payloads hold, they are refused or split and merged as maps are") {
  // A 0xfe stands between the payloads; the literals break where a hexadecimal digit would follow it.
  RunTarget(FuzzMerge, {
                           "",
                           "\0a|i:1;\xfe"
                           "a|i:2;b|s:3:\"a|b\";\xfe"
                           "a|i:1;c|a:1:{i:0;N;}"s,
                           "\1\1ai:1;\xfe\1ai:2;\xfe\1ai:3;\1bd:0.5;"s,
                           "\2a:1:{s:1:\"a\";i:1;}\xfe"
                           "a:1:{i:5;b:1;}\xfe"
                           "a:2:{i:5;b:0;s:1:\"k\";O:1:\"P\":1:{s:1:\"a\";E:3:\"A:B\";}}",
                           "\2a:1:{s:1:\"a\";r:1;}\xfe\xfe",
                           "\3opaque\xfeone\xfetwo",
                           "\4\1\2\3\4\5\6\7\10\11\22\33\44\77\127\207\217",
                           "\5\7\33\73\273\367\1\2\217\207\77\6\5",
                           "\6\7\33\273\44\367\1\2\217\207\77\6\5\7\7",
                       });
}

TEST_CASE("whatever a node holds under our key, it is not believed or it is what we would write") {
  Record record;
  record.version = 1;
  record.instance = 1;
  record.ancestry.dot = {1, 1};
  record.ancestry.context.Add(record.ancestry.dot, 1);
  record.ancestry.lives.Add(1);
  record.payload = "n|i:1;";
  Record tombstone;
  tombstone.ancestry = record.ancestry.End();
  constexpr std::string_view kKey = "cs:AAAAAAAAAAAAAAAAAAAAAA";
  RunTarget(FuzzRecord,
            {"", "garbage", "CSR1\1\0\xc0\0"s, EncodeRecord(&record, kKey), EncodeRecord(&tombstone, kKey)});
}

TEST_CASE("whatever a node holds in place of a sealed record, it is not believed or it is what was written") {
  const RecordCodec codec{std::make_shared<PoolKeys>(**Keyring::Parse(kFuzzKeyLine), "cs:"), EncryptionMode::kRequire};
  Record record;
  record.version = 1;
  record.instance = 1;
  record.ancestry.dot = {1, 1};
  record.ancestry.context.Add(record.ancestry.dot, 1);
  record.ancestry.lives.Add(1);
  record.payload = "n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;n|i:1;";
  const std::string sealed = codec.Encode(&record, kFuzzStorageKey);
  RunTarget(FuzzSealedRecord, {"", "\0garbage"s, "\0" + sealed, "\1" + sealed, "\2payload", "\3payload"s,
                               "\0CSR1\3\2\x08\0"s, "\0CSR1\3\6\x24\0"s});
}

TEST_CASE("whatever stands in a key file, it is refused in one line or has names and keys that differ") {
  RunTarget(FuzzKeyFile, {"", std::string(kFuzzKeyLine), "# a\n\n" + std::string(kFuzzKeyLine) + "\r\n", "k1 AAAA",
                          std::string(kFuzzKeyLine) + "\nk2 " + std::string(kFuzzKeyLine).substr(3)});
}

TEST_CASE("whatever a node answers, it is judged within its bytes, and what is whole stays so") {
  RunTarget(FuzzReply, {"", "VALUE k 0 1 7\r\nv\r\nEND\r\n", "VA 1 c7 O9\r\nv\r\n", "EN O9\r\n", "EN\r\n", "ERROR\r\n",
                        "STORED\r\nHD c8 f42 O9\r\n", "EXISTS\r\nHD c8 f1 O9\r\n", "NOT_FOUND\r\nEN\r\n",
                        "SERVER_ERROR out of memory storing object\r\nHD c7 f1 O9\r\n", "HD c1 f0 O0\r\nEND\r\n",
                        "STAT item_size_max 1048576\r\nEND\r\n", "CLIENT_ERROR unauthenticated\r\n",
                        // The binary protocol: an item, a store's and a login's success and failure, a setting.
                        "\x81\0\0\0\4\0\0\0\0\0\0\5\0\0\0\x09\0\0\0\0\0\0\0\7\0\0\0\0v"s,
                        "\x81\3\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\7"s,
                        "\x81\3\0\0\0\0\0\2\0\0\0\4\0\0\0\x09\0\0\0\0\0\0\0\0text"s,
                        "\x81\x21\0\0\0\0\0\0\0\0\0\2\0\0\0\x09\0\0\0\0\0\0\0\0ok"s,
                        "\x81\x21\0\0\0\0\0\x20\0\0\0\4\0\0\0\x09\0\0\0\0\0\0\0\0text"s,
                        "\x81\x10\0\x0d\0\0\0\0\0\0\0\x0e\0\0\0\x09\0\0\0\0\0\0\0\0item_size_max1"
                        "\x81\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0"s});
}

}  // namespace
}  // namespace clustered_session
