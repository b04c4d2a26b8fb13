#include "tests/simulation/world.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/session/image.h"

namespace clustered_session {

using std::chrono::seconds;

std::vector<std::string> KeysIn(std::string_view payload) {
  std::vector<std::string> keys;
  Result<std::vector<PayloadField>> fields = SplitPayload(PayloadFormat::kPhp, payload);
  if (!fields.ok()) return keys;
  for (const PayloadField& field : *fields) keys.emplace_back(field.key);
  return keys;
}

World::World(uint64_t seed, const Plan& plan, Random* random) : plan_(plan), random_(random) {
  SeedWebServers(seed);
  std::vector<int> list;
  std::vector<FakeMemcached*> listed;
  for (int i = 0; i < plan.nodes + plan.spare_nodes; ++i) {
    node_clocks_.push_back(std::make_unique<OffsetClock>(&clock_));
    nodes_.push_back(std::make_unique<FakeMemcached>("m" + std::to_string(i + 1), node_clocks_.back().get()));
    nodes_.back()->set_shows(i % 2 == 0);  // as some speak one protocol and some the other
    nodes_.back()->set_leaves_out(i % 3 != 1);
    const bool lists = seed % 2 == 1 && i % 4 != 3;
    nodes_.back()->set_lists(lists ? KeyListing::State::kWhole : KeyListing::State::kNone);
    if (i >= plan.nodes) continue;
    list.push_back(i);
    listed.push_back(nodes_.back().get());
  }
  servers_.reserve(static_cast<size_t>(plan.servers));  // their clocks must not move
  for (int i = 0; i < plan.servers; ++i) {
    Server& server = servers_.emplace_back(&clock_);
    const std::string id(1, static_cast<char>(plan.same_server_id ? 'a' : 'a' + i));
    if (plan.ahead_clocks) server.clock.set_offset(seconds(random->Below(100'000)));
    server.web = std::make_unique<WebServer>(id, listed, &server.clock);
    server.web->context().settings = plan.settings;
    server.web->context().settings.server_id = id;
    server.process = ++last_process_;
    server.cut.assign(nodes_.size(), false);
    server.list = server.all = list;
  }
  whole_since_ = now() - seconds(3600);
}

void World::ReadNews(int index) {
  Server& server = servers_[static_cast<size_t>(index)];
  WebServer* web = server.web.get();
  if (server.reader == nullptr) {
    server.reader = std::make_unique<NewsReader>(
        &web->store(), &server.clock, [web](uint8_t) { return Borrow(web->context()); },
        [] { return std::vector<uint8_t>{1}; }, plan_.settings.news_interval);
  }
  server.reader->Step();
}

void World::Repair(int index, Duration time) {
  Server& server = servers_[static_cast<size_t>(index)];
  WebServer* web = server.web.get();
  if (server.repairer == nullptr) {
    server.repairer = std::make_unique<Repairer>(
        &web->store(), &server.clock, [web](uint8_t) { return Borrow(web->context()); },
        [] { return std::vector<uint8_t>{1}; }, plan_.settings.repair_rate);
  }
  const TimePoint until = server.clock.Now() + time;
  while (server.clock.Now() < until) {
    const TimePoint next = server.repairer->Step();
    if (next > server.clock.Now()) clock_.Advance(std::min(next, until) - server.clock.Now());
  }
}

bool World::SaysWhole(int server) { return IsWhole(web(server).context()); }

// A thread that is late is not believed.
Duration World::StaleMax(int server) {
  const SessionSettings& settings = plan_.settings;
  const PoolNews* news = web(server).context().shared->news.ViewOf(1, 0);
  if (!plan_.news || news->looked_at_ns.load() == 0) return settings.local_trust;
  return std::min(settings.local_trust, settings.news_interval * 3 / 2);
}

void World::LeapAhead(int server, Duration duration) {
  OffsetClock& clock = servers_[static_cast<size_t>(server)].clock;
  clock.set_offset(clock.offset() + duration);
}

void World::NodeLeapsAhead(int index, Duration duration) {
  OffsetClock& clock = *node_clocks_[static_cast<size_t>(index)];
  clock.set_offset(clock.offset() + duration);
}

std::optional<Record> World::RecordOn(int index, const std::string& storage_key) {
  const auto found = node(index).items().find(storage_key);
  if (found == node(index).items().end() || found->second.expires_at <= node(index).Now()) return std::nullopt;
  Result<Record> record = DecodeRecord(found->second.value, storage_key);
  if (!record.ok()) return std::nullopt;
  return *record;
}

std::optional<World::Item> World::ItemOn(int index, const std::string& storage_key) {
  const auto found = node(index).items().find(storage_key);
  if (found == node(index).items().end() || found->second.expires_at <= node(index).Now()) return std::nullopt;
  return Item{found->second.value, ExpiryOn(index, storage_key)};
}

std::optional<Ancestry> World::LocalTo(int server, const std::string& session) {
  const std::optional<Copy> copy = CopyOn(server, session);
  if (!copy) return std::nullopt;
  return copy->ancestry;
}

std::optional<World::Copy> World::CopyOn(int server, const std::string& session) {
  const SessionContext& context = web(server).context();
  const SessionKey key = context.InSpace(Hash128({}, context.settings.prefix, session));
  Entry entry;
  Image image;
  if (!context.store->Lookup(key, NowOf(server), &entry, image.buffer()) || !image.Valid()) return std::nullopt;
  Copy copy;
  copy.tombstone = (entry.flags & kEntryTombstone) != 0;
  copy.ancestry = image.ancestry();
  for (std::string& name : KeysIn(image.payload())) copy.keys.insert(std::move(name));
  return copy;
}

std::vector<int> World::PlacedBy(int server, const std::string& session) {
  const SessionContext& context = web(server).context();
  Entry none;
  std::vector<int> placed;
  const NodeItems items(context, SessionAddress(context, session), none);
  for (const uint32_t node : items.placement) placed.push_back(servers_[static_cast<size_t>(server)].all[node]);
  return placed;
}

TimePoint World::ExpiryOn(int index, const std::string& storage_key) {
  return node(index).items().at(storage_key).expires_at - node_clocks_[static_cast<size_t>(index)]->offset();
}

bool World::IsAlive(int process) const {
  return std::any_of(servers_.begin(), servers_.end(),
                     [process](const Server& server) { return server.process == process; });
}

void World::RestartServer(int index) { RestartServer(index, ListOf(index), PreviousListOf(index)); }

// A machine that starts has another monotonic clock.
void World::RestartServer(int index, std::vector<int> list, std::vector<int> previous) {
  Server& server = servers_[static_cast<size_t>(index)];
  conflicts_of_dead_ += server.web->counters().conflicts.Get();
  if (plan_.ahead_clocks) server.clock.set_offset(seconds(random_->Below(100'000)));
  server.list = std::move(list);
  server.previous = std::move(previous);
  server.all = server.list;
  std::vector<FakeMemcached*> listed;
  std::vector<FakeMemcached*> before;
  for (const int node : server.list) listed.push_back(nodes_[static_cast<size_t>(node)].get());
  for (const int node : server.previous) {
    before.push_back(nodes_[static_cast<size_t>(node)].get());
    if (std::find(server.all.begin(), server.all.end(), node) == server.all.end()) server.all.push_back(node);
  }
  server.reader.reset();
  server.repairer.reset();
  server.web->Restart(listed, before);
  server.process = ++last_process_;
  for (int node = 0; node < nodes(); ++node) Cut(index, node, IsCut(index, node));
}

FakeNode* World::ConnectionOf(int server, int node) {
  const std::vector<int>& list = NodesOf(server);
  const auto found = std::find(list.begin(), list.end(), node);
  return found == list.end() ? nullptr : &web(server).connection(static_cast<size_t>(found - list.begin()));
}

void World::Cut(int server, int node, bool cut) {
  servers_[static_cast<size_t>(server)].cut[static_cast<size_t>(node)] = cut;
  if (FakeNode* connection = ConnectionOf(server, node)) connection->set_partitioned(cut);
}

bool World::IsCut(int server, int node) const {
  return servers_[static_cast<size_t>(server)].cut[static_cast<size_t>(node)];
}

uint64_t World::Asked(int server) {
  uint64_t sum = 0;
  for (size_t i = 0; i < NodesOf(server).size(); ++i) sum += web(server).connection(i).asked();
  return sum;
}

std::vector<uint64_t> World::AnswersTo(int server) {
  std::vector<uint64_t> answers(nodes_.size());
  for (int node = 0; node < nodes(); ++node) {
    if (FakeNode* connection = ConnectionOf(server, node)) answers[static_cast<size_t>(node)] = connection->answered();
  }
  return answers;
}

uint64_t World::Answered(int server) {
  const std::vector<uint64_t> answers = AnswersTo(server);
  return std::accumulate(answers.begin(), answers.end(), uint64_t{0});
}

bool World::MayAskSomebody(int server, const std::string& session) {
  const std::vector<int> placed = PlacedBy(server, session);
  return std::any_of(placed.begin(), placed.end(), [&](int node) {
    const FakeNode* connection = ConnectionOf(server, node);
    return connection != nullptr && !connection->failed_last();
  });
}

uint64_t World::Conflicts() {
  uint64_t sum = conflicts_of_dead_;
  for (const Server& server : servers_) sum += server.web->counters().conflicts.Get();
  return sum;
}

void World::NoteState() {
  const bool broken = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->HasFault(); }) ||
                      std::any_of(servers_.begin(), servers_.end(), [](const Server& server) {
                        return std::find(server.cut.begin(), server.cut.end(), true) != server.cut.end();
                      });
  if (broken) {
    whole_since_.reset();
  } else if (!whole_since_) {
    whole_since_ = now();
  }
}

void World::Heal() {
  for (int i = 0; i < nodes(); ++i) {
    node(i).set_down(false);
    Hang(i, false);
    node(i).DeliverDelayed();
    node(i).ForgetFaults();
    for (int server = 0; server < servers(); ++server) Cut(server, i, false);
  }
}

std::vector<FakeNode::Stored> World::TakeStored() {
  std::vector<FakeNode::Stored> all;
  for (const Server& server : servers_) {
    for (size_t i = 0; i < server.all.size(); ++i) {
      for (FakeNode::Stored& stored : server.web->connection(i).TakeStored()) all.push_back(std::move(stored));
    }
  }
  return all;
}

}  // namespace clustered_session
