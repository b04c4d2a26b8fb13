// The bytes of a node's news, see news_log.h. Layer: record. Pure.
#include "src/record/news_log.h"

#include <cstring>

#include "src/base/bytes.h"
#include "src/base/xxh3.h"

namespace clustered_session {
namespace {

// A unit: 20 bytes, then their sum.
constexpr size_t kSumAt = kNewsUnit - sizeof(uint32_t);
constexpr char kLogMagic[4] = {'C', 'S', 'N', '1'};

using NewsUnit = char[kNewsUnit];

uint32_t SumOf(const char* unit) { return static_cast<uint32_t>(XXH3_64bits(unit, kSumAt)); }

void AppendUnit(NewsUnit& unit, std::string* bytes) {
  StoreLittleEndian(unit + kSumAt, SumOf(unit));
  bytes->append(unit, kNewsUnit);
}

bool IsUnit(const char* unit) { return LoadLittleEndian<uint32_t>(unit + kSumAt) == SumOf(unit); }

void AppendRecord(const NewsRecord& record, std::string* bytes) {
  NewsUnit unit;
  std::memcpy(unit, record.key.bytes.data(), record.key.bytes.size());
  StoreLittleEndian(unit + record.key.bytes.size(), record.writer);
  AppendUnit(unit, bytes);
}

}  // namespace

std::string EncodeNews(const NewsRecord& record) {
  std::string bytes;
  AppendRecord(record, &bytes);
  return bytes;
}

std::string EncodeNewsLog(const NewsLog& log) {
  NewsUnit header;
  std::memcpy(header, kLogMagic, sizeof kLogMagic);
  StoreLittleEndian(header + 4, log.id);
  StoreLittleEndian(header + 12, log.first);
  std::string bytes;
  bytes.reserve((1 + log.records.size()) * kNewsUnit);
  AppendUnit(header, &bytes);
  for (const NewsRecord& record : log.records) AppendRecord(record, &bytes);
  return bytes;
}

std::optional<NewsLog> DecodeNewsLog(std::string_view bytes) {
  if (bytes.size() < kNewsUnit || bytes.size() % kNewsUnit != 0) return std::nullopt;
  const char* unit = bytes.data();
  const char* const end = unit + bytes.size();
  if (std::memcmp(unit, kLogMagic, sizeof kLogMagic) != 0 || !IsUnit(unit)) return std::nullopt;
  NewsLog log;
  log.id = LoadLittleEndian<uint64_t>(unit + 4);
  log.first = LoadLittleEndian<uint64_t>(unit + 12);
  if (log.id == 0) return std::nullopt;
  log.records.reserve(bytes.size() / kNewsUnit - 1);
  for (unit += kNewsUnit; unit != end; unit += kNewsUnit) {
    if (!IsUnit(unit)) return std::nullopt;
    NewsRecord& record = log.records.emplace_back();
    std::memcpy(record.key.bytes.data(), unit, record.key.bytes.size());
    record.writer = LoadLittleEndian<uint32_t>(unit + record.key.bytes.size());
  }
  return log;
}

}  // namespace clustered_session
