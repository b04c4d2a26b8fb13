#include "tests/simulation/wide_history.h"

#include <algorithm>

namespace clustered_session {

using std::chrono::milliseconds;
using std::chrono::seconds;

WideHistory::WideHistory(uint64_t seed, const Breadth& allowed)
    : random_(seed ^ 0x77696465),
      plan_(DrawWidePlan(seed, allowed, &random_)),
      world_(seed, plan_, &random_),
      witness_(plan_, &world_, &trace_),
      list_(world_.ListOf(0)) {
  Say("seed " + std::to_string(seed) + ", " + plan_.DescribeWide());
  if (plan_.breadth.too_large) {
    for (int node = 0; node < world_.nodes(); ++node) {
      if (!random_.OneIn(3)) world_.node(node).set_item_size_max(2500);
    }
  }
  clients_.resize(static_cast<size_t>(std::max(plan_.clients, plan_.browsers)));
  for (size_t i = 0; i < clients_.size(); ++i) clients_[i].browser = static_cast<int>(i) % plan_.browsers;
}

WideHistory::~WideHistory() = default;

std::string WideHistory::Run() {
  for (int i = 0; i < plan_.events && witness_.violation().empty(); ++i) Step();
  if (witness_.violation().empty()) Heal();
  if (witness_.violation().empty()) CheckEnd();
  for (int server = 0; server < world_.servers(); ++server) world_.web(server).DieAfter(0);
  for (Client& client : clients_) client.request.reset();
  tally_.conflicts = world_.Conflicts();
  tally_.acknowledged = witness_.acknowledged();
  tally_.destroyed = witness_.destroyed();
  return witness_.violation();
}

void WideHistory::Step() {
  Client* client = &clients_[static_cast<size_t>(random_.Below(static_cast<int>(clients_.size())))];
  const int choice = random_.Below(100);
  if (choice < 14) {
    LetTimePass();
  } else if (choice < 34) {
    Fault();
  } else if (choice < 36 || (choice < 38 && !plan_.breadth.repair)) {
    Flush(random_.Below(plan_.servers));
  } else if (choice < 38) {
    Repair(random_.Below(plan_.servers));
  } else if (choice < 40) {
    if (plan_.breadth.unread) DestroyUnread();
  } else if (client->request == nullptr) {
    if (choice < 48) {
      StartWithOldCookie(client);
    } else {
      StartRequest(client);
    }
  } else if (choice < 44 && plan_.breadth.destructions) {
    Destroy(client);
  } else if (choice < 52 && plan_.breadth.regenerations) {
    Regenerate(client);
  } else {
    Finish(client);
  }
}

void WideHistory::LetTimePass() {
  const int choice = random_.Below(40);
  const bool any_request =
      std::any_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.request != nullptr; });
  if (choice < 2 && !any_request) {  // what still runs then would write to what has expired
    Say("half an hour passes");
    world_.Advance(seconds(1900));
  } else if (choice < 4) {
    Say("five minutes pass");
    world_.Advance(seconds(300));
  } else if (choice < 8) {
    const int server = random_.Below(plan_.servers);
    const bool far = random_.OneIn(4);
    Say("the clock of " + world_.NameOf(server) + " leaps ahead by " + (far ? "ten minutes" : "a minute"));
    world_.LeapAhead(server, seconds(far ? 600 : 61));
  } else {
    world_.Advance(milliseconds(random_.OneIn(4) ? random_.Below(70'000) : random_.Below(3000)));
    Say("time passes");
  }
  witness_.Happened("time");
}

void WideHistory::Heal() {
  Say("everything heals");
  NewerServerGivesBack();
  world_.Heal();
  witness_.Failed("late writes at the end", -1);
  for (Client& client : clients_) {
    if (client.request != nullptr && witness_.violation().empty()) Finish(&client);
  }
  world_.Advance(seconds(3));  // every node is tried again
  witness_.Happened("time");
  for (int server = 0; server < plan_.servers; ++server) {
    Flush(server);
    if (!HasList(server) && witness_.violation().empty()) GiveList(server);
  }
  if (witness_.violation().empty()) SwitchOffUnlisted();
  if (witness_.violation().empty()) witness_.CheckFlushed();
}

// Each server goes on once with what it has: what only it knows is known then. A server without a copy asks the nodes,
// and brings together what there is. From then on everybody must show all.
void WideHistory::CheckEnd() {
  world_.Advance(seconds(120));
  witness_.Happened("time");
  for (int server = 0; server < plan_.servers && witness_.violation().empty(); ++server) Look(server, false);
  if (witness_.violation().empty()) Kill(0);
  world_.Advance(plan_.settings.local_trust);  // no balancer sends a session to all servers at once
  if (witness_.violation().empty()) witness_.Happened("time");
  for (int server = 0; server < plan_.servers && witness_.violation().empty(); ++server) Look(server, true);
}

void WideHistory::Look(int server, bool judged) {
  for (const std::string& session : witness_.Sessions()) {
    if (!witness_.violation().empty()) return;
    Client client;
    client.cookies.session_id = session;
    Say(world_.NameOf(server) + " is asked for " + session.substr(session.size() - 8) + ":");
    Turn& turn = client.turn;
    turn.server = server;
    turn.process = world_.ProcessOf(server);
    turn.session = session;
    turn.lifetime_s = Request::kLifetime;
    turn.began = world_.NowOf(server);
    turn.may_ask = world_.MayAskSomebody(server, session);
    turn.answers = world_.AnswersTo(server);
    const uint64_t asked = world_.Asked(server);
    Request request(&world_.web(server), &client.cookies);
    const Result<std::string> read = request.Start();
    turn.asked = world_.Asked(server) > asked;
    witness_.Started(&turn, read);
    if (!read.ok()) continue;
    if (judged) witness_.CheckShown(turn);
    turn.answers = world_.AnswersTo(server);
    Deed deed;
    witness_.Attempts(&turn, deed);
    const Status status = request.FinishUnchanged();
    witness_.Finished(turn, deed, status, nullptr);
  }
}

}  // namespace clustered_session
