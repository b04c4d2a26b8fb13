#include "tests/simulation/history.h"

#include <algorithm>
#include <utility>

#include "src/session/flusher.h"

namespace clustered_session {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string CookieOf(const Browser& browser) { return browser.affinity ? FormatAffinity(*browser.affinity) : ""; }

}  // namespace

History::History(uint64_t seed, Adjust adjust)
    : random_(seed), plan_(DrawPlan(seed, &random_)), world_(seed, plan_, &random_), judge_(plan_, &world_, &trace_) {
  Say("seed " + std::to_string(seed) + ", " + plan_.Describe());
  if (adjust != nullptr) adjust(&world_);
  clients_.resize(static_cast<size_t>(plan_.clients));
  // The session exists, and every client has its cookies.
  StartOn(&clients_[0], 0);
  Finish(&clients_[0]);
  for (Client& client : clients_) {
    client.browser = clients_[0].browser;
    client.cookie_from = clients_[0].cookie_from;
  }
}

History::~History() = default;

std::string History::NameOf(const Client& client) const {
  return "client " + std::to_string(&client - clients_.data() + 1);
}

bool History::AnyRequest() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.request != nullptr; });
}

std::string History::Run() {
  for (int i = 0; i < plan_.events && judge_.violation().empty(); ++i) Step();
  if (judge_.violation().empty()) Heal();
  if (judge_.violation().empty()) CheckEnd();
  for (int server = 0; server < world_.servers(); ++server) {
    tally_.takeovers += world_.web(server).counters().takeovers.Get();
    world_.web(server).DieAfter(0);
  }
  for (Client& client : clients_) client.request.reset();
  tally_.conflicts = world_.Conflicts();
  tally_.acknowledged = judge_.acknowledged();
  tally_.destroyed = judge_.destroyed();
  return judge_.violation();
}

void History::Step() {
  Client* client = &clients_[static_cast<size_t>(random_.Below(plan_.clients))];
  const int choice = random_.Below(100);
  if (choice < 16) {
    LetTimePass();
  } else if (choice < 32) {
    Fault();
  } else if (choice < 36) {
    Flush(random_.Below(plan_.servers));
  } else if (client->request == nullptr) {
    StartRequest(client);
  } else if (plan_.destructions && choice < 40) {
    Destroy(client);
  } else {
    Finish(client);
  }
}

void History::LetTimePass() {
  const int choice = random_.Below(40);
  // All may expire, also tombstones: what still runs or fails then would end a session that is begun later.
  if (choice == 0 && !AnyRequest() && world_.WholeForLong()) {
    Say("half an hour passes");
    world_.Advance(seconds(1900));
  } else if (choice < 4) {
    Say("five minutes pass");
    world_.Advance(seconds(300));
  } else if (choice < 8) {
    const int server = random_.Below(plan_.servers);
    Say("the clock of " + world_.NameOf(server) + " leaps ahead by a minute");
    world_.LeapAhead(server, seconds(61));
  } else {
    Pass(milliseconds(random_.OneIn(4) ? random_.Below(70'000) : random_.Below(3000)));
    Say("time passes");
  }
  judge_.TimePassed();
}

// The threads that read news do so meanwhile. One may be stopped for a while, and none has a request to read for in
// the long run.
void History::Pass(Duration time) {
  if (!plan_.news) return world_.Advance(time);
  const int stopped = random_.OneIn(4) ? random_.Below(plan_.servers) : -1;
  const TimePoint until = world_.now() + time;
  for (int look = 0; look < 24 && world_.now() < until; ++look) {
    world_.Advance(std::min<Duration>(milliseconds(250), until - world_.now()));
    for (int server = 0; server < plan_.servers; ++server) {
      if (server != stopped) world_.ReadNews(server);
    }
  }
  if (world_.now() < until) world_.Advance(until - world_.now());
}

int History::ServerFor(const Client& client) {
  if (plan_.settings.affinity == AffinityMode::kBalancer) return home_;
  // Mostly sticky, as a balancer routes; else anywhere.
  if (client.browser.affinity && !random_.OneIn(3)) {
    for (int server = 0; server < plan_.servers; ++server) {
      if (world_.ProcessOf(server) == client.cookie_from) return server;
    }
  }
  return random_.Below(plan_.servers);
}

void History::StartRequest(Client* client) {
  const int server = ServerFor(*client);
  if (plan_.settings.lock == LockMode::kLocal) {
    for (const Client& other : clients_) {  // it would wait for the session lock
      if (other.request != nullptr && other.visit.server == server) return;
    }
  }
  StartOn(client, server);
}

void History::StartOn(Client* client, int server) {
  ++tally_.requests;
  Say(NameOf(*client) + " on " + world_.NameOf(server) + ":");
  WebServer& web = world_.web(server);
  Visit visit;
  visit.server = server;
  visit.process = world_.ProcessOf(server);
  visit.conflicts = web.counters().conflicts.Get();
  visit.began = world_.NowOf(server);
  visit.may_ask = world_.MayAskSomebody(server, client->browser.session_id);
  visit.cookie = CookieOf(client->browser);
  const std::string id_before = client->browser.session_id;
  const uint64_t asked = world_.Asked(server);
  client->request = std::make_unique<Request>(&web, &client->browser, plan_.strict);
  Result<std::string> read = client->request->Start();
  visit.session = client->browser.session_id;
  visit.created = visit.session != id_before;
  visit.asked = world_.Asked(server) > asked;
  visit.cookie_after = CookieOf(client->browser);
  if (visit.created) Say("  a new session ID");
  judge_.Started(&visit, read);
  tally_.unasked += read.ok() && !visit.asked && !visit.created ? 1 : 0;
  client->visit = visit;
  if (!read.ok()) {
    ++tally_.failed_starts;
    client->request.reset();
    if (client->browser.session_id != id_before) client->browser.session_id = id_before;  // the page shows an error
    return;
  }
  client->cookie_from = visit.process;
  if (!visit.created || id_before.empty()) return;
  for (Client& other : clients_) {  // tabs of one browser
    if (&other == client || other.browser.session_id != id_before) continue;
    if (other.request != nullptr) {
      other.next = client->browser;
      other.next_from = visit.process;
    } else {
      other.browser = client->browser;
      other.cookie_from = visit.process;
    }
  }
}

void History::EndRequest(Client* client) {
  client->request.reset();
  if (client->next) {
    client->browser = *client->next;
    client->cookie_from = client->next_from;
    client->next.reset();
  }
}

Change History::DrawChange(const Visit& visit) {
  Change change;
  const int choice = random_.Below(8);
  if (choice < 2) return change;
  if (choice < 7 || visit.shown.size() < 2) change.adds = "k" + std::to_string(next_key_++);
  if (choice >= 6 && visit.shown.size() >= 2) {
    auto removes = visit.shown.begin();
    std::advance(removes, random_.Below(static_cast<int>(visit.shown.size())));
    change.removes = *removes;
  }
  return change;
}

std::string History::Apply(const Visit& visit, const Change& change) {
  std::string payload;
  for (const std::string& key : KeysIn(visit.payload)) {
    if (key != change.removes) payload += key + "|i:1;";
  }
  if (!change.adds.empty()) payload += change.adds + "|i:1;";
  return payload;
}

void History::Finish(Client* client) {
  Visit& visit = client->visit;
  Change change = DrawChange(visit);
  if (next_key_ == 0) change.adds = "k" + std::to_string(next_key_++);  // the first request makes the session
  const std::string text = (change.adds.empty() ? "" : " adds " + change.adds) +
                           (change.removes.empty() ? "" : " removes " + change.removes);
  Say(NameOf(*client) + " on " + world_.NameOf(visit.server) + ":" + (text.empty() ? " ends unchanged" : text));
  judge_.Attempts(&visit, change);
  Status status;
  if (!change.adds.empty() || !change.removes.empty()) {
    status = client->request->Finish(Apply(visit, change));
  } else if (visit.shown.empty() || random_.OneIn(2)) {
    status = client->request->FinishUnchanged();
  } else {
    change.is_use = false;
    client->request->End();  // read_and_close
  }
  EndRequest(client);
  judge_.Finished(visit, change, status);
}

void History::Destroy(Client* client) {
  Say(NameOf(*client) + " on " + world_.NameOf(client->visit.server) + ": destroys the session");
  (void)client->request->Destroy().ok();
  const Visit visit = client->visit;
  EndRequest(client);
  judge_.Destroyed(visit);
}

// What the server's background does.
void History::Flush(int server) {
  Flusher flusher(&world_.web(server).store(), world_.web(server).context().clock,
                  [&](uint8_t) { return Borrow(world_.web(server).context()); });
  const uint64_t asked = world_.Asked(server);
  const uint64_t conflicts = world_.Conflicts();
  const Flusher::Step step = flusher.Run(64, world_.NowOf(server) + seconds(10));
  if (world_.Asked(server) == asked) return;
  Say(world_.NameOf(server) + " flushes " + std::to_string(step.written));
  judge_.Flushed(server, world_.Conflicts() > conflicts);
}

void History::Heal() {
  Say("everything heals");
  world_.Heal();
  judge_.Failed("late writes at the end", false);
  for (Client& client : clients_) {
    if (client.request != nullptr && judge_.violation().empty()) Finish(&client);
  }
  world_.Advance(seconds(3));  // every node is tried again
  judge_.TimePassed();
  for (int server = 0; server < plan_.servers; ++server) Flush(server);
  if (judge_.violation().empty()) judge_.CheckFlushed();
}

// Each server goes on once with what it has: what only it knows is known then. A server without a copy asks all nodes,
// and brings together what there is. From then on everybody must show all.
void History::CheckEnd() {
  world_.Advance(seconds(120));
  judge_.TimePassed();
  for (int server = 0; server < plan_.servers && judge_.violation().empty(); ++server) Look(server, false);
  Kill(0);
  for (int server = 0; server < plan_.servers; ++server) Look(server, true);
  if (judge_.violation().empty()) judge_.CheckCopiesAtEnd();
}

void History::Look(int server, bool judged) {
  for (const std::string& session : judge_.Sessions()) {
    if (!judge_.violation().empty()) return;
    Client client;
    client.browser.session_id = session;
    Say(world_.NameOf(server) + " is asked:");
    Visit visit;
    visit.server = server;
    visit.process = world_.ProcessOf(server);
    visit.session = session;
    visit.conflicts = world_.web(server).counters().conflicts.Get();
    visit.began = world_.NowOf(server);
    visit.may_ask = world_.MayAskSomebody(server, session);
    const uint64_t asked = world_.Asked(server);
    Request request(&world_.web(server), &client.browser);
    const Result<std::string> read = request.Start();
    visit.asked = world_.Asked(server) > asked;
    visit.cookie_after = CookieOf(client.browser);
    judge_.Started(&visit, read);
    if (!read.ok()) return;
    if (judged) judge_.CheckShown(server, session, visit.shown);
    judge_.Attempts(&visit, {});
    judge_.Finished(visit, {}, request.FinishUnchanged());
  }
}

}  // namespace clustered_session
