// Several nodes asked at once, some of which cannot be connected to. Mirrors src/cluster/node_set.h.
#include "src/cluster/node_set.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/cluster/sentinel.h"
#include "tests/memcached/node_fixture.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hanging_port.h"
#include "tests/support/memcached_process.h"

namespace clustered_session {
namespace {

// Two black holes before a node that works.
struct Nodes {
  HangingPort holes[2];
  MemcachedProcess memcached;
  FaultProxy proxy{memcached.port()};
  Counters counters;
  NodeHealth health[3] = {};
  SystemClock clock;
  std::unique_ptr<NodeSet> set;

  Nodes(Duration connect_timeout, Duration connect_time_min) {
    ProxyFaults slow;
    slow.delay = milliseconds(50);
    proxy.Set(slow);
    Renew(connect_timeout, connect_time_min);
  }

  // Another worker's.
  void Renew(Duration connect_timeout, Duration connect_time_min) {
    std::vector<NodeSet::Member> members;
    for (const uint16_t port : {holes[0].port(), holes[1].port(), proxy.port()}) {
      NodeSet::Member& member = members.emplace_back();
      member.address = TcpAddress(port);
      member.health = &health[members.size() - 1];
      member.node = MakeMemcachedNode(member.address, {connect_timeout, seconds(5)}, member.health.get(), &counters);
    }
    set = std::make_unique<NodeSet>(std::move(members), seconds(3600), &clock, &counters, connect_time_min);
  }
};

TEST_CASE("a node with an open connection answers whatever time the others take to connect") {
  Nodes nodes(milliseconds(400), Duration::zero());
  REQUIRE(nodes.set->ReadAll({2}, "k", Now() + seconds(10))[0].reply.status == NodeStatus::kMiss);
  const TimePoint deadline = Now() + milliseconds(600);
  const std::vector<NodeSet::Read> reads = nodes.set->ReadAll({0, 1, 2}, "k", deadline);
  CHECK(reads[0].reply.status == NodeStatus::kError);
  CHECK(reads[1].reply.status == NodeStatus::kError);
  CHECK(reads[2].node == 2);
  CHECK(reads[2].reply.status == NodeStatus::kMiss);
  CHECK(nodes.health[2].failures.load() == 0);

  nodes.Renew(milliseconds(400), Duration::zero());
  REQUIRE(nodes.set->ReadAll({2}, "k", Now() + seconds(10))[0].reply.status == NodeStatus::kMiss);
  const std::vector<NodeSet::WriteTarget> targets = {{0, {}}, {1, {}}, {2, {}}};
  const std::vector<NodeReply> replies =
      nodes.set->WriteAll(targets, "k", "v", seconds(100), Now() + milliseconds(600));
  CHECK(replies[0].status == NodeStatus::kError);
  CHECK(replies[2].status == NodeStatus::kStored);
  CHECK(nodes.memcached.Get("k") == "v");
}

// A node of an engine that waits while it starts an operation: for the clock that NodeSet looks at.
class BlockingNode final : public Node {
 public:
  BlockingNode(FakeClock* clock, Duration time) : clock_(clock), time_(time) {}
  const std::string& name() const override { return name_; }
  const std::string& address() const override { return name_; }
  bool Connected() const override { return false; }
  void StartRead(std::string_view, TimePoint, const LockClaim*, Show) override {
    ++asked_;
    clock_->Advance(time_);
  }
  void StartWrite(std::string_view, std::string_view, std::chrono::seconds, const NodeToken&, TimePoint,
                  uint32_t) override {}
  NodeReply FinishRead() override {
    NodeReply reply;
    reply.status = NodeStatus::kError;
    reply.failure = NodeFailure::kConnectTimeout;
    return reply;
  }
  NodeReply FinishWrite() override { return {}; }
  void Release(std::string_view, const NodeToken&, TimePoint) override {}
  int asked() const { return asked_; }

 private:
  FakeClock* const clock_;
  const Duration time_;
  const std::string name_ = "m1";
  int asked_ = 0;
};

TEST_CASE("a node that others have left too little time to connect to is not asked, and not blamed") {
  FakeClock clock;
  Counters counters;
  NodeHealth health[3] = {};
  std::vector<NodeSet::Member> members(3);
  std::vector<BlockingNode*> blocking;
  for (size_t i = 0; i < members.size(); ++i) {
    auto node = std::make_unique<BlockingNode>(&clock, seconds(2));
    blocking.push_back(node.get());
    members[i].health = &health[i];
    members[i].node = std::move(node);
  }
  NodeSet set(std::move(members), seconds(3600), &clock, &counters, seconds(5));
  const std::vector<NodeSet::Read> reads = set.ReadAll({0, 1, 2}, "k", clock.Now() + milliseconds(6500));
  CHECK(reads[0].reply.status == NodeStatus::kError);
  CHECK(reads[1].reply.status == NodeStatus::kSkipped);
  CHECK(reads[2].reply.status == NodeStatus::kSkipped);
  CHECK(blocking[1]->asked() == 0);
  CHECK(blocking[2]->asked() == 0);
  CHECK(health[0].failures.load() == 1);
  CHECK(health[1].failures.load() == 0);
  CHECK(health[2].failures.load() == 0);
}

// A node whose connection is lost once it has answered.
class LastAnswerNode final : public Node {
 public:
  const std::string& name() const override { return name_; }
  const std::string& address() const override { return name_; }
  bool Connected() const override { return connected_; }
  void StartRead(std::string_view, TimePoint, const LockClaim*, Show) override {}
  void StartWrite(std::string_view, std::string_view, std::chrono::seconds, const NodeToken&, TimePoint,
                  uint32_t) override {}
  NodeReply FinishRead() override {
    connected_ = false;
    NodeReply reply;
    reply.status = NodeStatus::kMiss;
    return reply;
  }
  NodeReply FinishWrite() override { return {}; }
  void Release(std::string_view, const NodeToken&, TimePoint) override {}

 private:
  const std::string name_ = "m1";
  bool connected_ = true;
};

TEST_CASE("who was answered just now is not alone, also if no node takes a new connection") {
  FakeClock clock;
  Counters counters;
  NodeHealth health = {};
  std::vector<NodeSet::Member> members(1);
  members[0].health = &health;
  members[0].node = std::make_unique<LastAnswerNode>();
  NodeSet set(std::move(members), seconds(3600), &clock, &counters, Duration::zero());
  int events = 0;
  set.TellTo([&events](const NodeEvent&) { ++events; });
  REQUIRE(ReportFailure(&health, NodeSign::kRefused, clock.Now()));  // another worker's
  REQUIRE(set.ReadAll({0}, "k", clock.Now() + seconds(1))[0].reply.status == NodeStatus::kMiss);
  TimePoint since;
  CHECK_FALSE(set.Alone(&since));
  CHECK(events == 0);
}

TEST_CASE("the time of an operation is its node's own, and a failure is counted by its reason") {
  Nodes nodes(milliseconds(300), Duration::zero());
  REQUIRE(nodes.set->ReadAll({2}, "k", Now() + seconds(10))[0].reply.status == NodeStatus::kMiss);  // connects
  const auto over = [&](size_t node, int64_t micros) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < NodeTimeHistogram::kBuckets; ++i) {
      if (i > 0 && NodeTimeHistogram::Bound(i - 1) >= static_cast<uint64_t>(micros)) {
        count += nodes.health[node].time.Count(i);
      }
    }
    return count;
  };
  REQUIRE(nodes.set->ReadAll({0, 2}, "k", Now() + seconds(10))[1].reply.status == NodeStatus::kMiss);
  // It takes 50 ms; who waited for the black hole beside it, 300.
  CHECK(over(0, 262'144) == 1);
  CHECK(over(2, 262'144) == 0);
  CHECK(over(2, 32'768) == 2);
  CHECK(nodes.health[2].time.Sum() >= 100'000);
  const auto failed = [&](size_t node, NodeFailure by) {
    return nodes.health[node].failed_by[static_cast<size_t>(by)].load();
  };
  CHECK(failed(0, NodeFailure::kConnectTimeout) == 1);
  CHECK(failed(0, NodeFailure::kTimeout) == 0);
  CHECK(failed(2, NodeFailure::kConnectTimeout) == 0);
}

// A node that answers each read alike.
class ReadableNode final : public Node {
 public:
  explicit ReadableNode(const NodeReply* reply) : reply_(reply) {}
  const std::string& name() const override { return name_; }
  const std::string& address() const override { return name_; }
  bool Connected() const override { return true; }
  void StartRead(std::string_view, TimePoint, const LockClaim*, Show) override {}
  void StartWrite(std::string_view, std::string_view, std::chrono::seconds, const NodeToken&, TimePoint,
                  uint32_t) override {}
  NodeReply FinishRead() override { return *reply_; }
  NodeReply FinishWrite() override { return {}; }
  void Release(std::string_view, const NodeToken&, TimePoint) override {}

 private:
  const std::string name_ = "m1";
  const NodeReply* const reply_;
};

struct ReadableNodeSet {
  ReadableNodeSet() {
    std::vector<NodeSet::Member> members(1);
    members[0].health = &health;
    members[0].node = std::make_unique<ReadableNode>(&reply);
    set = std::make_unique<NodeSet>(std::move(members), seconds(2), &clock, &counters);
  }

  FakeClock clock;
  Counters counters;
  NodeHealth health = {};
  NodeReply reply;
  std::unique_ptr<NodeSet> set;
};

TEST_CASE_METHOD(ReadableNodeSet, "a node has kept what is older than its sentinel, or if that tells no time") {
  const auto older = [&] { return set->AnyOlder({0}, seconds(100), clock.Now() + seconds(1)); };
  reply.status = NodeStatus::kHit;
  reply.value = SentinelValue("a", clock.UnixSeconds());
  clock.Advance(seconds(100));
  CHECK_FALSE(older());
  clock.Advance(seconds(1));
  CHECK(older());
  reply.value = "a";  // of release 0.1
  CHECK(older());
  reply.status = NodeStatus::kMiss;
  CHECK_FALSE(older());
}

TEST_CASE_METHOD(ReadableNodeSet, "a node that does not let this caller in is not waited for, until it does") {
  CHECK(set->ExpectedBack(0));
  reply.status = NodeStatus::kError;
  reply.failure = GENERATE(NodeFailure::kCredentials, NodeFailure::kPermission);
  (void)set->ReadAll({0}, "k", clock.Now() + seconds(1));
  CHECK_FALSE(set->ExpectedBack(0));
  clock.Advance(seconds(2));
  reply = {};
  reply.status = NodeStatus::kMiss;
  (void)set->ReadAll({0}, "k", clock.Now() + seconds(1));
  CHECK(set->ExpectedBack(0));
}
}  // namespace
}  // namespace clustered_session
