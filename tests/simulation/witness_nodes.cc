// What becomes of the items of nodes: by requests, by faults, by time.
#include <algorithm>
#include <utility>

#include "tests/simulation/witness.h"

namespace clustered_session {
namespace {

constexpr size_t kFormatAt = 4;  // in a record
constexpr char kLater = '\x80';  // a bit of the format that no release has set yet

}  // namespace

// Takes in what nodes have acknowledged since the last event.
void Witness::NoteStored() {
  for (const FakeNode::Stored& stored : world_.TakeStored()) {
    Result<Record> record = DecodeRecord(stored.value, stored.key);
    if (!record.ok()) continue;
    if (record->tombstone()) tombstoned_.insert(stored.key);
    for (auto& [id, account] : accounts_) {
      if (account.storage_key != stored.key) continue;
      for (const std::string& name : KeysIn(record->payload)) {
        const auto found = account.keys.find(name);
        if (found != account.keys.end()) found->second.stored = true;
      }
    }
  }
}

// The last generation that is over for whoever has read this: understated where that is not sure.
int Witness::KnownBy(const Account& account, const Held& held, const Held& before, const Turn* turn) {
  int knows = -1;
  for (const std::string& name : held.keys) {
    const auto found = account.keys.find(name);
    if (found == account.keys.end() || found->second.undecided || found->second.blind) continue;
    knows = std::max(knows, found->second.generation - 1);
  }
  if (!held.keys.empty()) return knows;
  if (before.present && before.bytes == held.bytes) return before.knows;
  return turn != nullptr && !turn->unsure && !turn->shown.empty() ? turn->generation - 1 : -1;
}

Witness::Held Witness::LookAt(int node, const std::string& session, const Cause& cause) {
  Account& account = accounts_.at(session);
  Held held;
  const std::optional<World::Item> item = world_.ItemOn(node, account.storage_key);
  if (!item) return held;
  held.present = true;
  held.bytes = item->bytes;
  held.until = item->until;
  std::string readable = item->bytes;
  if (readable.size() > kFormatAt && (readable[kFormatAt] & kLater) != 0) {
    held.later = true;
    readable[kFormatAt] = static_cast<char>(readable[kFormatAt] ^ kLater);
  }
  const Result<Record> record = DecodeRecord(readable, account.storage_key);
  if (!record.ok()) return held;
  held.tombstone = record->tombstone();
  if (held.tombstone) {
    // Who tells an end again tells that of the first generation, for all that is known here.
    const int ends = cause.ended == session ? account.generation : 0;
    held.knows = account.tombstones.emplace(readable, ends).first->second;
    return held;
  }
  for (const std::string& name : KeysIn(record->payload)) held.keys.insert(name);
  const Turn* turn = cause.turn != nullptr && cause.turn->session == session ? cause.turn : nullptr;
  held.knows = KnownBy(account, held, account.nodes[static_cast<size_t>(node)], turn);
  return held;
}

void Witness::Observe(const Cause& cause) {
  NoteStored();
  world_.NoteState();
  for (auto& [id, account] : accounts_) {
    ForgetExpired(&account);
    std::vector<Held> after;
    for (int node = 0; node < world_.nodes(); ++node) after.push_back(LookAt(node, id, cause));
    for (int node = 0; node < world_.nodes(); ++node) {
      const Held& held = after[static_cast<size_t>(node)];
      if (cause.lossy_node == node) {
        if (cause.all_lost) NoteForgotten(node, held, &account);
        continue;
      }
      JudgeNode(node, account, held, cause);
      if (cause.ended != id) JudgeLostKeys(node, account, after, cause);
    }
    account.nodes = std::move(after);
    NoteHolders(id, &account, cause);
    if (cause.lossy_node >= 0 && account.kept_until) {  // what a fault has left may be older
      TimePoint last;
      for (const Held& held : account.nodes) last = std::max(last, held.until);
      account.kept_until = std::min(*account.kept_until, last);
    }
    ForgetKeys(&account, cause);
    ForgetEnds(&account, cause);
  }
  tombstoned_.clear();
  Say(Describe());
}

// What only one server has ends with its copy there.
void Witness::ForgetExpired(Account* account) {
  for (int server = 0; server < world_.servers(); ++server) {
    if (!OverAt(*account, server)) continue;
    for (auto& [name, key] : account->keys) {
      key.undecided |= !key.stored && key.local_to == world_.ProcessOf(server);
    }
  }
}

void Witness::NoteForgotten(int node, const Held& after, Account* account) {
  for (const std::string& name : account->nodes[static_cast<size_t>(node)].keys) {
    const auto found = account->keys.find(name);
    if (after.keys.count(name) == 0 && found != account->keys.end()) found->second.forgotten_by.insert(node);
  }
}

// What no fault has done, the protocol has.
void Witness::JudgeNode(int node, const Account& account, const Held& after, const Cause& cause) {
  const Held& before = account.nodes[static_cast<size_t>(node)];
  if (!before.present || before.until <= world_.now() || after.bytes == before.bytes) return;
  const std::string name = world_.node(node).name();
  if (before.later) Violated("G3: " + cause.what + " has replaced a record of a later format on " + name);
  if (before.tombstone && !after.present) Violated("G4: " + cause.what + " has removed a tombstone from " + name);
  for (const std::string& key : after.keys) {
    const auto found = account.keys.find(key);
    if (found == account.keys.end() || found->second.undecided || found->second.generation > before.knows) continue;
    Violated("G4: " + cause.what + " has put " + key + " of a destroyed session on " + name +
             ", which knew of its end");
  }
}

// G3: where an acknowledged key was, it stays, unless one side has to lose and that is counted; or a stand-in's item is
// removed, as the key is on as many nodes as it should be.
void Witness::JudgeLostKeys(int node, const Account& account, const std::vector<Held>& all, const Cause& cause) {
  const Held& before = account.nodes[static_cast<size_t>(node)];
  const Held& after = all[static_cast<size_t>(node)];
  if (before.until <= world_.now()) return;
  for (const std::string& name : before.keys) {
    const auto found = account.keys.find(name);
    if (after.keys.count(name) > 0 || found == account.keys.end()) continue;
    if (!Current(account, found->second) || MayLose(found->second)) continue;
    const auto holders =
        std::count_if(all.begin(), all.end(), [&](const Held& held) { return held.keys.count(name) > 0; });
    // A node that does not take what the session has become keeps nothing older.
    const bool too_small = plan_.breadth.too_large && holders > 0 && (!after.present || after.tombstone);
    if (too_small || (!after.present && holders >= plan_.copies())) continue;
    Violated("G3: " + cause.what + " has silently removed " + name + " from " + world_.node(node).name());
  }
}

// G1: what no node holds any more is excused, as only faults get here; but not what has expired while it was in use.
void Witness::ForgetKeys(Account* account, const Cause& cause) {
  for (auto& [name, key] : account->keys) {
    if (!Current(*account, key)) continue;
    const bool held = std::any_of(account->nodes.begin(), account->nodes.end(),
                                  [&, key_name = name](const Held& held) { return held.keys.count(key_name) > 0; });
    if (held) continue;
    if (cause.what == "time" && leaped_.empty() && account->kept_until && world_.now() < *account->kept_until) {
      Violated("G1: " + name + " has expired on the last node while its session was in use");
    }
    key.undecided = true;
  }
}

// G4 holds while one node knows of the end. It is excused if faults have taken that from all; not if time has, while
// another node still holds what was destroyed.
void Witness::ForgetEnds(Account* account, const Cause& cause) {
  const bool by_fault = cause.lossy_node >= 0 || !leaped_.empty();
  for (int ended = 0; ended < account->generation; ++ended) {
    if (account->forgotten_ends.count(ended) > 0) continue;
    const bool known = std::any_of(account->nodes.begin(), account->nodes.end(),
                                   [ended](const Held& held) { return held.knows >= ended; });
    if (known) continue;
    if (by_fault) account->forgotten_ends.insert(ended);
    for (auto& [name, key] : account->keys) {
      if (key.generation > ended) continue;
      const bool held = std::any_of(account->nodes.begin(), account->nodes.end(),
                                    [&, key_name = name](const Held& held) { return held.keys.count(key_name) > 0; });
      if (by_fault || !held) key.undecided = true;
    }
  }
}

void Witness::JudgeWhole() {
  for (const auto& [id, account] : accounts_) {
    for (int server = 0; server < world_.servers(); ++server) JudgeHeld(server, id, account);
    JudgeHeldByNone(id, account);
  }
}

int64_t Witness::HoldersOf(const Account& account, const std::vector<int>& placed, const std::string& key) {
  return std::count_if(placed.begin(), placed.end(),
                       [&](int node) { return account.nodes[static_cast<size_t>(node)].keys.count(key) > 0; });
}

void Witness::NoteHolders(const std::string& session, Account* account, const Cause& cause) {
  const std::vector<int> placed = world_.PlacedBy(0, session);
  const std::vector<int> proper(placed.begin(),
                                placed.begin() + std::min<ptrdiff_t>(plan_.copies(), std::ssize(placed)));
  for (auto& [name, key] : account->keys) {
    const int64_t holders = HoldersOf(*account, placed, name);
    if (HoldersOf(*account, proper, name) == std::ssize(proper)) {
      key.doubled = true;
    } else if (holders != key.holders && !cause.all_lost) {
      key.doubled = false;
    }
    if (holders >= plan_.copies()) {
      key.evicted = false;
    } else if (holders < key.holders && !cause.all_lost) {
      key.evicted |= cause.lossy_node >= 0;
    }
    key.holders = holders;
  }
}

// R1: what no server has an entry of, and a node's restart has taken, is on nodes enough again, if all of them list
// their keys. A branch that a request is to merge stays where it is.
void Witness::JudgeHeldByNone(const std::string& session, const Account& account) {
  if (plan_.breadth.too_large || MayRefuse(account, ErrorCode::kUnavailable)) return;
  for (int server = 0; server < world_.servers(); ++server) {
    if (world_.CopyOn(server, session)) return;
  }
  const std::vector<int> placed = world_.PlacedBy(0, session);
  int64_t present = 0;
  for (const int node : placed) {
    const Held& held = account.nodes[static_cast<size_t>(node)];
    if (world_.node(node).lists() != KeyListing::State::kWhole || held.later) return;
    present += held.present ? 1 : 0;
  }
  for (const auto& [name, key] : account.keys) {
    const int64_t holders = HoldersOf(account, placed, name);
    if (!key.doubled || holders == 0 || holders >= plan_.copies() || present >= plan_.copies()) continue;
    if (!Current(account, key) || MayLose(key)) continue;
    Violated("R1: all is whole, and " + std::to_string(holders) + " nodes hold " + name + ", which no server has");
  }
}

// R1: each key that this server has, and each end that it knows, is on nodes enough. What a node has evicted is found
// out by the session's next request that asks.
void Witness::JudgeHeld(int server, const std::string& session, const Account& account) {
  const std::optional<World::Copy> copy = world_.CopyOn(server, session);
  if (!copy || OverAt(account, server) || MayRefuse(account, ErrorCode::kUnavailable)) return;
  const std::vector<int> placed = world_.PlacedBy(server, session);
  for (const auto& [name, key] : account.keys) {
    if (copy->tombstone) {
      if (HoldersOf(account, placed, name) == 0 || key.undecided || key.generation >= account.generation) continue;
      Violated("R1: all is whole, " + world_.NameOf(server) + " knows of an end, and a node holds " + name);
    } else if (copy->keys.count(name) > 0 && Current(account, key) && !MayLose(key)) {
      const int64_t holders = HoldersOf(account, placed, name);
      if (holders >= plan_.copies() || plan_.breadth.too_large || key.evicted) continue;
      Violated("R1: all is whole, and " + std::to_string(holders) + " nodes hold " + name + ", which " +
               world_.NameOf(server) + " has");
    }
  }
}

bool Witness::KnowsEnd(const Account& account, int node, int generation) const {
  return account.nodes[static_cast<size_t>(node)].knows >= generation;
}

}  // namespace clustered_session
