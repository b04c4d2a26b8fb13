// News: who takes a session over, or ends it, tells so on the session's nodes, and each server's background thread
// reads what others have told there. Layer: session. See docs/protocol.md, 'News'.
#ifndef CLUSTERED_SESSION_SESSION_NEWS_H_
#define CLUSTERED_SESSION_SESSION_NEWS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/record/news_log.h"
#include "src/session/flusher.h"
#include "src/session/session_address.h"
#include "src/session/shared_news.h"

namespace clustered_session {

// The key of the log, on each node.
std::string NewsKey(const SessionContext& context);

// Tells that other servers' copies of the session are past, on `nodes`, which have just taken what is newer. No wait.
void TellNews(const SessionContext& context, const SessionAddress& address, const std::vector<uint32_t>& nodes);

// Notes that a request has a copy whose news should be read, and wakes the thread if it sleeps. Cheap.
void NoteNewsUse(const SessionContext& context, TimePoint now);

// Whether news let a local copy be trusted that a node confirmed at that time.
bool NewsAllow(const SessionContext& context, const SessionKey& local_key, int64_t confirmed_at_ns, TimePoint now);

// Reads the logs of all nodes of its pools. One object per thread; one thread per set of credentials has the seat for
// it. Where it goes on after another one's death, all copies count as named once.
class NewsReader {
 public:
  static constexpr size_t kTrimAbove = 8 << 10;   // bytes of a log: more than that, and its front half is taken off
  static constexpr size_t kBytesMax = 256 << 10;  // more than that is not read: the log is begun anew

  using Pools = std::function<std::vector<uint8_t>()>;

  // `pools`: the numbers of those to read for. `interval` 0: none.
  NewsReader(LocalStore* store, const Clock* clock, Flusher::ContextOf context_of, Pools pools, Duration interval);

  // Looks where it is time to; returns when it wants to be called again, at the latest. Later than that if nobody has
  // had a request lately: then whoever has one wakes the thread.
  TimePoint Step();

 private:
  // What is known of a node's log.
  struct Log {
    uint64_t id = 0;    // 0: none
    uint64_t next = 0;  // the number of the first record that was not read
    NodeToken token;    // of the item, as it was read
  };
  struct Feed {
    uint8_t pool = 0;
    uint64_t pool_hash = 0;
    TimePoint look_at{};
    std::vector<Log> logs;  // by node
  };
  struct Found {
    bool missed = false;  // something may have been
    std::vector<SessionKey> named;
  };

  void KeepPools();
  static bool Sleeps(PoolNews* news, TimePoint now);
  void Look(Feed* feed, const SessionContext& context, PoolNews* news);
  std::vector<uint32_t> FindChanged(Feed* feed, const SessionContext& context, Found* found);
  void ReadLogs(Feed* feed, const SessionContext& context, const std::vector<uint32_t>& nodes, Found* found);
  std::optional<NewsLog> Take(const SessionContext& context, const NodeReply& read, Log* log, Found* found) const;
  NewsLog NewLog() const;

  LocalStore* store_;
  const Clock* clock_;
  const Flusher::ContextOf context_of_;
  const Pools pools_;
  const Duration interval_;
  std::vector<Feed> feeds_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_NEWS_H_
