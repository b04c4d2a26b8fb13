// Fuzz target: session.save_path. See tests/fuzz/targets.h.
#include <algorithm>
#include <set>

#include "src/base/save_path.h"
#include "src/base/session_id.h"
#include "src/cluster/node_code.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

bool IsOneLine(std::string_view message) {
  return std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// Given names, so that derived ones are checked against the written ones.
std::string Write(const std::vector<NodeAddress>& nodes, bool with_names) {
  std::string out;
  for (const NodeAddress& node : nodes) {
    if (!out.empty()) out += ",";
    if (with_names) out += node.name + "=";
    out += node.ToString() + ":" + std::to_string(node.weight);
  }
  return out;
}

bool SameNodes(const std::vector<NodeAddress>& a, const std::vector<NodeAddress>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const NodeAddress& x, const NodeAddress& y) {
    return x.name == y.name && x.host == y.host && x.port == y.port && x.unix_path == y.unix_path &&
           x.weight == y.weight;
  });
}

FuzzFinding CheckList(const std::vector<NodeAddress>& nodes) {
  FUZZ_CHECK(nodes.size() <= kNodesMax);
  std::set<std::string> names;
  std::set<std::string> addresses;
  for (const NodeAddress& node : nodes) {
    FUZZ_CHECK(names.insert(node.name).second);
    FUZZ_CHECK(addresses.insert(node.ToString()).second);
    FUZZ_CHECK(NodeNameOf("a-" + node.name) == node.name);
    FUZZ_CHECK(NodeNamedBy(nodes, "a-" + node.name) == node.name);
    FUZZ_CHECK(node.weight >= 1 && node.weight <= kWeightMax);
    FUZZ_CHECK(node.is_unix() ? node.host.empty() && node.port == 0 && node.unix_path[0] == '/'
                              : !node.host.empty() && node.port != 0);
    FUZZ_CHECK(node.host.find_first_of(" ,=[]/%") == std::string::npos);
  }
  const std::string written = Write(nodes, true);
  // Names make it longer; what was at the limit may pass it.
  if (written.size() <= kSavePathLengthMax) {
    const auto again = ParseNodeList(written);
    FUZZ_CHECK(again.ok());
    FUZZ_CHECK(SameNodes(nodes, *again));
  }
  return {};
}

}  // namespace

FuzzFinding FuzzSavePath(std::string_view input) {
  const auto lists = ParseSavePath(input);
  if (!lists.ok()) {
    FUZZ_CHECK(lists.error().code() == ErrorCode::kInvalidArgument);
    FUZZ_CHECK(lists.error().message().starts_with("save_path: "));
    FUZZ_CHECK(lists.error().message().size() < 800);
    FUZZ_CHECK(IsOneLine(lists.error().message()));
    return {};
  }
  FUZZ_CHECK(input.size() <= kSavePathLengthMax);
  FUZZ_CHECK(lists->now.empty() == input.empty());
  FUZZ_CHECK(lists->before.empty() || !lists->now.empty());
  if (FuzzFinding finding = CheckList(lists->now); !finding.empty()) return finding;
  return CheckList(lists->before);
}

}  // namespace clustered_session
