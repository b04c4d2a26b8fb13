// Placeholder until the engine over libmemcached is here. Layer: cluster.
#include "src/cluster/classic_node.h"

#include <libmemcached/memcached.h>

namespace clustered_session {
namespace {
class NoNode final : public Node {
 public:
  explicit NoNode(const NodeAddress& address) : name_(address.name), address_(address.ToString()) {}
  const std::string& name() const override { return name_; }
  const std::string& address() const override { return address_; }
  bool Connected() const override { return false; }
  void StartRead(std::string_view, TimePoint, const LockClaim*) override {}
  void StartWrite(std::string_view, std::string_view, std::chrono::seconds, const NodeToken&, TimePoint) override {}
  NodeReply FinishRead() override { return Reply(); }
  NodeReply FinishWrite() override { return Reply(); }
  void Release(std::string_view, const NodeToken&, TimePoint) override {}

 private:
  NodeReply Reply() {
    NodeReply reply;
    reply.status = NodeStatus::kError;
    reply.failure = NodeFailure::kGarbage;
    reply.error = "node " + name_ + " (" + address_ + "): closed the connection";
    return reply;
  }
  std::string name_;
  std::string address_;
};
}  // namespace

std::unique_ptr<Node> MakeClassicNode(const NodeAddress& address, const NodeTimeouts&, NodeHealth*, Counters*,
                                      const NodeCredentials&) {
  return std::make_unique<NoNode>(address);
}

bool LibmemcachedUsable(const char** version) {
  if (version != nullptr) *version = memcached_lib_version();
  return true;
}

}  // namespace clustered_session
