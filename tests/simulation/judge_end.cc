// What must hold once everything is healed.
#include <algorithm>

#include "tests/simulation/judge.h"

namespace clustered_session {

// G5: what a server had told a client that it keeps is on the nodes after its flush.
void Judge::CheckFlushed() {
  for (auto& [id, facts] : sessions_) {
    for (const auto& [name, key] : facts.keys) {
      if (!key.told || key.stored || key.excused || key.life < facts.life || !plan_.merges()) continue;
      const int server = ServerOf(key.local_to);
      if (server < 0 || Expired(facts.serving.at(key.local_to), server)) continue;
      Violated("G5: " + world_.NameOf(server) + " has not written " + name + ", although the nodes are back");
    }
  }
}

// G1 and G4: every server shows every acknowledged key that has a copy, and none of a life before.
void Judge::CheckShown(int server, const std::string& session, const std::set<std::string>& shown) {
  const Facts& facts = FactsOf(session);
  for (const auto& [name, key] : facts.keys) {
    const bool has = shown.count(name) > 0;
    const bool had_to_lose = !plan_.merges() && world_.Conflicts() > key.conflicts;
    if (key.acknowledged() && key.life == facts.life && !has && !had_to_lose) {
      Violated("G1: after healing, " + world_.NameOf(server) + " does not show acknowledged " + name);
    }
    if (has && key.life < facts.life && !key.undecided) {
      Violated("G4: after healing, " + world_.NameOf(server) + " shows " + name + " of a destroyed session");
    }
    if (has && key.removed && calm_) {
      Violated("G3: at the end, " + world_.NameOf(server) + " shows " + name + ", which was removed");
    }
  }
}

// G1: and it has all its copies again.
void Judge::CheckCopiesAtEnd() {
  for (auto& [id, facts] : sessions_) {
    for (const auto& [name, key] : facts.keys) {
      if (!key.acknowledged() || key.life < facts.life || key.holders >= plan_.copies()) continue;
      if (!plan_.merges() && world_.Conflicts() > key.conflicts) continue;
      Violated("G1: after healing, " + std::to_string(key.holders) + " nodes hold " + name + " in place of " +
               std::to_string(plan_.copies()));
    }
  }
}

}  // namespace clustered_session
