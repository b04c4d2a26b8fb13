// What breaks in a wide history, and is mended. Each may decide to do nothing where the plan forbids it.
#include <algorithm>
#include <utility>

#include "src/base/session_key.h"
#include "tests/simulation/wide_history.h"

namespace clustered_session {

using std::chrono::seconds;

void WideHistory::Fault() {
  const int choice = random_.Below(27);
  const int server = random_.Below(plan_.servers);
  if (choice < 3) {
    const std::vector<std::string> sessions = witness_.Sessions();
    if (plan_.breadth.entry_evictions && !sessions.empty()) {
      ForgetEntry(server, sessions[static_cast<size_t>(random_.Below(static_cast<int>(sessions.size())))]);
    }
    return;
  }
  if (choice < 6) {
    if (plan_.breadth.lists) ChangeList();
    return;
  }
  if (choice < 8) {
    if (!plan_.breadth.later_formats) return;
    if (random_.OneIn(3)) NewerServerGivesBack();
    return NewerServerWrites();
  }
  if (!plan_.wide_faults()) return;
  ++tally_.faults;
  if (choice < 12) return NodeStopsOrReturns();
  if (choice < 14) return NodeLosesAll();
  if (choice < 16) return NodeLosesAnItem();
  if (choice == 16) return NodeLeaps();
  if (choice < 19) return Kill(server);
  if (choice >= 24) return LoseWhatNobodyHas();
  if (!plan_.wide_many()) return;
  if (choice < 21) return CutOrMend();
  if (choice < 23) return LoseOrDelay();
  AllNodesStopOrReturn();
}

bool WideHistory::MayBreak(int node) {
  if (plan_.wide_many()) return true;
  for (int other = 0; other < world_.nodes(); ++other) {
    if (other != node && (world_.node(other).down() || world_.node(other).hung())) return false;
  }
  return true;
}

// Two ways to give no answer: at once, and when the time is up.
void WideHistory::NodeStopsOrReturns() {
  const int index = random_.Below(world_.nodes());
  FakeMemcached& node = world_.node(index);
  if (node.down() || node.hung()) {
    node.set_down(false);
    world_.Hang(index, false);
    witness_.Failed("node " + node.name() + " is back", -1);
    return;
  }
  if (!MayBreak(index)) return;
  const bool hangs = random_.OneIn(3);
  if (hangs) {
    world_.Hang(index, true);
  } else {
    node.set_down(true);
  }
  witness_.Failed("node " + node.name() + (hangs ? " hangs" : " is down"), -1);
}

void WideHistory::NodeLosesAll() {
  const int index = random_.Below(world_.nodes());
  if (!MayBreak(index)) return;
  FakeMemcached& node = world_.node(index);
  const auto old = old_items_.find(index);
  if (old == old_items_.end() && random_.OneIn(3)) {
    old_items_[index] = node.items();
    return;
  }
  if (old != old_items_.end()) {
    node.RestartWith(std::move(old->second));
    old_items_.erase(old);
    witness_.Failed("node " + node.name() + " comes back with old items", index);
    return;
  }
  RestartEmpty(index);
}

void WideHistory::RestartEmpty(int node) {
  world_.node(node).RestartEmpty();
  witness_.Failed("node " + world_.node(node).name() + " restarts empty", node, true);
}

// Every server forgets what it has, a node restarts empty, and the servers have the time to find out what was on it.
void WideHistory::LoseWhatNobodyHas() {
  const int node = random_.Below(world_.nodes());
  if (!plan_.breadth.repair || !plan_.breadth.entry_evictions || !MayBreak(node)) return;
  RepairUntilWhole();
  for (const std::string& session : witness_.Sessions()) {
    for (int server = 0; server < plan_.servers; ++server) ForgetEntry(server, session);
  }
  RestartEmpty(node);
  RepairUntilWhole();
}

// As a node does that is full: records, tombstones, or what tells its incarnation.
void WideHistory::NodeLosesAnItem() {
  const int index = random_.Below(world_.nodes());
  if (!plan_.breadth.node_evictions || !MayBreak(index)) return;
  auto& items = world_.node(index).items();
  if (items.empty()) return;
  auto item = items.begin();
  std::advance(item, random_.Below(static_cast<int>(items.size())));
  const std::string key = item->first;
  items.erase(item);
  witness_.Failed("node " + world_.node(index).name() + " evicts " + key, index);
}

void WideHistory::NodeLeaps() {
  const int index = random_.Below(world_.nodes());
  if (!plan_.breadth.node_clocks || !MayBreak(index)) return;
  world_.NodeLeapsAhead(index, seconds(300));
  witness_.NodeLeaps(index);
  witness_.Failed("the clock of node " + world_.node(index).name() + " leaps ahead by five minutes", index);
}

void WideHistory::CutOrMend() {
  const int server = random_.Below(plan_.servers);
  const int node = random_.Below(world_.nodes());
  const bool cut = !world_.IsCut(server, node);
  world_.Cut(server, node, cut);
  witness_.Failed(world_.NameOf(server) + (cut ? " cannot reach " : " reaches ") + world_.node(node).name(), -1);
}

// Now, or in the middle of a request that has to write twice.
void WideHistory::LoseOrDelay() {
  FakeMemcached& node = world_.node(random_.Below(world_.nodes()));
  const int after = random_.OneIn(2) ? 0 : 1 + random_.Below(3);
  const std::string when = after == 0 ? "" : "after " + std::to_string(after) + " more, ";
  switch (random_.Below(3)) {
    case 0:
      node.LoseAnswer(after);
      witness_.Failed(when + "the next answer of node " + node.name() + " is going to be lost", -1);
      return;
    case 1:
      node.DelayWrite(after);
      witness_.Failed(when + "the next write to node " + node.name() + " is going to be late", -1);
      return;
    default:
      node.DeliverDelayed();
      witness_.Failed("node " + node.name() + " gets what was late", -1);
      return;
  }
}

void WideHistory::AllNodesStopOrReturn() {
  bool any_up = false;
  for (int node = 0; node < world_.nodes(); ++node) any_up |= !world_.node(node).down();
  for (int node = 0; node < world_.nodes(); ++node) world_.node(node).set_down(any_up);
  witness_.Failed(any_up ? "all nodes are down" : "all nodes are back", -1);
}

// All its requests die with it; one of them perhaps in the middle of its end, when some nodes have its write already.
void WideHistory::Kill(int server) {
  ++tally_.kills;
  Say(world_.NameOf(server) + " is killed");
  bool one_ends = random_.OneIn(2);
  for (Client& client : clients_) {
    if (client.request == nullptr || client.turn.server != server) continue;
    if (one_ends) {
      one_ends = false;
      const Deed deed = DrawDeed(client.turn);
      const int operations = random_.Below(5);
      Say("  " + NameOf(client) + " was about to add {" + (deed.adds.empty() ? "" : *deed.adds.begin()) +
          "} and remove {" + deed.removes + "}; " + std::to_string(operations) +
          " operations of that still reach a node");
      witness_.Attempts(&client.turn, deed);
      world_.web(server).DieAfter(operations);
      (void)client.request->Finish(Apply(client.turn.payload, deed)).ok();
    }
    world_.web(server).DieAfter(0);
    client.request.reset();
    EndRequest(&client);
  }
  const int process = world_.ProcessOf(server);
  world_.RestartServer(server);
  witness_.Killed(process);
}

// A server of a later release takes a session over; this one's cannot read what it has written.
void WideHistory::NewerServerWrites() {
  const std::vector<std::string> sessions = witness_.Sessions();
  if (sessions.empty()) return;
  const std::string& session = sessions[static_cast<size_t>(random_.Below(static_cast<int>(sessions.size())))];
  const std::string key = StorageKey("cs:", Hash128({}, "cs:", session));
  for (int node = 0; node < world_.nodes(); ++node) {
    FakeMemcached::Item* item = world_.node(node).down() ? nullptr : world_.node(node).Find(key);
    if (item == nullptr || (item->value[4] & '\x80') != 0) continue;
    item->value[4] = static_cast<char>(item->value[4] ^ '\x80');
    world_.node(node).NewToken(item);
    Say("a newer server writes " + session.substr(session.size() - 8) + " on " + world_.node(node).name());
    witness_.Rewritten(session, node);
  }
}

void WideHistory::NewerServerGivesBack() {
  for (const std::string& session : witness_.Sessions()) {
    const std::string key = StorageKey("cs:", Hash128({}, "cs:", session));
    for (int node = 0; node < world_.nodes(); ++node) {
      FakeMemcached::Item* item = world_.node(node).Find(key);
      if (item == nullptr || (item->value[4] & '\x80') == 0) continue;
      item->value[4] = static_cast<char>(item->value[4] ^ '\x80');
      world_.node(node).NewToken(item);
      Say("every server can read " + session.substr(session.size() - 8) + " on " + world_.node(node).name());
      witness_.Rewritten(session, node);
    }
  }
}

bool WideHistory::HasList(int server) const {
  return world_.ListOf(server) == list_ && world_.PreviousListOf(server) == previous_list_;
}

bool WideHistory::ListsDiffer() const {
  for (int server = 0; server < plan_.servers; ++server) {
    if (!HasList(server)) return true;
  }
  return false;
}

// As the docs say: one server after the other gets the new list with the one before beside it, by a restart as a reload
// of PHP is one; and after a lifetime the new list alone.
void WideHistory::ChangeList() {
  if (!ListsDiffer()) {
    if (previous_list_.empty()) {
      ChooseList();
    } else {
      LetLifetimePass();
      previous_list_.clear();
    }
  }
  for (int server = 0; server < plan_.servers; ++server) {
    if (HasList(server)) continue;
    GiveList(server);
    break;
  }
  if (!ListsDiffer()) SwitchOffUnlisted();
}

void WideHistory::ChooseList() {
  const std::vector<int> before = list_;
  std::vector<int> spare;
  for (int node = 0; node < world_.nodes(); ++node) {
    if (std::find(list_.begin(), list_.end(), node) == list_.end()) spare.push_back(node);
  }
  if (!spare.empty() && (list_.size() <= plan_.settings.copies || random_.OneIn(2))) {
    list_.push_back(spare[0]);
    Say("node " + world_.node(spare[0]).name() + " is added to the list");
  } else if (list_.size() > plan_.settings.copies && list_.size() > 1) {
    const auto leaves = list_.begin() + random_.Below(static_cast<int>(list_.size()));
    Say("node " + world_.node(*leaves).name() + " is taken from the list");
    list_.erase(leaves);
  }
  if (list_ != before) previous_list_ = before;
}

void WideHistory::LetLifetimePass() {
  for (Client& client : clients_) {
    if (client.request != nullptr && witness_.violation().empty()) Finish(&client);
  }
  Say("a day passes");
  world_.Advance(std::chrono::hours(27));
  witness_.Happened("time");
}

void WideHistory::SwitchOffUnlisted() {
  if (!previous_list_.empty()) return;
  for (int node = 0; node < world_.nodes() && witness_.violation().empty(); ++node) {
    const bool listed = std::find(list_.begin(), list_.end(), node) != list_.end();
    if (listed || world_.node(node).items().empty()) continue;
    world_.node(node).RestartEmpty();
    witness_.Failed("node " + world_.node(node).name() + " is in no list any more", node, true);
  }
}

void WideHistory::GiveList(int server) {
  for (Client& client : clients_) {
    if (client.request != nullptr && client.turn.server == server && witness_.violation().empty()) Finish(&client);
  }
  Flush(server);
  ++tally_.lists;
  std::string text;
  for (const int node : list_) text += " " + world_.node(node).name();
  if (!previous_list_.empty()) text += ", previously";
  for (const int node : previous_list_) text += " " + world_.node(node).name();
  Say(world_.NameOf(server) + " is reloaded with the list" + text);
  const int process = world_.ProcessOf(server);
  world_.RestartServer(server, list_, previous_list_);
  witness_.Killed(process);
}

}  // namespace clustered_session
