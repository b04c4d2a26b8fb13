#include "tests/simulation/wide_plan.h"

#include <iterator>

namespace clustered_session {
namespace {

using std::chrono::seconds;

struct Named {
  const char* name;
  bool Breadth::*part;
};

constexpr Named kParts[] = {
    {"destructions", &Breadth::destructions},     {"unread", &Breadth::unread},
    {"regenerations", &Breadth::regenerations},   {"lifetimes", &Breadth::lifetimes},
    {"node_evictions", &Breadth::node_evictions}, {"entry_evictions", &Breadth::entry_evictions},
    {"forgetful", &Breadth::forgetful},           {"lists", &Breadth::lists},
    {"later_formats", &Breadth::later_formats},   {"too_large", &Breadth::too_large},
    {"node_clocks", &Breadth::node_clocks},       {"repair", &Breadth::repair},
    {"unseen_ends", &Breadth::unseen_ends},       {"leftovers", &Breadth::leftovers},
    {"restarted", &Breadth::restarted},
};
constexpr int kDrawn = 12;  // the parts before that are drawn; the others are judged wherever they may be

}  // namespace

bool SetBreadth(const std::string& name, bool value, Breadth* breadth) {
  bool known = false;
  for (const Named& part : kParts) {
    if (name != "all" && name != part.name) continue;
    breadth->*part.part = value;
    known = true;
  }
  return known;
}

Breadth KeptBreadth() {
  Breadth breadth;
  breadth.destructions = breadth.unread = breadth.regenerations = breadth.lifetimes = true;
  breadth.node_evictions = breadth.entry_evictions = breadth.forgetful = breadth.node_clocks = breadth.repair = true;
  breadth.lists = breadth.later_formats = breadth.too_large = breadth.leftovers = breadth.restarted = true;
  return breadth;
}

std::string WidePlan::DescribeWide() const {
  static constexpr const char* kNames[] = {"calm", "single faults", "many faults"};
  std::string text = std::string("wide, ") + kNames[static_cast<int>(wide_kind)] + ", " + std::to_string(browsers) +
                     " browsers, " + std::to_string(spare_nodes) + " spare nodes;";
  for (const Named& part : kParts) {
    if (breadth.*part.part) text += std::string(" ") + part.name;
  }
  return text + "; " + Describe();
}

WidePlan DrawWidePlan(uint64_t seed, const Breadth& allowed, Random* random) {
  WidePlan plan;
  static_cast<Plan&>(plan) = DrawPlan(seed, random);
  plan.wide_kind = WideKindOf(seed);
  plan.kind = plan.wide_many() ? Kind::kDestructions : plan.wide_faults() ? Kind::kSingleFaults : Kind::kCalm;
  plan.strict = random->OneIn(2);
  plan.same_server_id = false;
  plan.browsers = 1 + random->Below(3);
  plan.breadth = allowed;
  // Some at a time, so that a trace shows what of it was needed; in one history of four all.
  const bool all = random->OneIn(4);
  for (int i = 0; i < kDrawn; ++i) {
    const bool drawn = random->OneIn(2);
    plan.breadth.*kParts[i].part &= all || drawn;
  }
  plan.breadth.forgetful &= random->OneIn(2);
  if (plan.breadth.forgetful) plan.events += 100;  // for that many writers
  if (plan.breadth.lists) plan.spare_nodes = 1 + random->Below(2);
  plan.destructions = plan.breadth.destructions;
  return plan;
}

}  // namespace clustered_session
