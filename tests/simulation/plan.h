// Plan: what a seed makes of a history before it begins: how many of each, settings, which faults may happen. And the
// seed's random numbers. Layer: tests. Pure.
#ifndef CLUSTERED_SESSION_TESTS_SIMULATION_PLAN_H_
#define CLUSTERED_SESSION_TESTS_SIMULATION_PLAN_H_

#include <cstdint>
#include <random>
#include <string>

#include "src/session/context.h"

namespace clustered_session {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // 0 to bound - 1. The standard's distributions differ from library to library; a seed must not.
  int Below(int bound) { return static_cast<int>(engine_() % static_cast<uint64_t>(bound)); }
  bool OneIn(int n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// A seed's kind is its remainder by the number of kinds, so that a seed alone names a history.
enum class Kind : uint8_t {
  kCalm,          // nodes and servers do not fail: slow requests, moving clients, clocks, evictions
  kSingleFaults,  // and one fails at a time: a node only while the others that work hold all that it holds
  kManyFaults,    // several at once, servers cut off from nodes, lost answers, late writes; nothing is destroyed
  kDestructions,  // the same, and sessions are destroyed, in strict mode
};
inline constexpr uint64_t kKinds = 4;
inline Kind KindOf(uint64_t seed) { return static_cast<Kind>(seed % kKinds); }

struct Plan {
  Kind kind = Kind::kCalm;
  int servers = 1;
  int nodes = 1;
  int spare_nodes = 0;  // that are in no server's list to begin with
  int clients = 1;
  int events = 60;
  bool same_server_id = false;  // by mistake
  bool strict = false;          // session.use_strict_mode
  bool destructions = false;
  bool ahead_clocks = false;  // of the servers, each by its own
  bool news = false;          // each server has a thread that reads news, mostly in time
  SessionSettings settings;   // all but server_id

  bool faults() const { return kind != Kind::kCalm; }
  bool many_faults() const { return kind == Kind::kManyFaults || kind == Kind::kDestructions; }
  bool merges() const { return settings.on_conflict == ConflictRule::kMerge; }
  bool behind() const { return settings.write == WriteMode::kBehind; }
  int copies() const;  // that a session can have

  // One line, for the trace.
  std::string Describe() const;
};

Plan DrawPlan(uint64_t seed, Random* random);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SIMULATION_PLAN_H_
