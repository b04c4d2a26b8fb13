// The bytes of a node's news: a header, then records of one size, in the order in which servers have appended them.
// Layer: record. Pure. See docs/protocol.md, 'News'.
//
// Every server appends without knowing how long the log is. One that finds it long takes records off its front, and the
// header counts them: so a reader knows from its last position whether it has missed any.
#ifndef CLUSTERED_SESSION_RECORD_NEWS_LOG_H_
#define CLUSTERED_SESSION_RECORD_NEWS_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/session_key.h"

namespace clustered_session {

inline constexpr size_t kNewsUnit = 24;  // bytes of the header, and of each record

// A session was taken over or has ended.
struct NewsRecord {
  SessionKey key;       // the session's, on all servers
  uint32_t writer = 0;  // the actor that tells it

  friend bool operator==(const NewsRecord&, const NewsRecord&) = default;
};

struct NewsLog {
  uint64_t id = 0;     // random, not 0: another one is another log
  uint64_t first = 0;  // how many records were taken off the front
  std::vector<NewsRecord> records;

  uint64_t end() const { return first + records.size(); }
};

std::string EncodeNews(const NewsRecord& record);
std::string EncodeNewsLog(const NewsLog& log);

// None if it is no log, or if a record of it is damaged.
std::optional<NewsLog> DecodeNewsLog(std::string_view bytes);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_RECORD_NEWS_LOG_H_
