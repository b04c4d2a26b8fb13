#include "src/session/worker.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "src/memcached/memcached_node.h"
#include "src/memcached/tls_stream.h"
#include "src/session/key_files.h"

namespace clustered_session {
namespace {

// One process serves few pools (virtual hosts under one Apache); more than this and the least used connect anew.
constexpr size_t kPoolsMax = 16;
constexpr Duration kNumberRetry = std::chrono::seconds(1);

NodeCredentials CredentialsOf(const SessionSettings& settings) {
  return {settings.username, settings.password, settings.authentication};
}

// Under another root the same path, or name, may be another node.
std::string RootFolder() {
  struct stat root = {};
  if (stat("/", &root) != 0) return {};
  return std::to_string(root.st_dev) + ' ' + std::to_string(root.st_ino) + ' ';
}

// Whom a node may let in or not.
std::string WhoAsks(const SessionSettings& settings) {
  const uint64_t credentials = Hash128({}, settings.username, settings.password).Hash64();
  return std::to_string(geteuid()) + ' ' + std::to_string(credentials);
}

// With other settings of TLS the same node is another one: whose certificate is not accepted here may be there.
std::string HowAsked(const NodeAddress& address, const SessionSettings& settings) {
  if (!address.tls) return {};
  return settings.tls.Join() + (settings.tls.verifies ? "\nverified" : "");
}

Status CheckTls(const std::vector<NodeAddress>& addresses, const SessionSettings& settings) {
  const auto found =
      std::find_if(addresses.begin(), addresses.end(), [](const NodeAddress& address) { return address.tls; });
  if (found == addresses.end()) return {};
  if (!TlsBuiltIn()) {
    return Error(ErrorCode::kUnsupported, "save_path: " + found->ToString() +
                                              " needs TLS, and this clustered_session was built without it: build it "
                                              "with --with-clustered-session-tls, or leave out \"tls://\"");
  }
  if (settings.authentication == Authentication::kSasl) {
    return Error(ErrorCode::kInvalidArgument, "clustered_session.authentication = sasl does not work over TLS (" +
                                                  found->ToString() + "): use text, for memcached -Y");
  }
  return {};
}

}  // namespace

Worker::Worker(LocalStore* store, const Clock* clock, uint64_t log) : store_(store), clock_(clock), log_(log) {}

Result<std::shared_ptr<const SessionContext>> Worker::ContextFor(std::string_view save_path,
                                                                 const SessionSettings& settings,
                                                                 uint64_t settings_generation) {
  const auto same = [&](const std::unique_ptr<Pool>& pool) {
    return pool->save_path == save_path && pool->timeouts.connect == settings.connect_timeout &&
           pool->timeouts.operation == settings.operation_timeout && pool->retry_interval == settings.retry_interval &&
           pool->credentials == CredentialsOf(settings) && pool->tls == settings.tls;
  };
  auto found = std::find_if(pools_.begin(), pools_.end(), same);
  if (found == pools_.end()) {
    Result<std::shared_ptr<NodeSet>> nodes = MakeNodes(save_path, settings);
    if (!nodes.ok()) return Error(nodes.error().code(), nodes.error().message() + " [CS-SAVE-PATH]");
    auto pool = std::make_unique<Pool>();
    pool->save_path = save_path;
    pool->timeouts = {settings.connect_timeout, settings.operation_timeout};
    pool->credentials = CredentialsOf(settings);
    pool->tls = settings.tls;
    pool->retry_interval = settings.retry_interval;
    pool->nodes = std::move(*nodes);
    if (pools_.size() == kPoolsMax) pools_.pop_back();  // a session that is open keeps what it needs of it
    found = pools_.insert(pools_.begin(), std::move(pool));
  } else if (found != pools_.begin()) {
    std::rotate(pools_.begin(), found, found + 1);
    found = pools_.begin();
  }
  Pool& pool = **found;
  if (pool.context == nullptr || pool.settings_generation != settings_generation || pool.context->leases != leases_ ||
      NumberIsDue(pool)) {
    if (Status status = UpdateKeys(&pool, settings); !status.ok()) return status.error();
    pool.context = MakeContext(&pool, settings);
    pool.settings_generation = settings_generation;
  }
  WatchNodeList(*pool.context);
  return std::shared_ptr<const SessionContext>(pool.context);
}

// Scripts may change settings often, and a derived key costs pages of memory: it is made once.
Status Worker::UpdateKeys(Pool* pool, const SessionSettings& settings) {
  if (pool->key_file == settings.key_file && pool->keys_prefix == settings.prefix) return Status::Ok();
  std::shared_ptr<const PoolKeys> keys;
  if (!settings.key_file.empty()) {
    const Result<std::shared_ptr<const Keyring>> ring = KeysOfFile(settings.key_file);
    if (!ring.ok())
      return Error(ring.error().code(), "clustered_session.key_file: " + ring.error().message() + " [CS-KEY-FILE]");
    keys = std::make_shared<PoolKeys>(**ring, settings.prefix);
  }
  pool->keys = std::move(keys);
  pool->key_file = settings.key_file;
  pool->keys_prefix = settings.prefix;
  return Status::Ok();
}

// Now and then the background is to compare the node list with that of the other servers.
void Worker::WatchNodeList(const SessionContext& context) {
  SetupWatch* watch = shared()->WatchOf(context.pool, context.pool_hash);
  if (watch == nullptr || !watch->CheckDue(clock_->Now())) return;
  watch->check_pool.store(context.pool);
  shared()->NotePending(context.pool);
}

// Another pool may have been given this one's number since. Where there was no room, it is not asked for all the time.
bool Worker::NumberIsDue(const Pool& pool) {
  if (pool.nodes->empty()) return false;
  const SessionContext& context = *pool.context;
  if (context.pool == 0) return clock_->Now() >= pool.number_at;
  return !shared()->pools.Holds({context.pool, context.pool_hash});
}

std::shared_ptr<const SessionContext> Worker::MakeContext(Pool* pool, const SessionSettings& settings) {
  struct Owned {
    std::shared_ptr<NodeSet> nodes;
    SessionContext context;
  };
  auto owned = std::make_shared<Owned>();
  owned->nodes = pool->nodes;
  SessionContext& context = owned->context;
  context.settings = settings;
  context.store = store_;
  context.nodes = pool->nodes.get();
  context.clock = clock_;
  context.shared = shared();
  if (!pool->nodes->empty()) {
    const TimePoint now = clock_->Now();
    const SharedPoolTable::Number number = shared()->pools.NumberOf(pool->save_path, settings, store_, now);
    context.pool = number.number;
    context.pool_hash = number.hash;
    pool->number_at = now + kNumberRetry;
  }
  context.leases = leases_;
  context.session_open = session_open_;
  context.access = std::make_shared<NodeAccess>(NodeAccess{pool->save_path, settings});
  context.codec = {pool->keys, settings.encryption, settings.compression_level, settings.compression_threshold,
                   settings.cipher};
  context.spare = &spare_;
  context.space = Hash128({}, "local", pool->save_path);
  return {owned, &context};
}

Result<std::shared_ptr<NodeSet>> Worker::MakeNodes(std::string_view save_path, const SessionSettings& settings) {
  Result<NodeLists> lists = ParseSavePath(save_path);
  if (!lists.ok()) return lists.error();
  if (!lists->now.empty() && settings.authentication == Authentication::kSasl && settings.username.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "clustered_session.authentication = sasl needs clustered_session.username, which is not set");
  }
  HealthTable* table = &shared()->nodes;
  const NodeTimeouts timeouts{settings.connect_timeout, settings.operation_timeout};
  const std::string root = RootFolder();
  const TimePoint now = clock_->Now();
  std::string all;
  std::vector<NodeSet::Member> members;
  NodeSet::PreviousList previous;
  std::vector<NodeAddress> addresses = lists->now;
  for (const NodeAddress& before : lists->before) {
    const auto found = std::find_if(addresses.begin(), addresses.end(),
                                    [&](const NodeAddress& address) { return address.name == before.name; });
    previous.members.push_back(static_cast<uint32_t>(found - addresses.begin()));
    if (found == addresses.end()) addresses.push_back(before);
  }
  previous.addresses = std::move(lists->before);
  if (Status status = CheckTls(addresses, settings); !status.ok()) return status.error();
  const size_t only_before = addresses.size() - lists->now.size();
  for (NodeAddress& address : addresses) {
    NodeSet::Member member;
    const std::string name = address.name + '\0' + address.ToString() + HowAsked(address, settings);
    all += name + '\0';
    member.hash = NodeNameHash(address.name, address.ToString());
    member.health = HealthHandle(table, HealthKey(name, timeouts, root), now);
    member.node = MakeMemcachedNode(address, timeouts, member.health.get(), &store_->counters(),
                                    CredentialsOf(settings), settings.tls);
    member.address = std::move(address);
    members.push_back(std::move(member));
  }
  HealthHandle together;
  if (!all.empty()) together = HealthHandle(table, HealthKey(all, timeouts, root + WhoAsks(settings)), now);
  // Not more than a renewal's deadline leaves, however long an operation may take.
  const Duration connect_time_min = std::min<Duration>(settings.operation_timeout / 2, std::chrono::milliseconds(500));
  auto nodes = std::make_shared<NodeSet>(std::move(members), settings.retry_interval, clock_, &store_->counters(),
                                         connect_time_min, std::move(together));
  nodes->SetPrevious(std::move(previous), only_before);
  nodes->TellTo(
      [log = log_, events = &shared()->events](const NodeEvent& event) { events->Add(log, event.at, event.text); });
  if (MayBeCutAtEquals(save_path)) nodes->SetResolveHint("; are the quotes of session.save_path missing?");
  return nodes;
}

}  // namespace clustered_session
