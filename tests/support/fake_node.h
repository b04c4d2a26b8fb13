// FakeNode: a memcached server of the imagination behind the core's Node interface, with faults to order. Layer: tests.
// One FakeMemcached is one server with its items; each web server of a test has a FakeNode (a connection) to it.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_NODE_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_NODE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/clock.h"
#include "src/cluster/node.h"
#include "tests/support/fake_clock.h"

namespace clustered_session {

class FakeMemcached {
 public:
  struct Item {
    std::string value;
    uint64_t cas = 0;
    TimePoint expires_at;
    uint32_t mark = 0;
  };

  FakeMemcached(std::string name, const Clock* clock);

  const std::string& name() const { return name_; }

  // Faults.
  void set_down(bool down) { down_ = down; }  // refuses connections
  // Answers nothing, and whoever waits for it waits to the end; null: not.
  void set_hung(FakeClock* clock) { hung_ = clock; }
  void set_item_size_max(uint64_t size) { size_max_ = size; }
  void set_shows(bool shows) { shows_ = shows; }  // false: does not say what it holds in place of what it was to store
  void set_leaves_out(bool leaves_out) { leaves_out_ = leaves_out; }  // false: shows the value where a mark would do
  void set_stats(std::optional<std::string> stats) { stats_ = std::move(stats); }  // what it tells; nothing: refuses
  const std::optional<std::string>& stats() const { return stats_; }
  // How it lists its keys; kUnderWay: not at all, for ever.
  void set_lists(KeyListing::State lists) { lists_ = lists; }
  KeyListing::State lists() const { return lists_; }
  void set_full(bool full) { full_ = full; }                   // refuses every store
  void set_writes_left(int writes) { writes_left_ = writes; }  // takes so many more, and then none; -1: any number
  // Once, after so many that go well: performs the operation, answers nothing.
  void LoseAnswer(int after = 0) { lose_answer_after_ = after; }
  // From now on: answers nothing to who wants to see this item; to who asks for its mark it does.
  void LoseValueOf(std::string key) { loses_value_of_ = std::move(key); }
  // Likewise once: answers nothing, performs it at DeliverDelayed().
  void DelayWrite(int after = 0) { delay_write_after_ = after; }
  void DeliverDelayed();
  // Once: what others do just before the next write arrives, or just after it was taken and before its answer is.
  void BeforeWrite(std::function<void()> what) { before_write_ = std::move(what); }
  void AfterWrite(std::function<void()> what) { after_write_ = std::move(what); }
  void ForgetFaults() {
    lose_answer_after_ = delay_write_after_ = -1;
  }  // those that were ordered and have not happened
  bool HasFault() const {
    return down_ || hung_ != nullptr || lose_answer_after_ >= 0 || delay_write_after_ >= 0 || !delayed_.empty();
  }
  // For a test of the tests, which must notice it: CAS numbers that start anew without anybody being told.
  void set_keeps_incarnation(bool keeps) { keeps_incarnation_ = keeps; }
  // Likewise: stores whatever it is given, whatever the item is.
  void set_unconditional(bool unconditional) { unconditional_ = unconditional; }
  void Flush();                                         // forgets all items, its sentinel among them
  void RestartEmpty();                                  // a new incarnation without items, as of now
  void RestartWith(std::map<std::string, Item> items);  // a new incarnation that comes back with old items

  // Somebody waits for an answer until `deadline`: false if there is none. One that was asked in time answers at once.
  bool AwaitAnswer(TimePoint deadline) const;
  bool InTime(TimePoint deadline) const { return clock_->Now() < deadline; }

  bool down() const { return down_; }
  bool shows() const { return shows_; }
  bool leaves_out() const { return leaves_out_; }
  bool hung() const { return hung_ != nullptr; }
  TimePoint Now() const { return clock_->Now(); }
  std::map<std::string, Item>& items() { return items_; }
  // The value of its sentinel, which it has since it was last empty, or for a month at the test's start.
  std::string Sentinel() const;
  Item* Find(const std::string& key);
  // A test has changed the item's value: whoever held its token holds it no longer.
  void NewToken(Item* item) {
    item->cas = ++last_cas_;
    item->mark = 0;
  }

  NodeReply Read(const std::string& key, const LockClaim* claim = nullptr, Show show = Show::kValue);
  void Release(const std::string& key, const NodeToken& held);
  void Extend(const std::string& key, std::string_view bytes);
  NodeReply Write(const std::string& key, const std::string& value, std::chrono::seconds ttl, const NodeToken& expected,
                  uint32_t mark = 0);

  NodeReply Unreachable() const;  // refuses the connection
  NodeReply Silent() const;       // waited for in vain

  uint64_t reads = 0;
  uint64_t values_shown = 0;
  uint64_t writes = 0;
  uint64_t batches = 0;
  uint64_t lists_begun = 0;

 private:
  static bool IsDue(int* after);
  static void Happen(std::function<void()>* what);
  bool Store(const std::string& key, const std::string& value, std::chrono::seconds ttl, const NodeToken& expected,
             uint32_t mark);

  struct DelayedWrite {
    std::string key;
    std::string value;
    std::chrono::seconds ttl;
    NodeToken expected;
    uint32_t mark;
  };

  std::string name_;
  const Clock* clock_;
  std::map<std::string, Item> items_;
  uint64_t last_cas_ = 0;  // starts anew with each incarnation, as memcached's does
  uint32_t incarnation_ = 1;
  int64_t empty_at_s_;    // since 1970
  bool flushed_ = false;  // its sentinel is an item like any other, if there is one
  uint64_t size_max_ = 1u << 20;
  int writes_left_ = -1;
  int lose_answer_after_ = -1;  // -1: none is
  int delay_write_after_ = -1;
  std::vector<DelayedWrite> delayed_;
  std::function<void()> before_write_;
  std::function<void()> after_write_;
  bool down_ = false;
  FakeClock* hung_ = nullptr;
  bool full_ = false;
  bool shows_ = true;
  bool leaves_out_ = true;
  std::string loses_value_of_;
  std::optional<std::string> stats_;
  KeyListing::State lists_ = KeyListing::State::kNone;
  bool keeps_incarnation_ = false;
  bool unconditional_ = false;
};

// A web server's connection to it.
class FakeNode final : public Node {
 public:
  // `clock`: of the web server that asks, which may show another time than the node's.
  FakeNode(FakeMemcached* server, const Clock* clock)
      : server_(server), clock_(clock), address_("fake:" + server->name()) {}

  const std::string& name() const override { return server_->name(); }
  const std::string& address() const override { return address_; }
  // One that has failed is closed, and opened by the next operation.
  bool Connected() const override { return connected_; }
  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) override;
  NodeReply FinishRead() override { return Finish(); }
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline, uint32_t mark) override;
  NodeReply FinishWrite() override { return Finish(); }
  void StartBatch(BatchParts parts, TimePoint deadline) override;
  NodeReply FinishBatch() override;
  NodeReply FinishStats() override {
    NodeReply reply;
    if (server_->down()) return server_->Unreachable();
    reply.status = server_->stats() ? NodeStatus::kHit : NodeStatus::kMiss;
    reply.value = server_->stats().value_or("");
    return reply;
  }
  std::unique_ptr<KeyListing> ListKeys() override;
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;
  void Extend(std::string_view key, std::string_view bytes) override;

  void set_partitioned(bool partitioned) { partitioned_ = partitioned; }  // between this web server and the node
  bool partitioned() const { return partitioned_; }

  // How many operations still leave the web server before it dies; null or below 0: all do.
  void set_operations_left(int* left) { operations_left_ = left; }

  // What this web server has seen of the node.
  uint64_t asked() const { return asked_; }
  uint64_t answered() const { return answered_; }
  bool failed_last() const { return failed_last_; }
  struct Stored {
    std::string key;
    std::string value;
  };
  // The writes that the node has acknowledged to it since the last call.
  std::vector<Stored> TakeStored() { return std::exchange(stored_, {}); }

 private:
  bool Reaches();
  NodeReply Shown(NodeReply reply) const;
  NodeReply Finish();
  TimePoint NodeTime(TimePoint deadline) const { return server_->Now() + (deadline - clock_->Now()); }

  FakeMemcached* server_;
  const Clock* clock_;
  std::string address_;
  NodeReply reply_;
  BatchParts batch_;
  TimePoint deadline_;  // by the node's clock
  bool in_time_ = true;
  bool partitioned_ = false;
  bool connected_ = true;
  bool reached_ = true;
  int* operations_left_ = nullptr;
  uint64_t asked_ = 0;
  uint64_t answered_ = 0;
  bool failed_last_ = false;
  std::vector<Stored> stored_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_FAKE_NODE_H_
