// SetupWatch: what the requests of a pool show of mistakes in its setup that no request sees alone. Layer: session. In
// shared memory, one for each pool of a server; lock-free; zeroed = nothing seen. Each mistake is told once. Clients
// can forge cookies, so a mistake only makes a line in the log.
#ifndef CLUSTERED_SESSION_SESSION_SETUP_WATCH_H_
#define CLUSTERED_SESSION_SESSION_SETUP_WATCH_H_

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"

namespace clustered_session {

class LoadedSession;
struct OpenScope;

// What loading a session has shown.
struct LoadSign {
  bool had_copy = false;     // this server had a copy of it
  bool taken_over = false;   // from another server or instance
  bool exists = false;       // it is not empty and new
  bool of_other = false;     // the client shows the affinity cookie of another server
  bool gone = false;         // an ID of our own making, and nothing is known of it
  bool of_namesake = false;  // it shows this server's, which another instance has sent after this one had the session
};

enum class SetupMistake : uint32_t {
  kNone = 0,
  kRouting = 1u << 0,       // no session comes to the server that had it last
  kNamesake = 1u << 1,      // two servers have one server_id
  kNothingFound = 1u << 2,  // what another server has written is never found
};

struct SetupWatch {
  static constexpr uint32_t kTakeovers = 1000;                         // in a row, with no session that stayed
  static constexpr Duration kTakeoversTime = std::chrono::minutes(1);  // at least: else it may be a failover
  static constexpr uint32_t kNamesakes = 3;                            // a reload of PHP may make one
  static constexpr uint32_t kUnknown = 100;  // sessions of other servers in a row that no node knows
  static constexpr Duration kFirstCheck = std::chrono::minutes(1);  // of node lists: after the first session
  static constexpr Duration kCheckInterval = std::chrono::minutes(10);

  // Notes a load; returns a mistake that is to be told now.
  SetupMistake NoteLoad(const LoadSign& sign, TimePoint now);

  // Whether the node list is to be compared with that of other servers: once per interval, by the background.
  bool CheckDue(TimePoint now);

  // For another pool.
  void Clear();

  std::atomic<uint64_t> pool_hash;       // whose this is
  std::atomic<int64_t> takeovers_at_ns;  // when the row of takeovers began
  std::atomic<uint32_t> takeovers;
  std::atomic<uint32_t> namesakes;
  std::atomic<uint32_t> unknown;
  std::atomic<uint32_t> told;        // SetupMistakes
  std::atomic<int64_t> check_at_ns;  // when CheckDue() says so next
  std::atomic<uint64_t> told_list;   // hash of the other node list that was told last
  std::atomic<uint32_t> check_pool;  // the number of the pool that is to be compared; 0 = none
  std::atomic<uint32_t> gone_ids;    // see LoadSign::gone

 private:
  SetupMistake Tell(SetupMistake mistake);
};

// Notes the load of `loaded`, which has just completed, with its pool's watch; a mistake becomes a notice of `open`.
void WatchSetup(OpenScope* open, const LoadedSession& loaded);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SETUP_WATCH_H_
