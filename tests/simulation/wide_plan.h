// WidePlan: what a seed makes of a wide history before it begins. Wide histories have several sessions with a life of
// their own each, and draw what the narrow ones of plan.h leave out. Layer: tests. Pure.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_PLAN_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_PLAN_H_

#include <cstdint>
#include <string>

#include "tests/simulation/plan.h"

namespace clustered_session {

// A wide seed's kind is its remainder by the number of kinds.
enum class WideKind : uint8_t {
  kCalm,    // no node and no server fails
  kSingle,  // one node at a time fails, or loses items; servers are killed
  kMany,    // any number of nodes, servers, connections and messages fail at once
};
inline constexpr uint64_t kWideKinds = 3;
inline WideKind WideKindOf(uint64_t seed) { return static_cast<WideKind>(seed % kWideKinds); }

// What may be drawn, and what may be judged. Each seed draws some of what is true here.
struct Breadth {
  bool destructions = false;     // by requests that have read the session
  bool unread = false;           // by servers that have not
  bool regenerations = false;    // of IDs, with and without destroying
  bool lifetimes = false;        // another one for each request
  bool node_evictions = false;   // of single items
  bool entry_evictions = false;  // of single entries
  bool forgetful = false;        // servers that keep no entry at all
  bool lists = false;            // of nodes, changed on one server after the other
  bool later_formats = false;    // records that a newer server has written
  bool too_large = false;        // sessions that some nodes do not take
  bool node_clocks = false;      // that leap ahead
  bool repair = false;           // by each server's thread, now and then
  bool unseen_ends = false;      // judged: keys of a session that was begun where its end could not be seen
  bool leftovers = false;        // judged: older records beyond those that should hold a session
  bool restarted = false;        // judged: misses of nodes that have lost their memory
};

// By name, or "all"; false if there is no such name.
bool SetBreadth(const std::string& name, bool value, Breadth* breadth);
// What the protocol keeps today, and what CI runs.
Breadth KeptBreadth();

struct WidePlan : Plan {
  WideKind wide_kind = WideKind::kCalm;
  Breadth breadth;
  int browsers = 2;  // each has a session, and shares it between its tabs, the clients

  bool wide_faults() const { return wide_kind != WideKind::kCalm; }
  bool wide_many() const { return wide_kind == WideKind::kMany; }
  std::string DescribeWide() const;
};

WidePlan DrawWidePlan(uint64_t seed, const Breadth& allowed, Random* random);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_WIDE_PLAN_H_
