// What breaks in a history, and is mended. Each may decide to do nothing where the seed's kind forbids it.
#include <algorithm>
#include <utility>

#include "tests/simulation/history.h"

namespace clustered_session {

using std::chrono::seconds;

void History::Fault() {
  const int choice = random_.Below(16);
  const int server = random_.Below(plan_.servers);
  if (choice == 0) {
    FillMemory(server);
    return;
  }
  if (!plan_.faults()) return;
  ++tally_.faults;
  switch (choice) {
    case 1:
    case 2:
    case 3:
    case 4:
      return NodeStopsOrReturns();
    case 5:
      return NodeRestarts();
    case 6:
      return NodeReturnsWithOldItems();
    case 7:
    case 8:
      return Kill(server);
    default:
      break;
  }
  if (!plan_.many_faults()) return;
  switch (choice) {
    case 9:
    case 10:
    case 11:
      return CutOrMend();
    case 12:
    case 13:
    case 14:
      return LoseOrDelay();
    default:
      return AllNodesStopOrReturn();
  }
}

// Two ways to give no answer: at once, and when the time is up.
void History::NodeStopsOrReturns() {
  const int index = random_.Below(plan_.nodes);
  FakeMemcached& node = world_.node(index);
  if (node.down() || node.hung()) {
    node.set_down(false);
    world_.Hang(index, false);
    judge_.Failed("node " + node.name() + " is back", false);
    return;
  }
  for (int other = 0; other < plan_.nodes; ++other) {
    if (!plan_.many_faults() && (world_.node(other).down() || world_.node(other).hung())) return;
  }
  if (!judge_.Survivable(index)) return;
  const bool hangs = random_.OneIn(3);
  if (hangs) {
    world_.Hang(index, true);
  } else {
    node.set_down(true);
  }
  judge_.Failed("node " + node.name() + (hangs ? " hangs" : " is down"), false);
}

void History::NodeRestarts() {
  const int index = random_.Below(plan_.nodes);
  if (!judge_.Survivable(index)) return;
  world_.node(index).RestartEmpty();
  judge_.Failed("node " + world_.node(index).name() + " restarts empty", true);
}

void History::NodeReturnsWithOldItems() {
  const int index = random_.Below(plan_.nodes);
  if (old_items_.empty()) {
    old_items_ = world_.node(index).items();
    return;
  }
  if (!judge_.Survivable(index)) return;
  world_.node(index).RestartWith(std::exchange(old_items_, {}));
  judge_.Failed("node " + world_.node(index).name() + " comes back with old items", true);
}

void History::CutOrMend() {
  const int server = random_.Below(plan_.servers);
  const int node = random_.Below(plan_.nodes);
  const bool cut = !world_.IsCut(server, node);
  world_.Cut(server, node, cut);
  judge_.Failed(world_.NameOf(server) + (cut ? " cannot reach " : " reaches ") + world_.node(node).name(), false);
}

// Now, or in the middle of a request that has to write twice.
void History::LoseOrDelay() {
  FakeMemcached& node = world_.node(random_.Below(plan_.nodes));
  const int after = random_.OneIn(2) ? 0 : 1 + random_.Below(3);
  const std::string when = after == 0 ? "" : "after " + std::to_string(after) + " more, ";
  switch (random_.Below(3)) {
    case 0:
      node.LoseAnswer(after);
      judge_.Failed(when + "the next answer of node " + node.name() + " is going to be lost", false);
      return;
    case 1:
      node.DelayWrite(after);
      judge_.Failed(when + "the next write to node " + node.name() + " is going to be late", false);
      return;
    default:
      node.DeliverDelayed();
      judge_.Failed("node " + node.name() + " gets what was late", false);
      return;
  }
}

void History::AllNodesStopOrReturn() {
  bool any_up = false;
  for (int node = 0; node < plan_.nodes; ++node) any_up |= !world_.node(node).down();
  for (int node = 0; node < plan_.nodes; ++node) world_.node(node).set_down(any_up);
  judge_.Failed(any_up ? "all nodes are down" : "all nodes are back", false);
}

// All its requests die with it; one of them perhaps in the middle of its end, when some nodes have its write already.
void History::Kill(int server) {
  ++tally_.kills;
  Say(world_.NameOf(server) + " is killed");
  bool one_ends = random_.OneIn(2);
  for (Client& client : clients_) {
    if (client.request == nullptr || client.visit.server != server) continue;
    if (one_ends) {
      one_ends = false;
      const Change change = DrawChange(client.visit);
      const int operations = random_.Below(5);
      Say("  " + NameOf(client) + " was about to add {" + change.adds + "} and remove {" + change.removes + "}; " +
          std::to_string(operations) + " operations of that still reach a node");
      judge_.Attempts(&client.visit, change);
      world_.web(server).DieAfter(operations);
      (void)client.request->Finish(Apply(client.visit, change)).ok();
    }
    world_.web(server).DieAfter(0);
    EndRequest(&client);
  }
  const int process = world_.ProcessOf(server);
  world_.RestartServer(server);
  judge_.Killed(process);
  if (server == home_ && plan_.servers > 1) home_ = random_.Below(plan_.servers);
}

// Other sessions fill the server's memory, until what may be evicted has been.
void History::FillMemory(int server) {
  LocalStore& store = world_.web(server).store();
  const std::string payload(store.PayloadMax() / 2, 'x');
  Entry entry;
  entry.version = 1;
  entry.expires_at_ns = ToNanos(world_.NowOf(server) + std::chrono::milliseconds(1));
  for (uint64_t i = 0; i < 64 && store.counters().evictions.Get() < 20; ++i) {
    SessionKey key;
    key.bytes[0] = static_cast<unsigned char>(i);
    key.bytes[1] = 1;
    (void)store.Put(key, entry, payload, world_.NowOf(server)).ok();
  }
  store.RemoveExpired(world_.NowOf(server) + seconds(1), 1000);
  Say(world_.NameOf(server) + " has no room for what may be evicted");
  judge_.Evicted(server);
}

}  // namespace clustered_session
