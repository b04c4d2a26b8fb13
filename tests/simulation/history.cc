#include "tests/simulation/history.h"

#include <algorithm>
#include <utility>

#include "src/record/record.h"

namespace clustered_session {
namespace {

std::set<std::string> TokensIn(std::string_view payload) {
  std::set<std::string> tokens;
  Result<std::vector<PayloadField>> fields = SplitPayload(PayloadFormat::kPhp, payload);
  if (!fields.ok()) return tokens;
  for (const PayloadField& field : *fields) tokens.emplace(field.key);
  return tokens;
}

std::string Join(const std::set<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += (text.empty() ? "" : " ") + token;
  return "{" + text + "}";
}

}  // namespace

History::History(uint64_t seed, const HistoryOptions& options) : options_(options), random_(seed) {
  std::vector<FakeMemcached*> nodes;
  for (int i = 0; i < options.nodes; ++i) {
    nodes_.push_back(std::make_unique<FakeMemcached>("m" + std::to_string(i + 1), &clock_));
    nodes.push_back(nodes_.back().get());
  }
  SeedSessionIds(seed);
  const bool no_lock = Below(2) == 0;
  for (int i = 0; i < options.servers; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    servers_.push_back(std::make_unique<WebServer>(name, nodes, &clock_));
    if (no_lock) servers_.back()->context().settings.lock = LockMode::kNone;
  }
  tabs_.resize(static_cast<size_t>(options.tabs));
  // The session exists, and every tab has its cookies.
  Request first(servers_[0].get(), &tabs_[0].browser);
  (void)first.Start().ok();
  (void)first.Finish("t0|i:1;").ok();
  for (Tab& tab : tabs_) tab.browser = tabs_[0].browser;
  session_id_ = tabs_[0].browser.session_id;
  storage_key_ = StorageKey("cs:", HashSessionId({}, "cs:", session_id_));
  tokens_["t0"].acknowledged = true;
  next_token_ = 1;
  CheckAfter("first request", false);
}

History::~History() = default;

void History::Say(const std::string& line) { trace_.push_back(line); }

void History::Violated(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  Say("VIOLATED: " + what);
}

std::string History::Run() {
  for (int i = 0; i < options_.events && violation_.empty(); ++i) Step();
  if (violation_.empty()) Heal();
  if (violation_.empty()) CheckEnd();
  for (Tab& tab : tabs_) tab.request.reset();
  for (const auto& server : servers_) {
    tally_.takeovers += server->counters().takeovers.Get();
    tally_.conflicts += server->counters().conflicts.Get();
  }
  return violation_;
}

void History::Step() {
  const int number = Below(options_.tabs);
  Tab* tab = &tabs_[static_cast<size_t>(number)];
  const int choice = Below(100);
  if (choice < 18) {
    clock_.Advance(std::chrono::milliseconds(Below(4) == 0 ? Below(70'000) : Below(3000)));
  } else if (choice < 36) {
    Fault();
  } else if (tab->request == nullptr) {
    StartRequest(tab, number);
  } else if (options_.destroys && choice < 40) {
    DestroySession(tab, number);
  } else {
    FinishRequest(tab, number);
  }
}

void History::StartRequest(Tab* tab, int number) {
  // Mostly sticky, as a balancer routes; else anywhere.
  int server = Below(options_.servers);
  if (tab->browser.affinity && Below(3) != 0) server = tab->browser.affinity->server_id[0] - 'a';
  WebServer& web = *servers_[static_cast<size_t>(server)];
  if (web.context().settings.lock == LockMode::kLocal) {
    for (const Tab& other : tabs_) {
      if (other.request != nullptr && other.server == server) return;  // would wait for the session lock
    }
  }
  ++tally_.requests;
  tab->server = server;
  tab->request = std::make_unique<Request>(&web, &tab->browser);
  Result<std::string> read = tab->request->Start();
  if (!read.ok()) {
    ++tally_.failed_starts;
    Say("tab " + std::to_string(number) + " on " + web.context().settings.server_id + ": start failed");
    tab->request.reset();
    return;
  }
  tab->payload = *read;
  Say("tab " + std::to_string(number) + " on " + web.context().settings.server_id + ": reads " +
      Join(TokensIn(tab->payload)));
  // Within the bounds of G2 a copy of the life before may be shown; what is written of it never comes back.
  const std::set<std::string> shown = TokensIn(tab->payload);
  tab->life = shown.empty() ? life_ : tokens_[*shown.begin()].life;
  if (tab->life < life_) Say("  (the life before)");
  CheckAfter("start", false);
}

void History::FinishRequest(Tab* tab, int number) {
  WebServer& web = *servers_[static_cast<size_t>(tab->server)];
  const uint64_t unreplicated = web.counters().unreplicated.Get();
  if (Below(4) == 0) {
    Say("tab " + std::to_string(number) + " on " + web.context().settings.server_id + ": finishes unchanged");
    (void)tab->request->FinishUnchanged().ok();
    tab->request.reset();
    CheckAfter("unchanged finish", false);
    return;
  }
  const std::string token = "t" + std::to_string(next_token_++);
  if (TokensIn(tab->payload).empty()) tab->life = life_;  // starts the session anew, in whatever life it is by now
  Status status = tab->request->Finish(tab->payload + token + "|i:1;");
  tab->request.reset();
  int holders = 0;
  for (const auto& node : nodes_) holders += TokensOn(*node).count(token) > 0 ? 1 : 0;
  tokens_[token].life = tab->life;
  tokens_[token].undecided = tokens_[token].excused = tab->life == undecided_life_;
  tokens_[token].acknowledged = status.ok() && tab->life == life_ && web.counters().unreplicated.Get() == unreplicated;
  if (holders == 0) tokens_[token].acknowledged = false;  // the session was destroyed meanwhile
  tally_.acknowledged += tokens_[token].acknowledged ? 1 : 0;
  Say("tab " + std::to_string(number) + " on " + web.context().settings.server_id + ": adds " + token + " -> " +
      (status.ok() ? "ok" : "error") + ", on " + std::to_string(holders) + " nodes");
  CheckAfter("finish of " + token, false);
}

void History::DestroySession(Tab* tab, int number) {
  WebServer& web = *servers_[static_cast<size_t>(tab->server)];
  Say("tab " + std::to_string(number) + " on " + web.context().settings.server_id + ": destroys");
  const int64_t tombstone_before = LastTombstone();
  (void)tab->request->Destroy().ok();
  tab->request.reset();
  const bool was_there = !TokensIn(tab->payload).empty();  // one that read an empty session destroys nothing
  if (tab->life == life_ && was_there && LastTombstone() > tombstone_before) {
    ++tally_.destroys;
    ++life_;
  } else if (tab->life == life_) {
    // No node was told: it holds where it was made, and comes to the nodes when that server reaches them, or never. Or
    // nothing was found to destroy, as those nodes were out of reach that had it: whatever had this ID may end.
    undecided_life_ = life_;
    for (auto& [token, facts] : tokens_) facts.excused |= facts.life == life_;
  }
  CheckAfter("destroy", true);
}

void History::Fault() {
  FakeMemcached& node = *nodes_[static_cast<size_t>(Below(options_.nodes))];
  const auto index = static_cast<size_t>(Below(options_.servers));
  WebServer& server = *servers_[index];
  const int down =
      static_cast<int>(std::count_if(nodes_.begin(), nodes_.end(), [](const auto& each) { return each->down(); }));
  switch (Below(9)) {
    case 0:
      if (down > 0 && !node.down()) return;  // one at a time: two copies
      if (!node.down() && !Survivable(node)) return;
      node.set_down(!node.down());
      Say("node " + node.name() + (node.down() ? " is down" : " is up"));
      return;
    case 1:
      if (!options_.node_restarts || !Survivable(node)) return;
      node.RestartEmpty();
      Say("node " + node.name() + " restarts empty");
      CheckAfter("restart of " + node.name(), true);
      return;
    case 2:
      if (!options_.node_restarts) return;
      if (old_items_.empty()) {
        old_items_ = node.items();
        return;
      }
      if (!Survivable(node)) return;
      Say("node " + node.name() + " comes back with old items");
      node.RestartWith(std::exchange(old_items_, {}));
      CheckAfter("old items on " + node.name(), true);
      return;
    case 3:
    case 4: {
      if (!options_.partitions) return;
      const auto which = static_cast<size_t>(Below(options_.nodes));
      const bool cut = Below(2) == 0;
      server.connection(which).set_partitioned(cut);
      Say("server " + server.context().settings.server_id + (cut ? " cannot reach " : " reaches ") +
          nodes_[which]->name());
      return;
    }
    case 5: {
      for (const Tab& tab : tabs_) {
        if (tab.request != nullptr && tab.server == static_cast<int>(index)) return;  // its requests end first
      }
      server.Restart();
      Say("server " + server.context().settings.server_id + " is killed and starts anew");
      return;
    }
    case 6:
      if (options_.lossy) node.LoseNextAnswer();
      return;
    case 7:
      if (options_.lossy) node.DelayNextWrite();
      return;
    default:
      Say("node " + node.name() + " gets what was late");
      node.DeliverDelayed();
      CheckAfter("late writes on " + node.name(), false);
      return;
  }
}

std::set<std::string> History::TokensOn(const FakeMemcached& node) const {
  const auto found = const_cast<FakeMemcached&>(node).items().find(storage_key_);
  if (found == const_cast<FakeMemcached&>(node).items().end()) return {};
  Result<Record> record = DecodeRecord(found->second.value, storage_key_);
  return record.ok() ? TokensIn(record->payload) : std::set<std::string>();
}

// Whether the other nodes that work hold all that this one holds for sure.
bool History::Survivable(const FakeMemcached& fails) const {
  if (!options_.one_at_a_time) return true;
  std::set<std::string> elsewhere;
  uint32_t life_here = 0;
  uint32_t life_elsewhere = 0;
  for (const auto& node : nodes_) {
    const auto found = node->items().find(storage_key_);
    if (found == node->items().end()) continue;
    Result<Record> record = DecodeRecord(found->second.value, storage_key_);
    if (!record.ok()) continue;
    const uint32_t life = record->life * 2 + (record->tombstone() ? 1 : 0);
    if (node.get() == &fails) {
      life_here = life;
    } else if (!node->down()) {
      elsewhere.merge(TokensIn(record->payload));
      life_elsewhere = std::max(life_elsewhere, life);
    }
  }
  return life_elsewhere >= life_here && std::all_of(tokens_.begin(), tokens_.end(), [&](const auto& token) {
           return !token.second.acknowledged || token.second.excused || token.second.life < life_ ||
                  elsewhere.count(token.first) > 0;
         });
}

// The latest life whose tombstone a node holds, or -1. Only what a node has been told of is acknowledged.
int64_t History::LastTombstone() const {
  int64_t life = -1;
  for (const auto& node : nodes_) {
    const auto found = node->items().find(storage_key_);
    if (found == node->items().end()) continue;
    Result<Record> record = DecodeRecord(found->second.value, storage_key_);
    if (record.ok() && record->tombstone()) life = std::max<int64_t>(life, record->life);
  }
  return life;
}

// What the nodes hold, for the trace: version, epoch and keys of each record.
std::string History::Describe() const {
  std::string text;
  for (const auto& node : nodes_) {
    const auto found = node->items().find(storage_key_);
    text += "  " + node->name() + (node->down() ? " (down)" : "") + ":";
    if (found == node->items().end()) continue;
    Result<Record> record = DecodeRecord(found->second.value, storage_key_);
    if (!record.ok()) continue;
    text += " l" + std::to_string(record->life) + " v" + std::to_string(record->version) + " e" +
            std::to_string(record->epoch) + " i" + std::to_string(record->instance % 1000) +
            (record->tombstone() ? " tombstone" : " " + Join(TokensIn(record->payload)));
  }
  return text;
}

// G1 and G3: only a fault that takes a node's memory, or a destruction, may take the last copy of an acknowledged key.
void History::CheckAfter(const std::string& event, bool copies_may_vanish) {
  Say(Describe());
  std::map<std::string, int> now;
  for (const auto& node : nodes_) {
    for (const std::string& token : TokensOn(*node)) ++now[token];
  }
  for (auto& [token, facts] : tokens_) {
    if (!facts.acknowledged || facts.excused || facts.life < life_ || now[token] > 0) continue;
    if (copies_may_vanish || holders_[token] == 0) {
      facts.excused = true;  // no copy survives: nothing was promised
    } else {
      Violated(event + " has silently removed the last copy of " + token);
    }
  }
  holders_ = std::move(now);
}

void History::Heal() {
  Say("everything heals");
  for (const auto& node : nodes_) {
    node->set_down(false);
    node->DeliverDelayed();
    node->ForgetFaults();
  }
  CheckAfter("late writes at the end", false);
  for (const auto& server : servers_) {
    for (size_t i = 0; i < nodes_.size(); ++i) server->connection(i).set_partitioned(false);
  }
  for (size_t i = 0; i < tabs_.size() && violation_.empty(); ++i) {
    if (tabs_[i].request != nullptr) FinishRequest(&tabs_[i], static_cast<int>(i));
  }
  clock_.Advance(std::chrono::seconds(120));
}

// Healed, and with all trust expired, every server shows every acknowledged key that has a copy, and none of a life
// before.
void History::CheckEnd() {
  for (int round = 0; round < 2 && violation_.empty(); ++round) {
    for (const auto& server : servers_) {
      Browser browser;
      browser.session_id = session_id_;
      Request request(server.get(), &browser);
      Result<std::string> read = request.Start();
      const std::string name = server->context().settings.server_id;
      if (!read.ok()) {
        Violated("after healing, server " + name + " cannot start the session: " + read.error().message());
        return;
      }
      const std::set<std::string> shown = TokensIn(*read);
      Say("at the end " + name + " shows " + Join(shown));
      for (const auto& [token, facts] : tokens_) {
        if (facts.acknowledged && !facts.excused && facts.life == life_ && shown.count(token) == 0) {
          Violated("after healing, server " + name + " does not show acknowledged " + token);
        }
        if (facts.life < life_ && !facts.undecided && shown.count(token) > 0) {
          Violated("after healing, server " + name + " shows " + token + " of a destroyed session");
        }
      }
      (void)request.FinishUnchanged().ok();
    }
    clock_.Advance(std::chrono::seconds(120));
  }
}

}  // namespace clustered_session
