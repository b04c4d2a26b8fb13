#include "tests/simulation/witness.h"

#include <algorithm>

#include "src/base/session_key.h"

namespace clustered_session {

using std::chrono::seconds;

Witness::Account& Witness::AccountOf(const std::string& session) {
  Account& account = accounts_[session];
  if (account.storage_key.empty()) {
    account.storage_key = StorageKey("cs:", Hash128({}, "cs:", session));
    account.nodes.resize(static_cast<size_t>(world_.nodes()));
  }
  return account;
}

std::vector<std::string> Witness::Sessions() const {
  std::vector<std::string> ids;
  for (const auto& [id, account] : accounts_) ids.push_back(id);
  return ids;
}

void Witness::Violated(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  Say("VIOLATED: " + what);
}

bool Witness::Current(const Account& account, const Key& key) const {
  return key.told && key.stored && !key.removed && !key.undecided && key.generation == account.generation;
}

uint64_t Witness::FinishedByOthers(const Account& account, int process) {
  uint64_t sum = 0;
  for (const auto& [other, count] : account.finished) sum += other == process ? 0 : count;
  return sum;
}

// Whether this server takes the session for one that nobody has used for its lifetime; a little early, as what is
// shorter than a second is not written for.
bool Witness::OverAt(const Account& account, int server) const {
  const auto serving = account.serving.find(world_.ProcessOf(server));
  if (serving == account.serving.end()) return false;
  const uint32_t lifetime_s = serving->second.lifetime_s;
  return lifetime_s == 0 || world_.NowOf(server) >= serving->second.used + seconds(lifetime_s) - seconds(2);
}

// The nodes that have answered, and did so last.
std::set<int> Witness::AnsweredSince(int server, const std::vector<uint64_t>& answers) {
  std::set<int> answered;
  const std::vector<uint64_t> now = world_.AnswersTo(server);
  for (size_t node = 0; node < now.size(); ++node) {
    if (now[node] == answers[node]) continue;
    const FakeNode* connection = world_.ConnectionOf(server, static_cast<int>(node));
    if (connection != nullptr && !connection->failed_last()) answered.insert(static_cast<int>(node));
  }
  return answered;
}

void Witness::Happened(const std::string& what) {
  Cause cause;
  cause.what = what;
  Observe(cause);
}

void Witness::Failed(const std::string& what, int lossy_node, bool all) {
  Say(what);
  world_.NoteBroken();
  Cause cause;
  cause.what = what;
  cause.lossy_node = lossy_node;
  cause.all_lost = all;
  Observe(cause);
}

// What only this process had is gone with it.
void Witness::Killed(int process) {
  world_.NoteBroken();  // a write may have reached some nodes only
  NoteStored();
  for (auto& [id, account] : accounts_) {
    account.serving.erase(process);
    for (auto& [name, key] : account.keys) {
      if (key.local_to == process && !key.stored) key.undecided = true;
    }
  }
  Happened("a server's death");
}

void Witness::ThreadRan(int server, const std::string& what) {
  for (auto& [id, account] : accounts_) {
    const auto serving = account.serving.find(world_.ProcessOf(server));
    if (serving != account.serving.end()) serving->second.answered = world_.NowOf(server);
  }
  Happened(what);
}

void Witness::Rewritten(const std::string& session, int node) {
  Account& account = AccountOf(session);
  account.nodes[static_cast<size_t>(node)] = LookAt(node, session, {});
  Say(Describe());
}

// What the nodes hold, for the trace.
std::string Witness::Describe() {
  std::string text;
  for (const auto& [id, account] : accounts_) {
    std::string line;
    bool any = false;
    for (int node = 0; node < world_.nodes(); ++node) {
      const Held& held = account.nodes[static_cast<size_t>(node)];
      FakeMemcached& server = world_.node(node);
      line += "  " + server.name() + (server.down() ? " (down)" : server.hung() ? " (hung)" : "") + ":";
      if (!held.present) continue;
      any = true;
      const std::optional<Record> record = world_.RecordOn(node, account.storage_key);
      if (record) {
        line += " l" + std::to_string(record->ancestry.lives.size()) + "/" +
                std::to_string(record->ancestry.ended.size()) + " v" + std::to_string(record->version) + " e" +
                std::to_string(record->epoch) + " i" + std::to_string(record->instance % 1000);
      }
      if (held.later) line += " later format";
      if (held.tombstone) {
        line += " ended " + std::to_string(held.knows);
        continue;
      }
      line += " {";
      for (const std::string& key : held.keys) line += (line.back() == '{' ? "" : " ") + key;
      line += "}";
    }
    if (!any && accounts_.size() > 1) continue;
    text += (text.empty() ? "  " : "\n  ") + id.substr(id.size() - 8) + " (" + std::to_string(account.generation) +
            ")" + line;
  }
  return text;
}

// G5: what a server had told a client that it keeps is on the nodes after its flush.
void Witness::CheckFlushed() {
  for (const auto& [id, account] : accounts_) {
    for (const auto& [name, key] : account.keys) {
      if (!key.told || key.stored || key.removed || key.undecided || key.generation < account.generation ||
          !plan_.merges())
        continue;
      if (plan_.breadth.too_large || MayRefuse(account, ErrorCode::kUnavailable)) continue;  // perhaps no node takes it
      for (int server = 0; server < world_.servers(); ++server) {
        if (world_.ProcessOf(server) != key.local_to || OverAt(account, server)) continue;
        Violated("G5: " + world_.NameOf(server) + " has not written " + name + ", although the nodes are back");
      }
    }
  }
}

// G1 and G4: every server shows every acknowledged key that has a copy, and nothing of what was destroyed.
void Witness::CheckShown(const Turn& turn) {
  const Account& account = AccountOf(turn.session);
  const std::vector<int> placed = world_.PlacedBy(turn.server, turn.session);
  for (const auto& [name, key] : account.keys) {
    const bool has = turn.shown.count(name) > 0;
    // Several faults, or nodes that do not take a session of its size, may leave the only copy on a node that the new
    // list does not place the session on.
    const bool reachable = (!plan_.many_faults() && !plan_.breadth.too_large) ||
                           std::any_of(placed.begin(), placed.end(), [&, &key = name](int node) {
                             return account.nodes[static_cast<size_t>(node)].keys.count(key) > 0;
                           });
    if (Current(account, key) && !has && reachable && !MayLose(key)) {
      Violated("G1: after healing, " + world_.NameOf(turn.server) + " does not show acknowledged " + name);
    }
    if (has && key.generation < account.generation && !key.undecided) {
      Violated("G4: after healing, " + world_.NameOf(turn.server) + " shows " + name + " of a destroyed session");
    }
  }
}

}  // namespace clustered_session
