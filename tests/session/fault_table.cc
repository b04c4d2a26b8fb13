// Requests before, in and after a fault, and their count. Layer: tests.
#include "tests/session/fault_table.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <utility>

#include "src/base/save_path.h"
#include "src/base/session_key.h"
#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"
#include "src/record/record.h"
#include "src/session/background_flusher.h"

namespace clustered_session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kLifetime = 1440;  // seconds
// What a request may take beside its waits for nodes, on a machine that is busy with other things.
constexpr Duration kSlack = milliseconds(1500);

std::string RandomPart() {
  static std::mt19937_64 random(11);
  return RandomPartOf(&random);
}

// Timeouts that a fault uses up are short, and long enough for a node that is well on a busy machine.
SessionSettings SettingsOf(bool waits) {
  SessionSettings settings;
  settings.copies = FaultTable::kCopies;
  settings.local_trust = Duration::zero();  // every read asks the nodes as well
  settings.connect_timeout = waits ? milliseconds(200) : seconds(5);
  settings.operation_timeout = waits ? milliseconds(300) : seconds(5);
  settings.retry_interval = waits ? milliseconds(1000) : milliseconds(200);
  return settings;
}

}  // namespace

RealServer::RealServer(std::string server_id, std::string save_path, SessionSettings settings)
    : save_path_(std::move(save_path)), settings_(std::move(settings)) {
  settings_.server_id = std::move(server_id);
  Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(8u << 20, sizeof(SharedState));
  if (!made.ok()) throw std::runtime_error(made.error().message());
  store_ = std::move(*made);
  if (!static_cast<SharedState*>(store_->Extra())->Init()) throw std::runtime_error("no process-shared mutexes");
  worker_ = std::make_unique<Worker>(store_.get(), &clock_);
}

const SessionContext& RealServer::Context() {
  const auto context = worker_->ContextFor(save_path_, settings_, 1);
  if (!context.ok()) throw std::runtime_error(context.error().message());
  return **context;
}

Result<std::string> RealServer::Serve(Browser* browser, const std::string& change) {
  Session session(Context());
  session.SetClaim(browser->affinity);
  if (browser->session_id.empty()) {
    const std::string part = RandomPart();
    browser->session_id = session.CreateId(part, std::hash<std::string>()(part));
  }
  Result<std::string_view> read = session.Read(browser->session_id, kLifetime);
  if (!read.ok()) return read.error();
  std::string found(*read);
  if (std::optional<AffinityCookie> cookie = session.Affinity()) browser->affinity = cookie;
  const std::string payload = found + change;
  const Status written = session.Write(browser->session_id, payload, kLifetime);
  session.Close();
  if (!written.ok()) return written.error();
  return found;
}

void RealServer::MakeNodesDue() {
  const NodeSet& nodes = *Context().nodes;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    nodes.member(i).health->answers.tried_at_ns = 0;
    nodes.member(i).health->connects.tried_at_ns = 0;
  }
  worker_ = std::make_unique<Worker>(store_.get(), &clock_);  // which has met no failure itself
}

size_t RealServer::Flush() {
  BackgroundFlusher flusher(store_.get(), &clock_, settings_);
  return flusher.FlushAll(clock_.Now() + seconds(20));
}

uint64_t RealServer::failures() {
  uint64_t sum = 0;
  const NodeSet& nodes = *Context().nodes;
  for (uint32_t i = 0; i < nodes.size(); ++i) sum += nodes.member(i).health->failures.load();
  return sum;
}

std::string FaultTable::Visitor::payload() const {
  std::string payload;
  for (const std::string& change : acknowledged) payload += change;
  return payload;
}

FaultTable::FaultTable(const Options& options)
    : options_(options), settings_(SettingsOf(options.waits)), visitors_(options.sessions) {
  for (size_t i = 0; i < kNodes; ++i) {
    nodes_.push_back(std::make_unique<MemcachedProcess>(i == 0 ? options.first : MemcachedProcess::Options()));
    proxies_.push_back(std::make_unique<FaultProxy>(nodes_[i]->port()));
    const std::string name = "m" + std::to_string(i + 1);
    save_path_ += (i > 0 ? "," : "") + name + "=" + (options.by_name ? name + ".test" : "127.0.0.1") + ":" +
                  std::to_string(proxies_[i]->port());
  }
  for (const char* server_id : {"a", "b"}) {
    servers_.push_back(std::make_unique<RealServer>(server_id, save_path_, settings_));
  }
  slow_time_.resize(servers_.size());
}

void FaultTable::ServeOne(size_t session, const std::string& change) {
  Visitor& visitor = visitors_[session];
  const TimePoint start = std::chrono::steady_clock::now();
  const Result<std::string> found = servers_[visitor.server]->Serve(&visitor.browser, change);
  const Duration time = std::chrono::steady_clock::now() - start;
  ++row_.requests;
  row_.longest = std::max(row_.longest, time);
  if (time > settings_.operation_timeout) {
    ++row_.slow;
    slow_time_[visitor.server] += time;
  }
  if (found.ok()) {
    if (!change.empty()) visitor.acknowledged.push_back(change);
  } else if (++row_.failed == 1) {
    row_.first_error = found.error().message();
  }
}

void FaultTable::Serve(int rounds, size_t filler) {
  for (int i = 0; i < rounds; ++i, ++round_) {
    std::string change = "k" + std::to_string(round_);
    if (filler == 0) {
      change += "|i:1;";
    } else {
      change += "|s:" + std::to_string(filler) + ":\"" + std::string(filler, 'f') + "\";";
    }
    for (size_t session = 0; session < visitors_.size(); ++session) ServeOne(session, change);
  }
}

std::string FaultTable::Bytes(size_t node, size_t session) const {
  const std::string& id = visitors_[session].browser.session_id;
  return nodes_[node]->Get(StorageKey(settings_.prefix, Hash128({}, settings_.prefix, id)));
}

void FaultTable::BeginFault(const std::vector<size_t>& answering) {
  for (size_t session = 1; session < visitors_.size(); session += 2) {
    const bool elsewhere =
        std::any_of(answering.begin(), answering.end(), [&](size_t node) { return !Bytes(node, session).empty(); });
    if (elsewhere) visitors_[session].server = 1;
  }
  answering_ = answering;
  fault_began_ = std::chrono::steady_clock::now();
}

void FaultTable::EndFault() {
  row_.slow_max = SlowMax();
  for (size_t session = 0; session < visitors_.size(); ++session) row_.safe += Safe(session);
}

// A server that has waited for a node asks it again a retry interval later: what passes meanwhile is the rest of its
// time. Two more for the nodes that fail first, or that a busy machine keeps from answering.
int FaultTable::SlowMax() const {
  if (!options_.waits) return 0;
  int sum = 0;
  for (const Duration slow_time : slow_time_) {
    const Duration rest = std::chrono::steady_clock::now() - fault_began_ - slow_time;
    sum += 2 + static_cast<int>(rest / settings_.retry_interval);
  }
  return sum;
}

bool FaultTable::Safe(size_t session) const {
  const std::string& id = visitors_[session].browser.session_id;
  const std::string key = StorageKey(settings_.prefix, Hash128({}, settings_.prefix, id));
  const auto holders = std::count_if(answering_.begin(), answering_.end(), [&](size_t node) {
    const std::string bytes = Bytes(node, session);
    const Result<Record> record = DecodeRecord(bytes, key);
    return record.ok() && record->payload == visitors_[session].payload();
  });
  return static_cast<size_t>(holders) >= std::min<size_t>(kCopies, answering_.size());
}

// The newest record is on the first `copies` nodes of the placement, byte by byte the same. The third one, which stood
// in for one of them, may hold an older one.
bool FaultTable::Whole(size_t session) const {
  const std::string& id = visitors_[session].browser.session_id;
  const SessionKey key = Hash128({}, settings_.prefix, id);
  const std::string storage_key = StorageKey(settings_.prefix, key);
  const std::vector<NodeAddress> addresses = ParseNodeList(save_path_).value();
  const std::vector<uint32_t> placement = PlaceSession(addresses, key, NodeNamedBy(addresses, id));
  const std::string newest = Bytes(placement[0], session);
  const Result<Record> record = DecodeRecord(newest, storage_key);
  if (!record.ok() || record->payload != visitors_[session].payload()) return false;
  return std::all_of(placement.begin() + 1, placement.end(), [&](const uint32_t& node) {
    const std::string bytes = Bytes(node, session);
    if (&node < &placement[kCopies]) return bytes == newest;
    const Result<Record> other = DecodeRecord(bytes, storage_key);
    return bytes.empty() || (other.ok() && LineageOf(other->ancestry, record->ancestry) == Lineage::kAncestor);
  });
}

int FaultTable::CountLost() {
  RealServer fresh("fresh", save_path_, SettingsOf(false));
  int lost = 0;
  for (Visitor& visitor : visitors_) {
    Browser browser{visitor.browser.session_id, {}};
    const Result<std::string> found = fresh.Serve(&browser, {});
    for (const std::string& change : visitor.acknowledged) {
      lost += !found.ok() || found->find(change) == std::string::npos;
    }
  }
  return lost;
}

FaultTable::Row FaultTable::Finish() {
  row_.longest_max = settings_.operation_timeout;
  if (options_.waits) {  // one read and one write
    row_.longest_max = 2 * (settings_.connect_timeout + settings_.operation_timeout) + kSlack;
  }
  for (const std::unique_ptr<RealServer>& server : servers_) server->MakeNodesDue();
  row_.sessions = visitors_.size();
  for (size_t session = 0; session < visitors_.size(); ++session) ServeOne(session, {});
  for (size_t session = 0; session < visitors_.size(); ++session) row_.whole += Whole(session);
  row_.lost = CountLost();
  const auto in_ms = [](Duration time) { return static_cast<long long>(time / milliseconds(1)); };
  std::printf(
      "fault: %-36s requests %d, failed %d, updates lost %d, longest %lld ms, above %lld ms %d, "
      "sessions %zu, on %u nodes at its end %zu, after it %zu\n",
      options_.fault.c_str(), row_.requests, row_.failed, row_.lost, in_ms(row_.longest),
      in_ms(settings_.operation_timeout), row_.slow, row_.sessions, kCopies, row_.safe, row_.whole);
  std::fflush(stdout);
  return row_;
}

}  // namespace clustered_session
