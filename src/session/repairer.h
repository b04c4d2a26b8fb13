// Repairer: brings to the nodes what they lack of this server's entries, for no request. Layer: session. One object per
// thread; one thread per set of credentials has the seat for it. See docs/protocol.md, 'Repair'.
//
// It looks at the nodes each second. If something is due, it walks through all entries of the store, in bounded steps:
// once to count what may be missing, then once for incomplete tombstones, once for sessions that not all of their nodes
// have taken, and once for those that a node has lost. What is repaired is seen by the entry itself, so a walk that
// ends in the middle is begun again and finds only what is left. Between walks it brings back what no server holds, see
// refiller.h.
#ifndef CLUSTERED_SESSION_SESSION_REPAIRER_H_
#define CLUSTERED_SESSION_SESSION_REPAIRER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/session/flusher.h"
#include "src/session/refiller.h"
#include "src/session/repair_batch.h"
#include "src/session/shared_repair.h"

namespace clustered_session {

class Repairer {
 public:
  static constexpr Duration kLookInterval = std::chrono::seconds(1);
  static constexpr Duration kWalkPause = std::chrono::seconds(1);       // after a walk
  static constexpr Duration kWalkPauseMax = std::chrono::seconds(30);   // after several that left something
  static constexpr Duration kAuditInterval = std::chrono::minutes(10);  // a walk at least, whatever is due

  using Pools = std::function<std::vector<uint8_t>()>;

  // `pools`: the numbers of those to repair now. `rate`: entries a second, of all of them together; 0 = none.
  Repairer(LocalStore* store, const Clock* clock, Flusher::ContextOf context_of, Pools pools, uint32_t rate);

  // Does a bounded part of what is due; returns when it wants to be called again, at the latest.
  TimePoint Step();

  std::vector<Notice> TakeNotices();

 private:
  enum class Pass : uint8_t { kNone, kCount, kTombstones, kMarked, kLost };

  struct Walk {
    uint8_t pool = 0;
    uint64_t pool_hash = 0;
    TimePoint look_at{};
    TimePoint walk_at{};
    TimePoint audit_at{};
    Duration pause = kWalkPause;
    std::vector<NodeView> nodes;
    Pass pass = Pass::kNone;
    uint32_t due = 0;
    LocalStore::WalkPosition position;
    std::vector<LocalStore::Walked> found;  // and not looked at yet, the last first
    bool at_end = false;
    size_t entries = 0;  // of the pool, that nodes should hold
    size_t left = 0;
    std::vector<int64_t> copies_missing;  // by node
    std::vector<int64_t> tombstones_missing;
    Refiller refiller;
    size_t refilling = 0;  // nodes
  };

  void KeepPools(TimePoint now);
  TimePoint StepOf(Walk* walk, const std::shared_ptr<const SessionContext>& context);
  void Begin(Walk* walk, RepairView* view);
  void Continue(Walk* walk, const std::shared_ptr<const SessionContext>& context);
  TimePoint Refill(Walk* walk, const SessionContext& context);
  bool Fetch(Walk* walk);
  void CountFound(Walk* walk, const SessionContext& context);
  bool IsOfPass(const Walk& walk, const SessionContext& context, const LocalStore::Walked& found) const;
  void RunBatch(Walk* walk, const std::shared_ptr<const SessionContext>& context);
  static bool RefillWanted(const Walk& walk, const SessionContext& context);
  void EndPass(Walk* walk, const SessionContext& context);
  void Charge(size_t worked);
  void Publish(const Walk& walk, const SessionContext& context) const;

  LocalStore* store_;
  const Clock* clock_;
  const Flusher::ContextOf context_of_;
  const Pools pools_;
  const uint32_t rate_;
  TimePoint batch_at_{};  // the next one
  std::vector<Walk> walks_;
  size_t turn_ = 0;
  std::vector<Notice> notices_;
};

// As far as this server knows: every node of the pool answers and holds what it should hold of this server's entries.
// Asks the nodes; one wait. REQUIRES: context.shared
bool IsWhole(const SessionContext& context);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_REPAIRER_H_
