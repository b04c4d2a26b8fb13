// Session IDs with a tag, see signed_id.h. Layer: session. Pure.
#include "src/session/signed_id.h"

#include "src/cluster/node_code.h"

namespace clustered_session {
namespace {

std::string WithCode(const PoolKeys& keys, const std::string& random, const std::string& code) {
  const std::string text = random + code;
  const std::string tagged = keys.AppendTag(text);
  return random + tagged.substr(text.size()) + code;
}

}  // namespace

std::string SignId(const PoolKeys& keys, std::string_view random_part, uint32_t bits,
                   const std::vector<NodeAddress>& nodes, std::optional<uint32_t> node) {
  const auto left = [&](size_t taken) { return random_part.size() > taken ? random_part.size() - taken : 0; };
  const size_t beside_both = left(PoolKeys::kTagLength + kNodeCodeLength);
  if (node && beside_both * bits >= kSignedRandomBits) {
    const std::string& name = nodes[*node].name;
    const std::string code = NodeCode(name);
    std::string random(random_part.substr(0, beside_both));
    std::string id = WithCode(keys, random, code);
    // Once in a while the ID names another node with the same code, see NameNode().
    for (const char digit : std::string_view("0123456789abcdef")) {
      if (NodeNamedBy(nodes, id) == name) break;
      random.back() = digit;
      id = WithCode(keys, random, code);
    }
    return id;
  }
  const size_t beside_tag = left(PoolKeys::kTagLength);
  if (beside_tag * bits < kSignedRandomBits) return {};
  return keys.AppendTag(random_part.substr(0, beside_tag));
}

bool IsSigned(const PoolKeys& keys, std::string_view id) {
  constexpr size_t kTag = PoolKeys::kTagLength;
  if (id.size() <= kTag) return false;
  const std::string_view before = id.substr(0, id.size() - kTag);
  if (keys.HasTag(before, id.substr(before.size()))) return true;
  if (id.size() <= kTag + kNodeCodeLength) return false;
  const std::string_view random = id.substr(0, id.size() - kTag - kNodeCodeLength);
  const std::string text = std::string(random).append(id.substr(id.size() - kNodeCodeLength));
  return keys.HasTag(text, id.substr(random.size(), kTag));
}

}  // namespace clustered_session
