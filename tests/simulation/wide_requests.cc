// What clients do in a wide history.
#include <algorithm>
#include <utility>

#include "src/base/session_key.h"
#include "src/session/flusher.h"
#include "tests/simulation/wide_history.h"

namespace clustered_session {

using std::chrono::seconds;

std::string WideHistory::NameOf(const Client& client) const {
  return "client " + std::to_string(&client - clients_.data() + 1) + " of browser " +
         std::to_string(client.browser + 1);
}

uint32_t WideHistory::DrawLifetime() {
  static constexpr uint32_t kLifetimes[] = {600, Request::kLifetime, 86'400};
  return plan_.breadth.lifetimes ? kLifetimes[random_.Below(3)] : Request::kLifetime;
}

int WideHistory::ServerFor(const Client& client) {
  if (plan_.settings.affinity == AffinityMode::kBalancer) return client.browser % plan_.servers;
  // Mostly sticky, as a balancer routes; else anywhere.
  if (client.cookies.affinity && !random_.OneIn(3)) {
    for (int server = 0; server < plan_.servers; ++server) {
      if (world_.ProcessOf(server) == client.cookie_from) return server;
    }
  }
  return random_.Below(plan_.servers);
}

// Whoever came would wait for the session lock.
bool WideHistory::IsLocked(int server, const std::string& session) const {
  if (plan_.settings.lock == LockMode::kNone) return false;
  return std::any_of(clients_.begin(), clients_.end(), [&](const Client& other) {
    return other.request != nullptr && other.turn.server == server && other.turn.session == session;
  });
}

void WideHistory::StartRequest(Client* client) {
  const int server = ServerFor(*client);
  if (!client->cookies.session_id.empty() && IsLocked(server, client->cookies.session_id)) return;
  StartOn(client, server);
}

// A tab that was asleep, or a thief.
void WideHistory::StartWithOldCookie(Client* client) {
  const std::vector<std::string> sessions = witness_.Sessions();
  if (sessions.empty()) return;
  const std::string& session = sessions[static_cast<size_t>(random_.Below(static_cast<int>(sessions.size())))];
  const int server = random_.Below(plan_.servers);
  if (IsLocked(server, session)) return;
  client->cookies = {};
  client->cookies.session_id = session;
  StartOn(client, server);
}

void WideHistory::StartOn(Client* client, int server) {
  ++tally_.requests;
  Turn turn;
  turn.server = server;
  turn.process = world_.ProcessOf(server);
  turn.lifetime_s = DrawLifetime();
  turn.began = world_.NowOf(server);
  turn.may_ask = world_.MayAskSomebody(server, client->cookies.session_id);
  turn.answers = world_.AnswersTo(server);
  const std::string id_before = client->cookies.session_id;
  Say(NameOf(*client) + " on " + world_.NameOf(server) +
      (id_before.empty() ? "" : " with " + id_before.substr(id_before.size() - 8)) +
      (plan_.breadth.lifetimes ? ", lifetime " + std::to_string(turn.lifetime_s) : "") + ":");
  const uint64_t asked = world_.Asked(server);
  client->request = std::make_unique<Request>(&world_.web(server), &client->cookies, plan_.strict, turn.lifetime_s);
  const Result<std::string> read = client->request->Start();
  turn.session = client->cookies.session_id;
  turn.created = turn.session != id_before;
  turn.asked = world_.Asked(server) > asked;
  if (turn.created) Say("  a new session ID: " + turn.session.substr(turn.session.size() - 8));
  witness_.Started(&turn, read);
  client->turn = turn;
  if (!read.ok()) {
    client->request.reset();
    client->cookies.session_id = id_before;  // the page shows an error
    return;
  }
  client->cookie_from = turn.process;
  if (turn.created) ShareCookies(*client, id_before);
}

// Tabs of one browser share its cookies.
void WideHistory::ShareCookies(const Client& from, const std::string& id_before) {
  for (Client& other : clients_) {
    if (&other == &from || other.browser != from.browser || other.cookies.session_id != id_before) continue;
    if (other.request != nullptr) {
      other.next = from.cookies;
      other.next_from = from.turn.process;
    } else {
      other.cookies = from.cookies;
      other.cookie_from = from.turn.process;
    }
  }
}

void WideHistory::EndRequest(Client* client) {
  client->request.reset();
  const Turn turn = client->turn;
  if (client->next) {
    client->cookies = *std::exchange(client->next, {});
    client->cookie_from = client->next_from;
  }
  if (plan_.breadth.forgetful) ForgetEntry(turn.server, turn.session);
}

Deed WideHistory::DrawDeed(const Turn& turn) {
  Deed deed;
  const int choice = random_.Below(8);
  if (choice < 2 && !turn.shown.empty()) return deed;
  const bool large = plan_.breadth.too_large && random_.OneIn(4);
  if (choice < 7 || turn.shown.size() < 2) deed.adds.insert((large ? "large" : "k") + std::to_string(next_key_++));
  if (choice >= 6 && turn.shown.size() >= 2) {
    auto removes = turn.shown.begin();
    std::advance(removes, random_.Below(static_cast<int>(turn.shown.size())));
    deed.removes = *removes;
  }
  return deed;
}

std::string WideHistory::Apply(const std::string& payload, const Deed& deed) {
  static const std::string kLarge = "s:3000:\"" + std::string(3000, 'x') + "\";";
  std::string changed;
  std::vector<std::string> keys = KeysIn(payload);
  keys.insert(keys.end(), deed.adds.begin(), deed.adds.end());
  for (const std::string& key : keys) {
    if (key != deed.removes) changed += key + "|" + (key[0] == 'l' ? kLarge : "i:1;");
  }
  return changed;
}

void WideHistory::Finish(Client* client) {
  Turn& turn = client->turn;
  Deed deed = DrawDeed(turn);
  const bool changes = !deed.adds.empty() || !deed.removes.empty();
  std::string text;
  for (const std::string& key : deed.adds) text += " adds " + key;
  if (!deed.removes.empty()) text += " removes " + deed.removes;
  Say(NameOf(*client) + " on " + world_.NameOf(turn.server) + ":" + (changes ? text : " ends unchanged"));
  turn.answers = world_.AnswersTo(turn.server);
  witness_.Attempts(&turn, deed);
  Status status = Status::Ok();
  if (changes) {
    status = client->request->Finish(Apply(turn.payload, deed));
  } else if (turn.shown.empty() || random_.OneIn(2)) {
    status = client->request->FinishUnchanged();
  } else {
    deed.is_use = false;
    client->request->End();  // read_and_close
  }
  const Turn ended = turn;
  client->request.reset();
  witness_.Finished(ended, deed, status, nullptr);
  EndRequest(client);
}

// A login: what the old session has is under the new ID as well.
void WideHistory::Regenerate(Client* client) {
  const Turn before = client->turn;
  if (before.created) return;
  const bool destroy = random_.OneIn(2);
  const bool evicted = plan_.breadth.entry_evictions && random_.OneIn(3);
  ++tally_.regenerated;
  Say(NameOf(*client) + " on " + world_.NameOf(before.server) + ": regenerates its ID" +
      (destroy ? " and destroys the old one" : ""));
  client->turn.answers = world_.AnswersTo(before.server);
  const std::string id_before = before.session;
  Browser cookies;  // PHP has the ID of the request, whatever the browser has got since
  cookies.session_id = id_before;
  cookies.affinity = client->cookies.affinity;
  std::swap(client->cookies, cookies);
  Status status = client->request->Regenerate(destroy, before.payload, [&] {
    if (evicted) ForgetEntry(before.server, id_before);
  });
  if (!destroy) {
    Deed nothing;
    Turn same = client->turn;
    witness_.Attempts(&same, nothing);
    witness_.Finished(same, nothing, status, nullptr);
  }
  Turn after = client->turn;
  after.session = client->cookies.session_id;
  after.created = true;
  after.asked = after.unsure = false;
  after.shown.clear();
  after.payload.clear();
  Say("  its new ID is " + after.session.substr(after.session.size() - 8));
  witness_.Started(&after, std::string());
  Deed deed = DrawDeed(before);
  deed.removes.clear();
  const std::string payload = Apply(before.payload, deed);
  deed.adds.insert(before.shown.begin(), before.shown.end());
  witness_.Attempts(&after, deed);
  client->next.reset();
  const Turn replaced = before;
  status = client->request->Finish(payload);
  client->turn = after;
  client->request.reset();
  after.answers = client->turn.answers;
  witness_.Finished(after, deed, status, destroy ? &replaced : nullptr);
  client->cookie_from = after.process;
  if (status.ok()) ShareCookies(*client, id_before);
  EndRequest(client);
}

void WideHistory::Destroy(Client* client) {
  Say(NameOf(*client) + " on " + world_.NameOf(client->turn.server) + ": destroys the session");
  client->turn.answers = world_.AnswersTo(client->turn.server);
  (void)client->request->Destroy().ok();
  client->request.reset();
  witness_.Destroyed(client->turn);
  EndRequest(client);
}

// 'Log me out everywhere': a server that may never have heard of the session.
void WideHistory::DestroyUnread() {
  const std::vector<std::string> sessions = witness_.Sessions();
  if (sessions.empty()) return;
  const std::string session = sessions[static_cast<size_t>(random_.Below(static_cast<int>(sessions.size())))];
  const int server = random_.Below(plan_.servers);
  Say(world_.NameOf(server) + " destroys " + session.substr(session.size() - 8) + ", which it does not read");
  const std::vector<uint64_t> answers = world_.AnswersTo(server);
  Session other(world_.web(server).context());
  (void)other.Destroy(session, DrawLifetime()).ok();
  other.Close();
  witness_.DestroyedUnread(server, session, witness_.AnsweredSince(server, answers));
}

// What the server's background does.
void WideHistory::Flush(int server) {
  Flusher flusher(&world_.web(server).store(), world_.web(server).context().clock,
                  [&](uint8_t) { return Borrow(world_.web(server).context()); });
  const uint64_t asked = world_.Asked(server);
  const Flusher::Step step = flusher.Run(64, world_.NowOf(server) + seconds(10));
  if (world_.Asked(server) == asked) return;
  Say(world_.NameOf(server) + " flushes " + std::to_string(step.written));
  witness_.ThreadRan(server, "a flush");
}

// The thread has a while; in between it is late, or was stopped. Now and then all have the time they need, and then all
// servers may say that everything is whole.
void WideHistory::Repair(int server) {
  if (random_.OneIn(3)) {
    RepairAll();
  } else {
    Say(world_.NameOf(server) + " repairs");
    world_.Repair(server, seconds(1 + random_.Below(5)));
    witness_.ThreadRan(server, "a repair");
  }
  JudgeIfWhole();
}

void WideHistory::RepairAll() {
  Say("every server repairs");
  for (int server = 0; server < plan_.servers; ++server) {
    world_.Repair(server, seconds(40));
    witness_.ThreadRan(server, "a repair");
  }
}

// If all servers say so, it is judged. False: they do not, or it is not so.
bool WideHistory::JudgeIfWhole() {
  if (!witness_.violation().empty() || ListsDiffer() || !previous_list_.empty()) return false;
  for (int server = 0; server < plan_.servers; ++server) {
    if (!world_.SaysWhole(server)) return false;
  }
  Say("  and all is whole");
  ++tally_.whole;
  witness_.JudgeWhole();
  return witness_.violation().empty();
}

// As long as may help.
void WideHistory::RepairUntilWhole() {
  for (int round = 0; round < 3 && witness_.violation().empty(); ++round) {
    RepairAll();
    if (JudgeIfWhole()) return;
  }
}

// As eviction does it, which takes nothing that is nowhere else.
void WideHistory::ForgetEntry(int server, const std::string& session) {
  const SessionContext& context = world_.web(server).context();
  const SessionKey key = context.InSpace(Hash128({}, context.settings.prefix, session));
  Entry entry;
  if (!context.store->Lookup(key, world_.NowOf(server), &entry, nullptr)) return;
  if ((entry.flags & kEntryUnreplicated) != 0) return;
  context.store->Erase(key);
  Say("  " + world_.NameOf(server) + " evicts " + session.substr(session.size() - 8));
}

}  // namespace clustered_session
