// The comparison of node lists, see node_list.h. Layer: session.
#include "src/session/node_list.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace clustered_session {
namespace {

constexpr char kKey[] = "node-list";
constexpr std::chrono::seconds kTimeToLive = std::chrono::hours(24);  // of servers that are gone

std::string NamesOf(const NodeSet& nodes) {
  std::vector<std::string> names;
  for (const NodeAddress& address : nodes.addresses()) names.push_back(address.name);
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) joined.append(joined.empty() ? "" : ",").append(name);
  return joined;
}

// An item is input: nothing that is no list.
std::optional<OtherNodeList> Parse(std::string_view value) {
  const size_t space = value.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view server_id = value.substr(0, space);
  const std::string_view names = value.substr(space + 1);
  const auto allowed = [](char c) {
    return c == ',' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  if (!ValidServerId(server_id) || names.empty() || !std::all_of(names.begin(), names.end(), allowed)) {
    return std::nullopt;
  }
  return OtherNodeList{std::string(server_id), std::string(names)};
}

}  // namespace

std::optional<OtherNodeList> CompareNodeLists(const SessionContext& context, std::string* own) {
  NodeSet& nodes = *context.nodes;
  const std::string key = context.settings.prefix + kKey;
  *own = NamesOf(nodes);
  const std::string value = context.settings.server_id + " " + *own;
  const auto deadline = [&] {
    return context.clock->Now() + context.settings.connect_timeout + context.settings.operation_timeout;
  };
  std::vector<uint32_t> all(nodes.size());
  std::iota(all.begin(), all.end(), 0u);
  std::optional<OtherNodeList> other;
  std::vector<NodeSet::WriteTarget> targets;
  for (const NodeSet::Read& read : nodes.ReadAll(all, key, deadline())) {
    if (read.reply.status == NodeStatus::kMiss) targets.push_back({read.node, {}});
    if (read.reply.status != NodeStatus::kHit) continue;
    const std::optional<OtherNodeList> list = Parse(read.reply.value);
    if (list && list->names == *own) continue;
    if (list) other = list;
    targets.push_back({read.node, read.reply.token});
  }
  // Who loses against another server's write compares with that one's list next time.
  if (!targets.empty()) (void)nodes.WriteAll(targets, key, value, kTimeToLive, deadline());
  return other;
}

}  // namespace clustered_session
