// RoomWatch: whether nodes throw sessions away for want of memory, for the log and the status. Layer: session. One
// object per thread; the thread that has the seat of a pool's credentials uses it.
//
// Nodes are asked for their own figures ("stats"). One that does not tell them, as many managed services, is asked for
// some of this server's sessions instead: what it has taken and has no more, although it is the same process with the
// same memory, it has thrown away. Classic nodes are not asked.
#ifndef CLUSTERED_SESSION_SESSION_ROOM_WATCH_H_
#define CLUSTERED_SESSION_SESSION_ROOM_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/session/flusher.h"
#include "src/session/shared_repair.h"

namespace clustered_session {

// What a node tells of its memory.
struct RoomFigures {
  uint64_t evictions = 0;
  uint64_t bytes = 0;
  uint64_t limit = 0;
};

// From lines of "STAT <name> <value>". False: some of it is not there, or is no number.
bool ParseRoom(std::string_view lines, RoomFigures* figures);

class RoomWatch {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(5);
  static constexpr Duration kAskAgain = std::chrono::minutes(10);  // a node that has refused
  static constexpr Duration kAskSoon = std::chrono::seconds(30);   // one that has not answered: it may be restarting
  static constexpr size_t kSample = 60;                            // sessions, each time

  using Pools = std::function<std::vector<uint8_t>()>;

  // `pools`: the numbers of those to look at now.
  RoomWatch(const Clock* clock, Flusher::ContextOf context_of, Pools pools);

  // Looks where it is time to; returns when it wants to be called again. Waits for nodes, `connect_timeout` and
  // `operation_timeout` at most for each of two looks of each pool.
  TimePoint Step();

  std::vector<Notice> TakeNotices();

 private:
  void Look(const SessionContext& context);
  void Keep(const NodeReply& reply, TimePoint now, NodeMemory* memory) const;
  void Sample(const SessionContext& context, uint32_t node, NodeMemory* memory);
  void Tell(const SessionContext& context);

  const Clock* clock_;
  const Flusher::ContextOf context_of_;
  const Pools pools_;
  TimePoint look_at_{};
  LocalStore::WalkPosition position_;
  std::vector<Notice> notices_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_ROOM_WATCH_H_
