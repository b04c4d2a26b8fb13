// The bytes of a node's news. Layer: tests.
#include "src/record/news_log.h"

#include <catch2/catch.hpp>
#include <string>

using namespace clustered_session;

namespace {

SessionKey KeyOf(int number) { return Hash128({}, "session", std::to_string(number)); }

}  // namespace

TEST_CASE("A log of news is read as it was written, and what was appended behind it", "[news]") {
  NewsLog log;
  log.id = 0x1234567890abcdef;
  log.first = 1ull << 40;
  std::string bytes = EncodeNewsLog(log);
  CHECK(bytes.size() == kNewsUnit);
  for (int i = 0; i < 3; ++i) {
    log.records.push_back({KeyOf(i), 7u + static_cast<uint32_t>(i)});
    bytes += EncodeNews(log.records.back());
  }
  CHECK(bytes == EncodeNewsLog(log));
  const std::optional<NewsLog> read = DecodeNewsLog(bytes);
  REQUIRE(read);
  CHECK(read->id == log.id);
  CHECK(read->first == log.first);
  CHECK(read->records == log.records);
  CHECK(read->end() == log.first + 3);
}

TEST_CASE("A log of news with a wrong byte, or with half a record, is none", "[news]") {
  NewsLog log;
  log.id = 1;
  log.records = {{KeyOf(1), 1}, {KeyOf(2), 2}};
  const std::string good = EncodeNewsLog(log);
  REQUIRE(DecodeNewsLog(good));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    CHECK_FALSE(DecodeNewsLog(bad));
    if (i % kNewsUnit != 0 || i == 0) CHECK_FALSE(DecodeNewsLog(good.substr(0, i)));
  }
}
