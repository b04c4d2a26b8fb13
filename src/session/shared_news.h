// SharedNews: what a server has read of its nodes' news, in shared memory. Layer: session. Lock-free; zeroed = nobody
// reads any. The thread that has the seat of a pool's credentials writes it; every read of a local copy looks at it.
// See docs/protocol.md, 'News'.
#ifndef CLUSTERED_SESSION_SESSION_SHARED_NEWS_H_
#define CLUSTERED_SESSION_SESSION_SHARED_NEWS_H_

#include <atomic>
#include <cstdint>

#include "src/base/clock.h"
#include "src/base/session_key.h"

namespace clustered_session {

// The news of one pool's nodes.
struct PoolNews {
  static constexpr Duration kIdle = std::chrono::seconds(15);  // without a request, after which no news are read

  std::atomic<uint64_t> pool_hash;
  std::atomic<int64_t> looked_at_ns;  // when the last look began that has ended; 0 = there was none
  std::atomic<int64_t> missed_at_ns;  // until then some may have been missed: copies confirmed before are not trusted
  std::atomic<int64_t> used_at_ns;    // when a request had a copy last; a second late at most. 0 = never
  std::atomic<uint32_t> asleep;       // the reader waits to be woken

  // For another pool.
  void Clear() {
    looked_at_ns.store(0);
    used_at_ns.store(0);
  }

  // Whether news should be read now.
  bool Wanted(TimePoint now) const {
    const int64_t used_ns = used_at_ns.load();
    return used_ns != 0 && FromNanos(used_ns) + kIdle > now;
  }
};

struct SharedNews {
  static constexpr uint32_t kPools = 16;    // as many as SharedPoolTable has slots
  static constexpr uint32_t kNames = 4096;  // sessions whose keys share one are named together

  // The news of a pool with this number and this hash of its settings; null for number 0.
  PoolNews* ViewOf(uint8_t pool, uint64_t pool_hash);

  // A session was named by another server's news. `local_key`: of its entry here.
  void Name(const SessionKey& local_key, TimePoint now);

  // Whether a copy that a node confirmed at that time may be trusted, as far as news tell: nobody reads any, and
  // local_trust alone bounds it; or they were read less than one and a half `interval` ago, and have not named it
  // since.
  bool Allow(const PoolNews& view, Duration interval, const SessionKey& local_key, int64_t confirmed_at_ns,
             TimePoint now) const;

  PoolNews pools[kPools];
  std::atomic<int64_t> named_at_ns[kNames];  // by key
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_SHARED_NEWS_H_
