// Whole sessions over real memcached, where a fake would not do: a process that is killed between the two halves of a
// write, and a memcached that has no memory left. Layer: tests.
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "src/memcached/memcached_node.h"
#include "src/record/record.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "tests/support/child_process.h"
#include "tests/support/memcached_process.h"

using namespace clustered_session;

namespace {

using std::chrono::seconds;

constexpr uint32_t kLifetime = 1440;
constexpr const char* kId = "0123456789abcdef0123456789abcdef-m1";

enum class Step { kNone, kBeforeStart, kAfterStart, kAfterFinish };

// A connection to a real node whose process dies at a step of the node's first write.
class DyingNode final : public Node {
 public:
  DyingNode(std::unique_ptr<Node> node, Step dies_at) : node_(std::move(node)), dies_at_(dies_at) {}

  const std::string& name() const override { return node_->name(); }
  const std::string& address() const override { return node_->address(); }
  bool Connected() const override { return node_->Connected(); }
  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) override {
    node_->StartRead(key, deadline, claim, show);
  }
  NodeReply FinishRead() override { return node_->FinishRead(); }
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline, uint32_t mark) override {
    DieAt(Step::kBeforeStart);
    node_->StartWrite(key, value, ttl, expected, deadline, mark);
    DieAt(Step::kAfterStart);
  }
  NodeReply FinishWrite() override {
    NodeReply reply = node_->FinishWrite();
    DieAt(Step::kAfterFinish);
    return reply;
  }
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override {
    node_->Release(key, held, deadline);
  }
  void Extend(std::string_view key, std::string_view bytes) override { node_->Extend(key, bytes); }

 private:
  void DieAt(Step step) const {
    if (step == dies_at_) kill(getpid(), SIGKILL);
  }

  std::unique_ptr<Node> node_;
  Step dies_at_;
};

// One web server over nodes that answer, or die, for real. Made in the process that uses it.
struct Server {
  explicit Server(const std::vector<const MemcachedProcess*>& processes, size_t dying = 0, Step dies_at = Step::kNone) {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(8u << 20, sizeof(SharedState));
    store = std::move(*made);
    if (!static_cast<SharedState*>(store->Extra())->Init()) std::abort();
    std::vector<NodeSet::Member> members;
    for (size_t i = 0; i < processes.size(); ++i) {
      NodeSet::Member member;
      member.address.name = "m" + std::to_string(i + 1);
      member.address.host = "127.0.0.1";
      member.address.port = processes[i]->port();
      member.hash = NodeNameHash(member.address.name, member.address.ToString());
      HealthTable* table = &static_cast<SharedState*>(store->Extra())->nodes;
      member.health = HealthHandle(table, HealthKey(member.address.ToString(), {}), std::chrono::steady_clock::now());
      member.node = std::make_unique<DyingNode>(
          MakeMemcachedNode(member.address, {seconds(10), seconds(10)}, member.health.get(), &store->counters()),
          i == dying ? dies_at : Step::kNone);
      members.push_back(std::move(member));
    }
    nodes = std::make_unique<NodeSet>(std::move(members), std::chrono::milliseconds(20), &clock, &store->counters());
    context.store = store.get();
    context.nodes = nodes.get();
    context.clock = &clock;
    context.shared = static_cast<SharedState*>(store->Extra());
    context.settings.server_id = "a";
    context.settings.connect_timeout = context.settings.operation_timeout = seconds(10);
  }

  // What the session has before it gets `payload`; or, without one, is left as it is.
  std::string Serve(const std::string* payload = nullptr) {
    Session session(context);
    const Result<std::string_view> read = session.Read(kId, kLifetime);
    if (!read.ok()) return read.error().message();
    const std::string found(*read);
    const Status status =
        payload != nullptr ? session.Write(kId, *payload, kLifetime) : session.UpdateTimestamp(kId, found, kLifetime);
    session.Close();
    return status.ok() ? found : status.error().message();
  }
  std::string Serve(const std::string& payload) { return Serve(&payload); }

  SystemClock clock;
  std::unique_ptr<LocalStore> store;
  std::unique_ptr<NodeSet> nodes;
  SessionContext context;
};

std::string KeyOnNodes() { return StorageKey("cs:", Hash128({}, "cs:", kId)); }

// The payload that a node holds; nothing but a whole record counts.
std::string HeldBy(const MemcachedProcess& node) {
  const std::string bytes = node.Get(KeyOnNodes());
  if (bytes.empty()) return "nothing";
  const Result<Record> record = DecodeRecord(bytes, KeyOnNodes());
  return record.ok() ? std::string(record->payload) : "torn: " + record.error().message();
}

std::string Large(char letter) { return "n|s:700000:\"" + std::string(700'000, letter) + "\";"; }

}  // namespace

TEST_CASE(
    "A server that is killed within a write leaves the old session or the new one, whole, and the next repairs it",
    "[session]") {
  const auto [dying, step] = GENERATE(table<size_t, Step>({{0, Step::kBeforeStart},
                                                           {0, Step::kAfterStart},
                                                           {1, Step::kAfterStart},
                                                           {0, Step::kAfterFinish},
                                                           {1, Step::kAfterFinish}}));
  const bool large = GENERATE(false, true);
  const std::string before = large ? Large('a') : "n|i:1;";
  const std::string after = large ? Large('b') : "n|i:2;";
  MemcachedProcess m1, m2;
  const std::vector<const MemcachedProcess*> processes = {&m1, &m2};
  {
    Server first(processes);
    REQUIRE(first.Serve(before) == "");
    REQUIRE(HeldBy(m1) == before);
    REQUIRE(HeldBy(m2) == before);
  }
  ChildProcess killed([&, dying = dying, step = step] {
    Server server(processes, dying, step);
    return server.Serve(after) == before ? 0 : 1;
  });
  REQUIRE(killed.Wait().signal == SIGKILL);

  const bool reached_a_node = HeldBy(m1) == after || HeldBy(m2) == after;
  Server next(processes);
  const std::string found = next.Serve();
  CHECK((found == before || found == after));
  if (reached_a_node) CHECK(found == after);
  // What was sent in full is not lost.
  if (step == Step::kBeforeStart) CHECK(found == before);
  if (step == Step::kAfterFinish) CHECK(found == after);
  CHECK(HeldBy(m1) == found);
  CHECK(HeldBy(m2) == found);
  CHECK(next.store->counters().corrupt_records.Get() == 0);
  CHECK(next.store->counters().conflicts.Get() == 0);
}

TEST_CASE("A server that is killed while a node takes its bytes leaves no torn session", "[session]") {
  const std::string before = Large('a');
  const std::string after = Large('b');
  MemcachedProcess m1, m2;
  const std::vector<const MemcachedProcess*> processes = {&m1, &m2};
  {
    Server first(processes);
    REQUIRE(first.Serve(before) == "");
  }
  struct Progress {
    std::atomic<bool> has_read;
    std::atomic<bool> may_write;
  };
  const Shared<Progress> progress;
  ChildProcess killed([&] {
    Server server(processes);
    Session session(server.context);
    if (!session.Read(kId, kLifetime).ok()) return 1;
    progress->has_read = true;
    if (!WaitUntil([&] { return progress->may_write.load(); })) return 3;
    return session.Write(kId, after, kLifetime).ok() ? 0 : 2;
  });
  REQUIRE(WaitUntil([&] { return progress->has_read.load(); }));
  m2.Stop();
  progress->may_write = true;
  // m1 has all of it; for m2 there is as much as fits into the sockets' buffers.
  REQUIRE(WaitUntil([&] { return HeldBy(m1) == after; }));
  killed.Kill();
  m2.Continue();

  const std::string kept = HeldBy(m2);
  CHECK((kept == before || kept == after));
  Server next(processes);
  CHECK(next.Serve() == after);
  CHECK(HeldBy(m2) == after);
  m1.Kill();
  Server last(processes);
  CHECK(last.Serve() == after);
  CHECK(last.store->counters().corrupt_records.Get() == 0);
}

TEST_CASE("A memcached without memory keeps no old record that comes back", "[session]") {
  MemcachedProcess::Options options;
  options.arguments = {"-M", "-m", "2"};
  MemcachedProcess m1(std::move(options));
  MemcachedProcess m2, m3;
  const std::vector<const MemcachedProcess*> processes = {&m1, &m2, &m3};
  const std::string before = "n|i:1;";
  const std::string after = "n|s:20000:\"" + std::string(20'000, 'x') + "\";";
  Server server(processes);
  REQUIRE(server.Serve(before) == "");
  REQUIRE(HeldBy(m1) == before);

  // Items of that size until there is room for none.
  const std::string value(20'200, 'y');
  int stored = 0;
  while (m1.Set("filler" + std::to_string(stored), value)) REQUIRE(++stored < 10'000);
  REQUIRE(server.Serve(after) == before);
  CHECK(HeldBy(m1) != after);
  CHECK(HeldBy(m2) == after);
  CHECK(HeldBy(m3) == after);

  Server again(processes);
  CHECK(again.Serve() == after);
  m2.Kill();
  Server last(processes);
  CHECK(last.Serve() == after);
}
