// What requests are shown and told.
#include <algorithm>

#include "tests/simulation/witness.h"

namespace clustered_session {
namespace {

using std::chrono::seconds;

std::string Join(const std::set<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) text += (text.empty() ? "" : " ") + key;
  return "{" + text + "}";
}

}  // namespace

void Witness::Started(Turn* turn, const Result<std::string>& read) {
  turn->looked_at = world_.now();
  turn->answered = AnsweredSince(turn->server, turn->answers);
  Account& account = AccountOf(turn->session);
  turn->by_others = FinishedByOthers(account, turn->process);
  Cause cause;
  cause.what = "a start on " + world_.NameOf(turn->server);
  if (!read.ok()) {
    Say("  fails: " + read.error().message());
    JudgeFailedStart(*turn, read.error().message());
    Observe(cause);
    return;
  }
  turn->payload = *read;
  turn->generation = account.generation;
  int shown_generation = -1;
  for (std::string& key : KeysIn(*read)) {
    shown_generation = std::max(shown_generation, account.keys[key].generation);
    turn->shown.insert(std::move(key));
  }
  if (!turn->shown.empty()) turn->generation = shown_generation;
  if (turn->shown.empty()) NoteOver(turn->server, &account);
  turn->overs = account.overs;
  turn->unsure = turn->shown.empty() && !turn->created && account.generation > 0 &&
                 std::none_of(turn->answered.begin(), turn->answered.end(),
                              [&](int node) { return KnowsEnd(account, node, account.generation - 1); });
  turn->unsure |= turn->shown.empty() && !turn->created && EndsUnseen(account, turn->answered);
  Say("  reads " + Join(turn->shown) + (turn->asked ? "" : ", asks nobody") +
      (turn->generation < account.generation ? ", of before its end" : "") +
      (turn->unsure ? ", and knows no end" : ""));
  if (!turn->asked && !turn->created) JudgeUnasked(*turn, account);
  JudgeShown(*turn, account);
  if (turn->shown.empty() && !turn->created && !turn->answered.empty()) JudgeEmpty(*turn, account);
  JudgeLocal(*turn, account);
  Serving& serving = account.serving[turn->process];
  if (!turn->answered.empty() || turn->created) serving.answered = world_.NowOf(turn->server);
  // What nodes answer is kept for the lifetime of who has asked.
  if (!turn->answered.empty()) serving.lifetime_s = std::min(serving.lifetime_s, turn->lifetime_s);
  Observe(cause);
}

// Whoever has looked at the session there last takes it for unused, if it is.
void Witness::NoteOver(int server, Account* account) {
  if (!OverAt(*account, server)) return;
  for (auto& [name, key] : account->keys) key.undecided |= key.generation == account->generation;
  ++account->overs;
}

// Whether a node that has not answered holds what was begun after an end, such as of a session that was over.
bool Witness::EndsUnseen(const Account& account, const std::set<int>& answered) {
  for (int node = 0; node < world_.nodes(); ++node) {
    if (answered.count(node) > 0) continue;
    const std::optional<Record> record = world_.RecordOn(node, account.storage_key);
    if (record && !record->ancestry.ended.empty()) return true;
  }
  return false;
}

// A session can be read while nothing is broken, unless it is of a later release.
void Witness::JudgeFailedStart(const Turn& turn, const std::string& error) {
  const Account& account = AccountOf(turn.session);
  if (!world_.WholeForLong()) return;
  if (MayRefuse(account, ErrorCode::kUnavailable)) return;
  Violated("nothing is broken, and a session cannot be started: " + error);
}

// G1 and G4: what a node has answered counts. What it holds is shown, and what it knows to be over is not.
void Witness::JudgeShown(const Turn& turn, const Account& account) {
  for (const int node : turn.answered) {
    const Held& held = account.nodes[static_cast<size_t>(node)];
    const std::string where = world_.NameOf(turn.server) + ", which " + world_.node(node).name() + " has answered, ";
    for (const std::string& name : held.keys) {
      const auto found = account.keys.find(name);
      if (found == account.keys.end() || turn.shown.count(name) > 0 || held.later || held.until <= world_.now())
        continue;
      if (!Current(account, found->second) || MayLose(found->second)) continue;
      Violated("G1: " + where + "does not show acknowledged " + name);
    }
    for (const std::string& name : turn.shown) {
      const Key& key = account.keys.at(name);
      if (key.undecided || key.generation >= account.generation || held.until <= world_.now()) continue;
      if (held.knows >= key.generation) Violated("G4: " + where + "shows " + name + " of a destroyed session");
    }
  }
}

// An empty session is not started in place of one that could not be read.
void Witness::JudgeEmpty(const Turn& turn, const Account& account) {
  bool readable = false;
  for (const int node : turn.answered) {
    const Held& held = account.nodes[static_cast<size_t>(node)];
    readable |= held.present && !held.later;
  }
  for (const int node : turn.answered) {
    if (!account.nodes[static_cast<size_t>(node)].later || readable) continue;
    Violated("G3: " + world_.NameOf(turn.server) + " takes a record of a later format on " + world_.node(node).name() +
             " for a session that does not exist");
  }
  // Whose clock is ahead takes a node's memory for older than it is.
  if (!plan_.breadth.restarted || world_.NowOf(turn.server) != world_.now()) return;
  const bool any = std::any_of(turn.answered.begin(), turn.answered.end(),
                               [&](int node) { return account.nodes[static_cast<size_t>(node)].present; });
  if (any) return;          // an end
  std::vector<int> misses;  // of nodes that should have it
  bool expected_back = false;
  const std::vector<int> placed = world_.PlacedBy(turn.server, turn.session);
  const auto copies = std::min<size_t>(plan_.settings.copies, placed.size());
  for (size_t i = 0; i < copies; ++i) {
    if (turn.answered.count(placed[i]) > 0) {
      misses.push_back(placed[i]);
    } else {
      const std::vector<int>& list = world_.NodesOf(turn.server);
      const auto index = std::find(list.begin(), list.end(), placed[i]) - list.begin();
      expected_back |= world_.web(turn.server).context().nodes->ExpectedBack(static_cast<uint32_t>(index));
    }
  }
  if (misses.empty() || !expected_back) return;
  for (const auto& [name, key] : account.keys) {
    if (!Current(account, key) || MayLose(key)) continue;
    if (plan_.breadth.lifetimes) continue;  // it cannot know for how long others have kept it
    const auto& forgotten = key.forgotten_by;
    if (!std::all_of(misses.begin(), misses.end(), [&](int node) { return forgotten.count(node) > 0; })) continue;
    Violated("G1: " + world_.NameOf(turn.server) + " takes the miss of " + world_.node(misses[0]).name() +
             ", which has restarted, for absence, while another node that does not answer holds " + name);
  }
}

// G2: without asking only for local_trust after a node has answered.
void Witness::JudgeUnasked(const Turn& turn, const Account& account) {
  if (!turn.may_ask || turn.shown.empty()) return;
  const auto serving = account.serving.find(turn.process);
  const bool trusted = serving != account.serving.end() && serving->second.answered &&
                       turn.began - *serving->second.answered < plan_.settings.local_trust;
  if (!trusted) {
    Violated("G2: " + world_.NameOf(turn.server) +
             " shows its copy unasked although no node has answered within local_trust");
  }
}

// G5: a server shows what it alone has.
void Witness::JudgeLocal(const Turn& turn, const Account& account) {
  for (const auto& [name, key] : account.keys) {
    if (!key.told || key.stored || key.removed || key.undecided || key.local_to != turn.process) continue;
    if (key.generation < account.generation || !plan_.merges() || plan_.breadth.too_large) continue;
    if (turn.shown.count(name) > 0 || OverAt(account, turn.server)) continue;
    Violated("G5: " + world_.NameOf(turn.server) + " does not show " + name + ", which only it has");
  }
}

void Witness::Attempts(Turn* turn, const Deed& deed) {
  Account& account = AccountOf(turn->session);
  if (!deed.removes.empty()) account.keys[deed.removes].removed = true;
  const bool ended_since = turn->shown.empty() && turn->generation != account.generation;
  if (ended_since) turn->generation = account.generation;
  bool undecided = account.end_at_large || turn->overs != account.overs || ended_since ||
                   (turn->unsure && !plan_.breadth.unseen_ends);
  bool blind = turn->unsure;
  for (const std::string& name : turn->shown) {
    undecided |= account.keys[name].undecided;
    blind |= account.keys[name].blind;
  }
  for (const std::string& name : deed.adds) {
    Key& key = account.keys[name];
    key.generation = turn->generation;
    key.conflicts = world_.Conflicts();
    key.undecided = undecided;
    key.blind = blind;
  }
}

void Witness::Finished(const Turn& turn, const Deed& deed, const Status& status, const Turn* replaces) {
  Account& account = AccountOf(turn.session);
  NoteStored();
  const std::set<int> answered = AnsweredSince(turn.server, turn.answers);
  Serving& serving = account.serving[turn.process];
  if (!answered.empty()) serving.answered = world_.NowOf(turn.server);
  if (serving.lifetime_s != 0) NoteOver(turn.server, &account);
  const bool lives = turn.generation == account.generation;  // else it has used a session that has ended
  const bool is_use = deed.is_use && lives && status.ok();
  if (is_use) serving.used = world_.NowOf(turn.server);
  // Who does not use it may shorten its life, not prolong it.
  const bool prolongs = is_use || serving.lifetime_s == 0;
  serving.lifetime_s = prolongs ? turn.lifetime_s : std::min(serving.lifetime_s, turn.lifetime_s);
  if (!status.ok()) {
    Say("  fails: " + status.error().message());
    if (!MayRefuse(account, status.error().code())) {
      Violated("G5: a request's changes are not kept: " + status.error().message());
    }
  }
  for (const std::string& name : deed.adds) {
    Key& key = account.keys[name];
    key.told = status.ok();
    if (!key.stored) key.local_to = turn.process;
    if (Current(account, key)) ++acknowledged_;
  }
  const bool whole = world_.WholeForLong() && !plan_.behind();
  const TimePoint until = world_.now() + seconds(turn.lifetime_s) - seconds(2);
  // Another server may have written the session with a shorter lifetime since this one has seen it.
  const bool current = (turn.asked || plan_.settings.affinity == AffinityMode::kCookie) &&
                       FinishedByOthers(account, turn.process) == turn.by_others;
  ++account.finished[turn.process];
  if (MayRefuse(account, ErrorCode::kUnavailable)) {
    account.kept_until.reset();
  } else if (whole && lives && current && deed.is_use && !turn.shown.empty() && status.ok()) {
    account.kept_until = until;
  } else if (account.kept_until) {
    account.kept_until = std::min(*account.kept_until, until);
  }
  Cause cause;
  cause.what = "a request on " + world_.NameOf(turn.server);
  cause.turn = &turn;
  if (replaces != nullptr) {
    cause.ended = replaces->session;
    JudgeSuccessor(*replaces, turn);
    Account& before = AccountOf(replaces->session);
    if (!answered.empty()) before.serving[turn.process].answered = world_.NowOf(turn.server);
    const bool certain = replaces->generation == before.generation && Certain(*replaces, before) && status.ok();
    End(&before, cause, certain, OfPlaced(turn.server, replaces->session, answered));
  } else {
    Observe(cause);
  }
  if (whole && lives && status.ok()) JudgeKept(turn, account);
}

// Whether nobody could have kept a request's changes: no node takes them, or one holds what only later releases read.
bool Witness::MayRefuse(const Account& account, ErrorCode code) const {
  if (code == ErrorCode::kTooLarge) return plan_.breadth.too_large;
  return code == ErrorCode::kUnavailable &&
         std::any_of(account.nodes.begin(), account.nodes.end(), [](const Held& held) { return held.later; });
}

// G1: one that has looked at the nodes leaves what it used on as many as should have it, by any server's list of nodes.
void Witness::JudgeKept(const Turn& turn, const Account& account) {
  if (!turn.asked || !world_.WholeSince(turn.looked_at - seconds(3)) || plan_.breadth.too_large) return;
  if (!plan_.merges()) return;  // another server's request may have removed it since

  for (const auto& [name, key] : account.keys) {
    if (!Current(account, key) || turn.shown.count(name) == 0) continue;
    for (int server = 0; server < world_.servers(); ++server) {
      const auto missing = [&, key_name = name](const std::vector<int>& list) {
        const auto wanted = std::min<int>(static_cast<int>(plan_.settings.copies), static_cast<int>(list.size()));
        const auto holders = std::count_if(list.begin(), list.end(), [&](int node) {
          return account.nodes[static_cast<size_t>(node)].keys.count(key_name) > 0;
        });
        if (holders == 0 && list == world_.ListOf(turn.server)) return 0;  // a request beside it has removed it
        return std::max(wanted - static_cast<int>(holders), 0);
      };
      // While the list is being changed, those of either list do.
      const std::vector<int>& previous = world_.PreviousListOf(server);
      const int lacks = missing(world_.ListOf(server));
      if (lacks == 0 || (!previous.empty() && missing(previous) == 0)) continue;
      Violated("G1: a request leaves " + name + " on " + std::to_string(lacks) + " nodes too few of those that " +
               world_.NameOf(server) + " knows");
    }
  }
  if (plan_.breadth.leftovers) JudgeLeftovers(turn, account);
}

// G1: what is older stays on no node that has answered: else it is what is shown once the proper holders have lost the
// newer. A node whose record only later releases can read has others stand in for it.
void Witness::JudgeLeftovers(const Turn& turn, const Account& account) {
  if (MayRefuse(account, ErrorCode::kUnavailable)) return;
  std::set<int> answered = AnsweredSince(turn.server, turn.answers);
  answered.insert(turn.answered.begin(), turn.answered.end());
  for (const int node : answered) {
    const Held& held = account.nodes[static_cast<size_t>(node)];
    if (!held.present || held.tombstone || held.later) continue;
    for (const std::string& name : turn.shown) {
      if (!Current(account, account.keys.at(name)) || held.keys.count(name) > 0 || MayLose(account.keys.at(name)))
        continue;
      Violated("G1: a request leaves an older record on " + world_.node(node).name() + ", without " + name);
    }
  }
}

// G1: what a session that was replaced had on the nodes, its successor has.
void Witness::JudgeSuccessor(const Turn& before, const Turn& after) {
  const Account& old = AccountOf(before.session);
  const Account& successor = AccountOf(after.session);
  if (tombstoned_.count(old.storage_key) == 0) return;
  for (const std::string& name : before.shown) {
    const auto found = successor.keys.find(name);
    if (found == successor.keys.end() || found->second.stored || !Current(old, old.keys.at(name))) continue;
    Violated("G1: the session that was replaced is destroyed on the nodes, and " + name +
             " of its successor is on none");
  }
}

// Whether it is sure which session a request was shown, if any.
bool Witness::Certain(const Turn& turn, const Account& account) {
  return !turn.shown.empty() && std::none_of(turn.shown.begin(), turn.shown.end(), [&](const std::string& name) {
    return account.keys.at(name).undecided || account.keys.at(name).blind;
  });
}

void Witness::Destroyed(const Turn& turn) {
  Account& account = AccountOf(turn.session);
  NoteStored();
  Cause cause;
  cause.what = "a destruction on " + world_.NameOf(turn.server);
  cause.turn = &turn;
  cause.ended = turn.session;
  const bool certain = turn.generation == account.generation && Certain(turn, account);
  const std::set<int> answered = AnsweredSince(turn.server, turn.answers);
  if (!answered.empty()) account.serving[turn.process].answered = world_.NowOf(turn.server);
  End(&account, cause, certain, OfPlaced(turn.server, turn.session, answered));
}

void Witness::DestroyedUnread(int server, const std::string& session, const std::set<int>& answered) {
  Account& account = AccountOf(session);
  NoteStored();
  Cause cause;
  cause.what = "a destruction on " + world_.NameOf(server);
  cause.ended = session;
  if (!answered.empty()) account.serving[world_.ProcessOf(server)].answered = world_.NowOf(server);
  End(&account, cause, true, OfPlaced(server, session, answered));
}

// While the list is being changed, a server may not know all nodes of the session.
std::set<int> Witness::OfPlaced(int server, const std::string& session, const std::set<int>& nodes) {
  std::set<int> known;
  for (const int node : world_.PlacedBy(server, session)) {
    if (nodes.count(node) > 0) known.insert(node);
  }
  return known;
}

// A destruction that no node was told of holds where it was made, and comes to the nodes when that server reaches them,
// or never. So nothing is promised of the session any more, nor if somebody destroys what he has not seen.
void Witness::End(Account* account, const Cause& cause, bool certain, const std::set<int>& answered) {
  const bool told = tombstoned_.count(account->storage_key) > 0;
  const bool any = std::any_of(account->keys.begin(), account->keys.end(),
                               [&](const auto& each) { return each.second.generation == account->generation; });
  Observe(cause);
  if (!any && !told) {
    account->end_at_large = true;
    return;
  }
  if (certain) JudgeGone(*account, answered);
  if (certain && told) {
    ++destroyed_;
    ExcuseUnseen(cause.ended, account);
  } else {
    for (auto& [name, key] : account->keys) key.undecided |= key.generation == account->generation;
    account->forgotten_ends.insert(account->generation);
  }
  ++account->generation;
}

// What was begun under the same ID without a view of the session that ends, and is where nobody could see it, is
// another session. So is what only later releases can read, and what lives for longer than all that was seen.
void Witness::ExcuseUnseen(const std::string& session, Account* account) {
  LifeSet ended;
  uint32_t longest_s = 0;
  for (int node = 0; node < world_.nodes(); ++node) {
    const std::optional<Record> record = world_.RecordOn(node, account->storage_key);
    if (!record || !record->tombstone()) continue;
    (void)ended.Absorb(record->ancestry.ended);
    longest_s = std::max(longest_s, record->ancestry.lifetime_max_s);
  }
  for (int node = 0; node < world_.nodes(); ++node) {
    const std::optional<Record> record = world_.RecordOn(node, account->storage_key);
    const bool later = account->nodes[static_cast<size_t>(node)].later;
    const bool named = record && ended.Meets(record->ancestry.lives) && record->ancestry.lifetime_max_s <= longest_s;
    if (!later && (!record || record->tombstone() || named)) continue;
    for (const std::string& name : account->nodes[static_cast<size_t>(node)].keys) account->keys[name].undecided = true;
  }
  for (int server = 0; server < world_.servers(); ++server) {
    const std::optional<Ancestry> local = world_.LocalTo(server, session);
    if (!local || ended.Meets(local->lives)) continue;
    for (auto& [name, key] : account->keys) key.undecided |= !key.stored && key.local_to == world_.ProcessOf(server);
  }
}

// G4: a destruction that was told to a client is true of every node that has answered.
void Witness::JudgeGone(const Account& account, const std::set<int>& answered) {
  for (const int node : answered) {
    if (account.nodes[static_cast<size_t>(node)].later) continue;  // it stays, and its end is told once it can be read
    for (const std::string& name : account.nodes[static_cast<size_t>(node)].keys) {
      const auto found = account.keys.find(name);
      if (found == account.keys.end() || found->second.undecided) continue;
      Violated("G4: a session was destroyed, and " + world_.node(node).name() + ", which has answered, still holds " +
               name);
    }
  }
}

}  // namespace clustered_session
