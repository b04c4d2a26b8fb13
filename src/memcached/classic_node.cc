// The node over libmemcached: starts operations on threads and waits for them, see classic_node.h. Layer: memcached.
#include "src/memcached/classic_node.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "src/base/process_number.h"
#include "src/base/quiet_thread.h"
#include "src/memcached/classic_operation.h"
#include "src/memcached/node_item.h"
#include "src/memcached/node_process.h"

namespace clustered_session {
namespace {

// An operation that is under way: what its thread and its node share. The thread has the operation until `done`.
struct Task {
  template <typename... Arguments>
  explicit Task(Arguments&&... arguments) : operation(std::forward<Arguments>(arguments)...) {}

  ClassicOperation operation;
  const uint64_t process = ProcessNumber();  // that has the thread
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
};

// Tasks of a parent process whose threads a forked child does not have. They are never destroyed there: their mutex may
// be locked, and their connection is the parent's.
struct LeftTask {
  std::shared_ptr<Task> task;
  LeftTask* next;
};
std::atomic<LeftTask*> left_to_parent{nullptr};

void LeaveToParent(std::shared_ptr<Task> task) {
  auto* const left = new LeftTask{std::move(task), left_to_parent.load()};
  while (!left_to_parent.compare_exchange_weak(left->next, left)) {
  }
}

class ClassicNode final : public Node {
 public:
  ClassicNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health, Counters* counters,
              const NodeCredentials& credentials)
      : target_(std::make_shared<ClassicTarget>(ClassicTarget{address, timeouts, credentials})),
        address_(address.ToString()),
        health_(health),
        process_(health),
        counters_(counters) {}

  ~ClassicNode() override { GiveUp(); }

  const std::string& name() const override { return target_->address.name; }
  const std::string& address() const override { return address_; }
  bool Connected() const override { return connection_ != nullptr && connection_->OpenHere(); }

  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) override;
  NodeReply FinishRead() override { return Finish(ClassicOperation::Kind::kRead); }
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline) override;
  NodeReply FinishWrite() override { return Finish(ClassicOperation::Kind::kWrite); }
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;

 private:
  std::shared_ptr<Task> NewTask(TimePoint deadline);
  void Launch(std::shared_ptr<Task> task);
  void GiveUp();
  NodeReply Finish(ClassicOperation::Kind kind);
  NodeReply Collect();
  NodeReply Failed(NodeFailure failure, const std::string& what) const;

  const std::shared_ptr<const ClassicTarget> target_;
  const std::string address_;
  NodeHealth* const health_;
  NodeProcess process_;
  Counters* const counters_;
  std::unique_ptr<ClassicConnection> connection_ = std::make_unique<ClassicConnection>();  // null while it is a task's
  std::string sentinel_;                                                                   // seen on it
  TimePoint started_;
  std::shared_ptr<Task> task_;       // under way; null: none
  std::optional<NodeReply> failed_;  // in its place: no thread could be started
};

std::shared_ptr<Task> ClassicNode::NewTask(TimePoint deadline) {
  // An answer nobody waited for must not be taken for the next one.
  GiveUp();
  if (!connection_->OpenHere()) connection_->Drop();
  started_ = std::chrono::steady_clock::now();
  auto task = std::make_shared<Task>(target_, std::move(connection_), std::move(sentinel_), health_);
  task->operation.SetDeadline(std::min(deadline, started_ + target_->timeouts.connect + target_->timeouts.operation));
  return task;
}

void ClassicNode::StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim) {
  std::shared_ptr<Task> task = NewTask(deadline);
  task->operation.Read(key, claim);
  Launch(std::move(task));
}

void ClassicNode::StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl,
                             const NodeToken& expected, TimePoint deadline) {
  std::shared_ptr<Task> task = NewTask(deadline);
  task->operation.Write(key, value, NodeItemExpiration(ttl), expected);
  Launch(std::move(task));
}

void ClassicNode::Launch(std::shared_ptr<Task> task) {
  std::optional<std::thread> thread = StartQuietThread([task] {
    task->operation.Run();
    const std::lock_guard<std::mutex> lock(task->mutex);
    task->done = true;
    task->ended.notify_all();
  });
  if (!thread) {
    connection_ = task->operation.TakeConnection();
    failed_ = Failed(NodeFailure::kLocal, "no thread can be started");
    return;
  }
  thread->detach();
  task_ = std::move(task);
}

// Leaves an operation that nobody waits for any more to its thread. A forked child does not have that thread: what is
// under way there is the parent's.
void ClassicNode::GiveUp() {
  failed_.reset();
  if (task_ == nullptr) return;
  if (task_->process != ProcessNumber()) {
    LeaveToParent(std::move(task_));
  } else {
    task_->operation.Interrupt();
  }
  task_ = nullptr;
  connection_ = std::make_unique<ClassicConnection>();
}

NodeReply ClassicNode::Failed(NodeFailure failure, const std::string& what) const {
  NodeReply reply;
  reply.status = NodeStatus::kError;
  reply.failure = failure;
  reply.error = "node " + name() + " (" + address_ + "): " + what;
  const auto elapsed = std::chrono::steady_clock::now() - started_;
  const auto elapsed_ms = std::chrono::round<std::chrono::milliseconds>(elapsed).count();
  if (elapsed_ms > 0) reply.error += " after " + std::to_string(elapsed_ms) + " ms";
  return reply;
}

NodeReply ClassicNode::Finish(ClassicOperation::Kind kind) {
  NodeReply reply;
  if (failed_) {
    reply = *std::exchange(failed_, std::nullopt);
  } else if (task_ == nullptr || task_->operation.kind() != kind) {
    GiveUp();
    started_ = std::chrono::steady_clock::now();
    reply = Failed(NodeFailure::kLocal, "no such operation under way");
  } else if (task_->process != ProcessNumber()) {
    GiveUp();
    reply = Failed(NodeFailure::kLocal, "the connection belongs to another process");
  } else {
    reply = Collect();
  }
  if (reply.status == NodeStatus::kError) counters_->node_errors.Add();
  return reply;
}

NodeReply ClassicNode::Collect() {
  ClassicOperation& operation = task_->operation;
  std::unique_lock<std::mutex> lock(task_->mutex);
  const TimePoint end = std::max(operation.deadline(), std::chrono::steady_clock::now()) + kClassicAllowance;
  const bool done = task_->ended.wait_until(lock, end, [&] { return task_->done; });
  lock.unlock();
  if (!done) {
    GiveUp();
    return Failed(NodeFailure::kTimeout, "no complete answer");
  }
  const std::shared_ptr<Task> task = std::move(task_);
  counters_->node_waits.Add(operation.waits());
  counters_->node_connects.Add(operation.connects());
  connection_ = operation.TakeConnection();
  sentinel_ = operation.sentinel();
  if (!operation.host().empty() && operation.host() != target_->address.host && !target_->address.is_unix()) {
    process_.KeepAddress(operation.host());
  }
  if (operation.learnt()) process_.Learn(&sentinel_);
  if (operation.asked_size_max()) process_.SetItemSizeMax(operation.size_max());
  NodeReply reply = operation.TakeReply();
  return reply.status == NodeStatus::kError ? Failed(reply.failure, reply.error) : reply;
}

void ClassicNode::Release(std::string_view key, const NodeToken& held, TimePoint) {
  if (!Connected() || !held.known() || held.incarnation != process_.incarnation()) return;
  connection_->SendRemove(key, held.cas);
}

}  // namespace

std::unique_ptr<Node> MakeClassicNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                      Counters* counters, const NodeCredentials& credentials) {
  return std::make_unique<ClassicNode>(address, timeouts, health, counters, credentials);
}

}  // namespace clustered_session
