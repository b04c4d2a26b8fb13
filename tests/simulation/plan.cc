#include "tests/simulation/plan.h"

#include <algorithm>

namespace clustered_session {

using std::chrono::seconds;

int Plan::copies() const { return std::min(static_cast<int>(settings.copies), nodes); }

std::string Plan::Describe() const {
  static constexpr const char* kNames[] = {"calm", "single faults", "many faults", "many faults and destructions"};
  const auto in_seconds = [](Duration duration) {
    return std::to_string(std::chrono::duration_cast<seconds>(duration).count()) + " s";
  };
  std::string text = kNames[static_cast<int>(kind)];
  text += ": " + std::to_string(servers) + " servers" + (same_server_id ? " of one name" : "") + ", " +
          std::to_string(nodes) + " nodes, " + std::to_string(clients) + " clients; copies " +
          std::to_string(settings.copies) + ", lock " + (settings.lock == LockMode::kNone ? "none" : "local") +
          ", local_trust " + in_seconds(settings.local_trust) + ", takeover_grace " +
          in_seconds(settings.takeover_grace) + ", affinity " +
          (settings.affinity == AffinityMode::kCookie ? "cookie" : "balancer") + ", write " +
          (behind() ? "behind" : "through") + ", on_conflict " +
          (merges()                                      ? "merge"
           : settings.on_conflict == ConflictRule::kMine ? "mine"
                                                         : "theirs") +
          (strict ? ", strict mode" : "") + (destructions ? ", destructions" : "") + (news ? ", news" : "");
  return text;
}

Plan DrawPlan(uint64_t seed, Random* random) {
  Plan plan;
  plan.kind = KindOf(seed);
  // Three of each is where most can go wrong in sixty events; the rest is drawn as well.
  const auto size = [&](int max) { return random->OneIn(2) ? std::min(3, max) : 1 + random->Below(max); };
  plan.servers = size(5);
  plan.nodes = size(5);
  plan.clients = size(8);
  plan.events = 40 + random->Below(50);
  plan.same_server_id = random->OneIn(8);
  plan.ahead_clocks = random->OneIn(2);
  SessionSettings& settings = plan.settings;
  settings.copies = random->OneIn(2) ? 2 : static_cast<uint32_t>(1 + random->Below(3));
  settings.lock = random->OneIn(2) ? LockMode::kNone : LockMode::kLocal;
  if (random->OneIn(3)) settings.local_trust = seconds(random->OneIn(2) ? 0 : 60);
  if (random->OneIn(3)) settings.takeover_grace = seconds(random->OneIn(2) ? 0 : 5);
  if (random->OneIn(8)) settings.affinity = AffinityMode::kBalancer;
  if (random->OneIn(4)) settings.write = WriteMode::kBehind;
  if (random->OneIn(12)) settings.on_conflict = random->OneIn(2) ? ConflictRule::kMine : ConflictRule::kTheirs;
  plan.destructions = plan.kind == Kind::kDestructions || (plan.kind != Kind::kManyFaults && random->OneIn(2));
  plan.strict = plan.kind == Kind::kDestructions || random->OneIn(4);
  plan.news = seed / kKinds % 3 == 0;
  return plan;
}

}  // namespace clustered_session
