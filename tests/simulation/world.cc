#include "tests/simulation/world.h"

#include <algorithm>
#include <utility>

#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"

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
  std::vector<FakeMemcached*> nodes;
  for (int i = 0; i < plan.nodes; ++i) {
    nodes_.push_back(std::make_unique<FakeMemcached>("m" + std::to_string(i + 1), &clock_));
    nodes_.back()->set_shows(i % 2 == 0);  // as some speak one protocol and some the other
    nodes.push_back(nodes_.back().get());
  }
  servers_.reserve(static_cast<size_t>(plan.servers));  // their clocks must not move
  for (int i = 0; i < plan.servers; ++i) {
    Server& server = servers_.emplace_back(&clock_);
    const std::string id(1, static_cast<char>(plan.same_server_id ? 'a' : 'a' + i));
    if (plan.ahead_clocks) server.clock.set_offset(seconds(random->Below(100'000)));
    server.web = std::make_unique<WebServer>(id, nodes, &server.clock);
    server.web->context().settings = plan.settings;
    server.web->context().settings.server_id = id;
    server.process = ++last_process_;
    server.cut.assign(nodes.size(), false);
  }
  whole_since_ = now() - seconds(3600);
}

void World::LeapAhead(int server, Duration duration) {
  OffsetClock& clock = servers_[static_cast<size_t>(server)].clock;
  clock.set_offset(clock.offset() + duration);
}

std::optional<Record> World::RecordOn(int index, const std::string& storage_key) {
  const auto found = node(index).items().find(storage_key);
  if (found == node(index).items().end() || found->second.expires_at <= now()) return std::nullopt;
  Result<Record> record = DecodeRecord(found->second.value, storage_key);
  if (!record.ok()) return std::nullopt;
  return *record;
}

std::vector<int> World::Placed(const std::string& session) {
  const SessionContext& context = web(0).context();
  const SessionKey key = Hash128({}, context.settings.prefix, session);
  std::vector<int> placed;
  for (const uint32_t node :
       PlaceSession(context.nodes->addresses(), key, NodeNamedBy(context.nodes->addresses(), session))) {
    placed.push_back(static_cast<int>(node));
  }
  return placed;
}

TimePoint World::ExpiryOn(int index, const std::string& storage_key) {
  return node(index).items().at(storage_key).expires_at;
}

bool World::IsAlive(int process) const {
  return std::any_of(servers_.begin(), servers_.end(),
                     [process](const Server& server) { return server.process == process; });
}

// A machine that starts has another monotonic clock.
void World::RestartServer(int index) {
  Server& server = servers_[static_cast<size_t>(index)];
  conflicts_of_dead_ += server.web->counters().conflicts.Get();
  if (plan_.ahead_clocks) server.clock.set_offset(seconds(random_->Below(100'000)));
  server.web->Restart();
  server.process = ++last_process_;
  for (size_t i = 0; i < server.cut.size(); ++i) server.web->connection(i).set_partitioned(server.cut[i]);
}

void World::Cut(int server, int node, bool cut) {
  servers_[static_cast<size_t>(server)].cut[static_cast<size_t>(node)] = cut;
  web(server).connection(static_cast<size_t>(node)).set_partitioned(cut);
}

bool World::IsCut(int server, int node) const {
  return servers_[static_cast<size_t>(server)].cut[static_cast<size_t>(node)];
}

uint64_t World::Asked(int server) {
  uint64_t sum = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) sum += web(server).connection(i).asked();
  return sum;
}

uint64_t World::Answered(int server) {
  uint64_t sum = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) sum += web(server).connection(i).answered();
  return sum;
}

bool World::MayAskSomebody(int server) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!web(server).connection(i).failed_last()) return true;
  }
  return false;
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
    for (size_t i = 0; i < nodes_.size(); ++i) {
      for (FakeNode::Stored& stored : server.web->connection(i).TakeStored()) all.push_back(std::move(stored));
    }
  }
  return all;
}

}  // namespace clustered_session
