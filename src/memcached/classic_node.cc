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
std::atomic<LeftTask*> left_tasks{nullptr};

void LeaveToParent(std::shared_ptr<Task> task) {
  auto* const left = new LeftTask{std::move(task), left_tasks.load()};
  while (!left_tasks.compare_exchange_weak(left->next, left)) {
  }
}

class ClassicNode final : public NodeEngine {
 public:
  ClassicNode(const NodeTarget& target, NodeHealth* health, Counters* counters)
      : NodeEngine(target, counters), process_(health) {}
  ~ClassicNode() override { GiveUp(); }

  bool Connected() const override { return connection_ != nullptr && connection_->OpenHere(); }
  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override;

 private:
  void Launch() override;
  void Await() override;
  void GiveUp() override;

  NodeProcess process_;                                                                    // behind the connection
  std::unique_ptr<ClassicConnection> connection_ = std::make_unique<ClassicConnection>();  // null while it is a task's
  std::shared_ptr<Task> task_;                                                             // under way; null: none
};

void ClassicNode::Launch() {
  if (target_.address.tls) return Fail(NodeFailure::kLocal, "libmemcached has no TLS, which this node is to speak");
  if (!connection_->OpenHere()) connection_->Drop();
  auto task = std::make_shared<Task>(target_, std::move(connection_), process_, operation_);
  std::optional<std::thread> thread = StartQuietThread([task] {
    task->operation.Run();
    const std::lock_guard<std::mutex> lock(task->mutex);
    task->done = true;
    task->ended.notify_all();
  });
  if (!thread) {
    connection_ = task->operation.TakeConnection();
    return Fail(NodeFailure::kLocal, "no thread can be started");
  }
  thread->detach();
  task_ = std::move(task);
}

// Leaves an operation that nobody waits for any more to its thread. A forked child does not have that thread: what is
// under way there is the parent's.
void ClassicNode::GiveUp() {
  if (task_ == nullptr) return;
  if (task_->process != ProcessNumber()) {
    LeaveToParent(std::move(task_));
  } else {
    task_->operation.Interrupt();
  }
  task_ = nullptr;
  connection_ = std::make_unique<ClassicConnection>();
}

void ClassicNode::Await() {
  ClassicOperation& operation = task_->operation;
  std::unique_lock<std::mutex> lock(task_->mutex);
  const TimePoint end = std::max(operation.deadline(), std::chrono::steady_clock::now()) + kClassicAllowance;
  const bool done = task_->ended.wait_until(lock, end, [&] { return task_->done; });
  lock.unlock();
  if (!done) return Fail(NodeFailure::kTimeout, "no complete answer");
  const std::shared_ptr<Task> task = std::move(task_);
  connection_ = operation.TakeConnection();
  process_.Adopt(operation.process());
  ClassicOperation::Outcome& outcome = operation.outcome();
  counters_->node_waits.Add(outcome.waits);
  counters_->node_connects.Add(outcome.connects);
  NodeReply& reply = outcome.reply;
  return reply.status == NodeStatus::kError ? Fail(reply.failure, reply.error) : Answer(std::move(reply));
}

void ClassicNode::Release(std::string_view key, const NodeToken& held, TimePoint) {
  if (!Connected() || !process_.Gave(held)) return;
  connection_->SendRemove(key, held.cas);
}

}  // namespace

std::unique_ptr<NodeEngine> MakeClassicNode(const NodeTarget& target, NodeHealth* health, Counters* counters) {
  return std::make_unique<ClassicNode>(target, health, counters);
}

}  // namespace clustered_session
