// Chooses the engine of a node, see memcached_node.h. Layer: memcached.
#include "src/memcached/memcached_node.h"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "src/memcached/classic_node.h"
#include "src/memcached/meta_node.h"
#include "src/memcached/node_process.h"

namespace clustered_session {
namespace {

class MemcachedNode final : public Node {
 public:
  MemcachedNode(const NodeTarget& target, NodeHealth* health, Counters* counters)
      : process_(health),
        classic_only_(target.credentials.method == Authentication::kSasl),
        meta_(target, health, counters),
        make_classic_([=] { return MakeClassicNode(target, health, counters); }) {
    if (classic_only_) UseClassic();
  }

  const std::string& name() const override { return meta_.name(); }
  const std::string& address() const override { return meta_.address(); }
  bool Connected() const override { return engine_->Connected(); }
  Pollable* pollable() override { return engine_->pollable(); }

  void StartRead(std::string_view key, TimePoint deadline, const LockClaim* claim, Show show) override {
    Choose();
    engine_->StartRead(key, deadline, claim, show);
  }
  void StartWrite(std::string_view key, std::string_view value, std::chrono::seconds ttl, const NodeToken& expected,
                  TimePoint deadline, uint32_t mark) override {
    Choose();
    engine_->StartWrite(key, value, ttl, expected, deadline, mark);
  }
  void StartBatch(BatchParts parts, TimePoint deadline) override {
    Choose();
    batch_ = parts;
    each_ = deadline - std::chrono::steady_clock::now();
    if (engine_ == &meta_) meta_.StartBatch(parts, deadline);
  }
  // What knows no meta commands takes one item after the other, each in its own time.
  NodeReply FinishBatch() override {
    const auto deadline = [this] { return std::chrono::steady_clock::now() + each_; };
    if (engine_ != &meta_) return OneByOne(batch_, deadline);
    NodeReply reply = meta_.FinishBatch();
    if (meta_.not_meta()) {
      UseClassic();
      reply = OneByOne(batch_, deadline);
    }
    Remember(reply);
    return reply;
  }
  // Never the first thing on a connection: a proxy that closes it at this would be taken for one of another engine.
  void StartStats(TimePoint deadline) override {
    tells_ = engine_ == &meta_ && meta_.Connected();
    if (tells_) meta_.StartStats(deadline);
  }
  NodeReply FinishStats() override { return tells_ ? meta_.FinishStats() : NodeReply(); }
  std::unique_ptr<KeyListing> ListKeys() override { return engine_->ListKeys(); }
  NodeReply FinishRead() override { return Finish(NodeOperation::Kind::kRead); }
  NodeReply FinishWrite() override { return Finish(NodeOperation::Kind::kWrite); }

  void Release(std::string_view key, const NodeToken& held, TimePoint deadline) override {
    engine_->Release(key, held, deadline);
  }
  void Extend(std::string_view key, std::string_view bytes) override { engine_->Extend(key, bytes); }

 private:
  NodeReply Finish(NodeOperation::Kind kind) {
    NodeReply reply = engine_->Finish(kind);
    if (engine_ == &meta_ && meta_.not_meta()) {
      UseClassic();
      engine_->Start(meta_.operation());
      reply = engine_->Finish(kind);
    }
    Remember(reply);
    return reply;
  }

  void UseClassic() {
    if (classic_ == nullptr) classic_ = make_classic_();
    engine_ = classic_.get();
  }

  // What another worker has found need not be found again.
  void Choose() {
    if (engine_ != &meta_ || asks_again_ || meta_.Connected()) return;
    const uint32_t classic = process_.kept().classic.load(std::memory_order_acquire);
    if (classic == 0 || classic != LastIncarnation()) return;
    UseClassic();
    found_ = classic;
  }

  uint32_t LastIncarnation() const { return process_.kept().incarnation.load(std::memory_order_acquire); }

  // After an operation: which process was found to be classic. If it fails, or is another one now, it may have become
  // one that knows meta commands.
  void Remember(const NodeReply& reply) {
    if (engine_ == &meta_) {
      asks_again_ = false;
      return;
    }
    if (classic_only_) return;
    const uint32_t incarnation = LastIncarnation();
    if (found_ == 0) found_ = incarnation;
    if (reply.status != NodeStatus::kError && found_ == incarnation) {
      process_.kept().classic.store(incarnation, std::memory_order_release);
      return;
    }
    asks_again_ = true;
    found_ = 0;
    engine_ = &meta_;
    classic_.reset();
  }

  NodeProcess process_;
  const bool classic_only_;
  MetaNode meta_;
  const std::function<std::unique_ptr<NodeEngine>()> make_classic_;
  std::unique_ptr<NodeEngine> classic_;
  NodeEngine* engine_ = &meta_;
  BatchParts batch_;         // that is under way
  Duration each_{};          // time for it, or for each of its items
  bool tells_ = false;       // the figures that were asked for are under way
  uint32_t found_ = 0;       // the incarnation that is served by classic_; 0: not known
  bool asks_again_ = false;  // what others have found is not believed now
};

}  // namespace

std::unique_ptr<Node> MakeMemcachedNode(const NodeAddress& address, const NodeTimeouts& timeouts, NodeHealth* health,
                                        Counters* counters, const NodeCredentials& credentials, const NodeTls& tls) {
  return std::make_unique<MemcachedNode>(NodeTarget{address, timeouts, credentials, tls}, health, counters);
}

}  // namespace clustered_session
