#include "tests/session/web_server.h"

#include <utility>

#include "src/base/session_key.h"

namespace clustered_session {
namespace {

uint64_t numbers = 0;
bool seeded = false;

uint64_t NextNumber() { return ++numbers * 0x9e3779b97f4a7c15ull; }

std::string RandomPart() {
  char text[33];
  snprintf(text, sizeof text, "%032llx", static_cast<unsigned long long>(NextNumber()));
  return text;
}

}  // namespace

std::string RandomPartOf(std::mt19937_64* random) {
  const auto low = static_cast<unsigned long long>((*random)());
  const auto high = static_cast<unsigned long long>((*random)());
  char text[33];
  snprintf(text, sizeof text, "%016llx%016llx", high, low);
  return text;
}

void SeedWebServers(uint64_t seed) {
  numbers = seed << 20;
  seeded = true;
}

WebServer::WebServer(std::string server_id, const std::vector<FakeMemcached*>& nodes, const Clock* clock,
                     size_t local_memory)
    : server_id_(std::move(server_id)), servers_(nodes), clock_(clock), local_memory_(local_memory) {
  context_.settings.server_id = server_id_;
  Build();
}

void WebServer::Restart() { Build(); }

void WebServer::Restart(const std::vector<FakeMemcached*>& nodes, const std::vector<FakeMemcached*>& previous) {
  servers_ = nodes;
  previous_ = previous;
  for (FakeMemcached* node : previous) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) servers_.push_back(node);
  }
  only_before_ = servers_.size() - nodes.size();
  Build();
}

void WebServer::Build() {
  Result<std::unique_ptr<LocalStore>> made =
      LocalStore::Create(local_memory_, sizeof(SharedState), seeded ? NextNumber() : 0);
  store_ = std::move(*made);
  auto* shared = static_cast<SharedState*>(store_->Extra());
  if (!shared->Init()) std::abort();
  operations_left_ = -1;
  nodes_ = Connect(&connections_);
  renewing_nodes_ = Connect(&renewing_connections_);
  leases_ = std::make_unique<LockLeases>(clock_, &store_->counters(), kLockLease, [] { return true; });
  context_.store = store_.get();
  context_.nodes = nodes_.get();
  context_.clock = clock_;
  context_.shared = shared;
  context_.pool = 1;
  context_.leases = leases_.get();
  context_.spare = &spare_;
}

std::unique_ptr<NodeSet> WebServer::Connect(std::vector<FakeNode*>* connections) {
  HealthTable* table = &static_cast<SharedState*>(store_->Extra())->nodes;
  std::vector<NodeSet::Member> members;
  connections->clear();
  for (FakeMemcached* server : servers_) {
    auto node = std::make_unique<FakeNode>(server, clock_);
    node->set_operations_left(&operations_left_);
    connections->push_back(node.get());
    NodeSet::Member member;
    member.address.name = server->name();
    member.address.host = "fake";
    member.hash = NodeNameHash(node->name(), node->address());
    member.health = HealthHandle(table, HealthKey(node->name(), {}), clock_->Now());
    member.node = std::move(node);
    members.push_back(std::move(member));
  }
  auto nodes = std::make_unique<NodeSet>(std::move(members), std::chrono::seconds(2), clock_, &store_->counters(),
                                         context_.settings.operation_timeout / 2,
                                         HealthHandle(table, HealthKey("all", {}), clock_->Now()));
  NodeSet::PreviousList previous;
  for (FakeMemcached* node : previous_) {
    const auto member = std::find(servers_.begin(), servers_.end(), node) - servers_.begin();
    previous.members.push_back(static_cast<uint32_t>(member));
    previous.addresses.push_back(nodes->member(previous.members.back()).address);
  }
  nodes->SetPrevious(std::move(previous), only_before_);
  nodes->TellTo([events = &static_cast<SharedState*>(store_->Extra())->events](const NodeEvent& event) {
    events->Add(0, event.at, event.text);
  });
  return nodes;
}

TimePoint WebServer::RenewLocks() {
  return leases_->Renew([this](const Lease&) { return renewing_nodes_.get(); });
}

void WebServer::Partition(size_t node, bool cut) {
  connection(node).set_partitioned(cut);
  renewing_connection(node).set_partitioned(cut);
}

Request::Request(WebServer* server, Browser* browser, bool strict, uint32_t lifetime_s)
    : server_(server),
      browser_(browser),
      strict_(strict),
      lifetime_s_(lifetime_s),
      waits_before_(server->counters().node_waits.Get()) {
  session_.emplace(server->context());
  session_->SetClaim(browser->affinity);
}

Result<std::string> Request::Start() {
  if (browser_->session_id.empty()) {
    browser_->session_id = session_->CreateId(RandomPart(), 7);
  } else if (strict_) {
    Result<bool> valid = session_->Validate(browser_->session_id, lifetime_s_);
    if (valid.ok() && !*valid) browser_->session_id = session_->CreateId(RandomPart(), 7);
  }
  Result<std::string_view> read = session_->Read(browser_->session_id, lifetime_s_);
  CollectNotices();
  if (!read.ok()) return read.error();
  if (std::optional<AffinityCookie> cookie = session_->Affinity()) browser_->affinity = cookie;
  payload_ = *read;
  return payload_;
}

Status Request::Finish(std::string_view payload) {
  const std::string copy(payload);
  Status status = !payload_.empty() && copy == payload_
                      ? session_->UpdateTimestamp(browser_->session_id, copy, lifetime_s_)
                      : session_->Write(browser_->session_id, copy, lifetime_s_);
  End();
  return status;
}

Status Request::Destroy() {
  Status status = session_->Destroy(browser_->session_id, lifetime_s_);
  End();
  return status;
}

// The steps are PHP's: the old session is destroyed or written, and closed; another open makes the ID and reads it.
Status Request::Regenerate(bool destroy, std::string_view payload, const std::function<void()>& between) {
  const std::string copy(payload);
  Status status = Status::Ok();
  if (destroy) {
    session_->DestroyLater(browser_->session_id, lifetime_s_);
  } else if (!payload_.empty() && copy == payload_) {
    status = session_->UpdateTimestamp(browser_->session_id, copy, lifetime_s_);
  } else {
    status = session_->Write(browser_->session_id, copy, lifetime_s_);
  }
  session_->Close();
  std::vector<ReplacedSession> replaced = session_->TakeReplaced();
  CollectNotices();
  between();
  session_.emplace(server_->context());
  session_->Replace(std::move(replaced));
  browser_->session_id = session_->CreateId(RandomPart(), 7);
  Result<std::string_view> read = session_->Read(browser_->session_id, lifetime_s_);
  CollectNotices();
  if (!read.ok()) return read.error();
  if (std::optional<AffinityCookie> cookie = session_->Affinity()) browser_->affinity = cookie;
  payload_.clear();
  return status;
}

void Request::End() {
  if (!session_) return;
  session_->Close();
  CollectNotices();
  session_.reset();
}

void Request::CollectNotices() {
  for (Notice& notice : session_->TakeNotices()) notices_.push_back(std::move(notice));
  while (std::optional<Notice> event = server_->context().shared->events.Take(0)) {
    notices_.push_back(std::move(*event));
  }
}

}  // namespace clustered_session
