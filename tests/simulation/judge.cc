#include "tests/simulation/judge.h"

#include <algorithm>

#include "src/base/session_key.h"

namespace clustered_session {
namespace {

std::string Join(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : " ") + key;
  return "{" + text + "}";
}

}  // namespace

Judge::Facts& Judge::FactsOf(const std::string& session) {
  Facts& facts = sessions_[session];
  if (facts.storage_key.empty()) facts.storage_key = StorageKey("cs:", Hash128({}, "cs:", session));
  return facts;
}

std::vector<std::string> Judge::Sessions() const {
  std::vector<std::string> ids;
  for (const auto& [id, facts] : sessions_) ids.push_back(id);
  return ids;
}

void Judge::Violated(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  Say("VIOLATED: " + what);
}

int Judge::ServerOf(int process) const {
  for (int server = 0; server < world_.servers(); ++server) {
    if (world_.ProcessOf(server) == process) return server;
  }
  return -1;
}

// Takes in what nodes have acknowledged since the last event. Whether one of that was a tombstone.
bool Judge::Observe() {
  bool tombstone = false;
  for (const FakeNode::Stored& stored : world_.TakeStored()) {
    Result<Record> record = DecodeRecord(stored.value, stored.key);
    if (!record.ok()) continue;
    tombstone |= record->tombstone();
    for (auto& [id, facts] : sessions_) {
      if (facts.storage_key != stored.key) continue;
      for (const std::string& name : KeysIn(record->payload)) {
        const auto found = facts.keys.find(name);
        if (found == facts.keys.end() || found->second.stored) continue;
        found->second.stored = true;
        found->second.acknowledged_at = world_.now();
      }
    }
  }
  return tombstone;
}

// When a node has answered this server last for this session. Whether one has since the last event.
bool Judge::NoteAnswers(int server, const std::string& session) {
  uint64_t& before = answers_[world_.ProcessOf(server)];
  const uint64_t now = world_.Answered(server);
  const bool answered = now != before;
  if (answered) FactsOf(session).serving[world_.ProcessOf(server)].answered = world_.NowOf(server);
  before = now;
  return answered;
}

void Judge::CountHolders(const std::string& session, Facts* facts) {
  for (auto& [name, key] : facts->keys) key.holders = 0;
  for (const int node : world_.Placed(session)) {
    const std::optional<Record> record = world_.RecordOn(node, facts->storage_key);
    if (!record) continue;
    for (const std::string& name : KeysIn(record->payload)) {
      const auto found = facts->keys.find(name);
      if (found == facts->keys.end()) continue;
      Key& key = found->second;
      const TimePoint until = world_.ExpiryOn(node, facts->storage_key);
      if (key.holders++ == 0 || until > key.held_until) key.held_until = until;
    }
  }
}

// G4 holds while one node holds the tombstone, or what was begun after it.
void Judge::ForgetEnds(const std::string& session, Facts* facts) {
  bool known = false;
  for (const int node : world_.Placed(session)) {
    const std::optional<Record> record = world_.RecordOn(node, facts->storage_key);
    known |= record && record->tombstone();
  }
  for (const auto& [name, key] : facts->keys) known |= key.holders > 0 && key.life == facts->life;
  if (known) return;
  facts->ends_forgotten = true;
  for (auto& [name, key] : facts->keys) key.undecided = key.excused = true;
}

// G1 and G3: only a fault that takes a node's memory, the end of its life, a removal or a conflict that is counted may
// take the last copy of an acknowledged key.
void Judge::CheckCopies(const std::string& event, bool may_vanish) {
  Observe();
  world_.NoteState();
  Say(Describe());
  for (auto& [id, facts] : sessions_) {
    std::map<std::string, std::pair<int, TimePoint>> before;
    for (const auto& [name, key] : facts.keys) before[name] = {key.holders, key.held_until};
    CountHolders(id, &facts);
    if (facts.life > 0) ForgetEnds(id, &facts);
    for (auto& [name, key] : facts.keys) {
      if (!key.acknowledged() || key.life < facts.life || key.holders > 0) continue;
      const auto [holders, until] = before[name];
      const bool expired = holders > 0 && until <= world_.now();
      if (expired && facts.used && world_.now() < *facts.used + std::chrono::seconds(Request::kLifetime)) {
        Violated("G1: " + name + " has expired on all nodes while its session was in use");
      } else if (expired || may_vanish || holders == 0) {
        key.excused = true;  // no copy survives: nothing is promised
      } else if (!plan_.merges() && world_.Conflicts() > key.conflicts) {
        key.excused = true;  // one side had to lose, and it was counted
      } else {
        Violated("G3: " + event + " has silently removed the last copy of " + name);
      }
    }
  }
}

// What the nodes hold, for the trace: life, version, epoch, owner and keys of each record.
std::string Judge::Describe() {
  std::string text;
  for (const auto& [id, facts] : sessions_) {
    std::string line;
    bool any = false;
    for (int node = 0; node < world_.nodes(); ++node) {
      const std::optional<Record> record = world_.RecordOn(node, facts.storage_key);
      FakeMemcached& server = world_.node(node);
      line += "  " + server.name() + (server.down() ? " (down)" : server.hung() ? " (hung)" : "") + ":";
      if (!record) continue;
      any = true;
      line += " l" + std::to_string(record->ancestry.lives.size()) + "/" +
              std::to_string(record->ancestry.ended.size()) + " v" + std::to_string(record->version) + " e" +
              std::to_string(record->epoch) + " i" + std::to_string(record->instance % 1000) +
              (record->tombstone() ? " tombstone" : " " + Join(KeysIn(record->payload)));
    }
    if (!any && sessions_.size() > 1) continue;
    text += (text.empty() ? "  " : "\n  ") + (sessions_.size() > 1 ? "session ..." + id.substr(20) : std::string());
    text += line;
  }
  return text;
}

void Judge::Failed(const std::string& what, bool memory_lost) {
  Say(what);
  calm_ = false;
  world_.NoteBroken();
  CheckCopies(what, memory_lost);
}

void Judge::TimePassed() { CheckCopies("time", false); }

// What only this process had is gone with it.
void Judge::Killed(int process) {
  calm_ = false;
  world_.NoteBroken();  // a write may have reached some nodes only
  for (auto& [id, facts] : sessions_) {
    facts.serving.erase(process);
    for (auto& [name, key] : facts.keys) {
      if (key.local_to == process && !key.stored) key.excused = true;
    }
  }
  CheckCopies("a server's death", false);
}

void Judge::Evicted(int server) {
  ++events_;
  for (auto& [id, facts] : sessions_) {
    Serving& serving = facts.serving[world_.ProcessOf(server)];
    serving.local = false;
    serving.evicted = events_;
  }
  CheckCopies("an eviction", false);
}

void Judge::Flushed(int server, bool met_others) {
  for (auto& [id, facts] : sessions_) {
    Serving& serving = facts.serving[world_.ProcessOf(server)];
    serving.local = false;  // if somebody else has gone on, it is not this server's any more
    serving.answered = world_.NowOf(server);
    // Before that it may have waited for a node.
    if (met_others && !serving.met) serving.met = world_.NowOf(server) - std::chrono::seconds(1);
  }
  answers_[world_.ProcessOf(server)] = world_.Answered(server);
  CheckCopies("a flush", false);
}

bool Judge::Survivable(int fails) {
  if (plan_.many_faults()) return true;
  for (auto& [id, facts] : sessions_) {
    std::set<std::string> elsewhere;
    LifeSet ended_here;
    LifeSet ended_elsewhere;
    for (int node = 0; node < world_.nodes(); ++node) {
      const std::optional<Record> record = world_.RecordOn(node, facts.storage_key);
      if (!record) continue;
      if (node == fails) {
        ended_here = record->ancestry.ended;
      } else if (!world_.node(node).down() && !world_.node(node).hung()) {
        for (const std::string& name : KeysIn(record->payload)) elsewhere.insert(name);
        ended_elsewhere.Absorb(record->ancestry.ended);
      }
    }
    if (!ended_elsewhere.Includes(ended_here)) return false;
    for (const auto& [name, key] : facts.keys) {
      if (key.acknowledged() && key.life == facts.life && elsewhere.count(name) == 0) return false;
    }
  }
  return true;
}

}  // namespace clustered_session
