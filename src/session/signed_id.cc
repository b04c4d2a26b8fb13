// Session IDs with a tag, see signed_id.h. Layer: session. Pure.
#include "src/session/signed_id.h"

#include "src/cluster/node_code.h"

namespace clustered_session {
namespace {

std::string WithCode(const PoolKeys& keys, TagKind kind, const std::string& random, const std::string& code) {
  const std::string text = random + code;
  const std::string tagged = keys.AppendTag(text, kind);
  return random + tagged.substr(text.size()) + code;
}

}  // namespace

std::string SignId(const PoolKeys& keys, TagKind kind, std::string_view random_part, uint32_t bits,
                   const std::vector<NodeAddress>& nodes, std::optional<uint32_t> node) {
  const auto left = [&](size_t taken) { return random_part.size() > taken ? random_part.size() - taken : 0; };
  const size_t beside_both = left(PoolKeys::kTagLength + kNodeCodeLength);
  if (node && beside_both * bits >= kSignedRandomBits) {
    const std::string& name = nodes[*node].name;
    const std::string code = NodeCode(name);
    std::string random(random_part.substr(0, beside_both));
    std::string id = WithCode(keys, kind, random, code);
    // Once in a while the ID names another node with the same code, see NameNode().
    for (const char digit : std::string_view("0123456789abcdef")) {
      if (NodeNamedBy(nodes, id) == name) break;
      random.back() = digit;
      id = WithCode(keys, kind, random, code);
    }
    return id;
  }
  const size_t beside_tag = left(PoolKeys::kTagLength);
  if (beside_tag * bits < kSignedRandomBits) return {};
  return keys.AppendTag(random_part.substr(0, beside_tag), kind);
}

std::optional<PoolKeys::Tag> TagOfId(const PoolKeys& keys, std::string_view id) {
  constexpr size_t kTag = PoolKeys::kTagLength;
  if (id.size() <= kTag) return std::nullopt;
  const std::string_view before = id.substr(0, id.size() - kTag);
  if (const auto found = keys.FindTag(before, id.substr(before.size()))) return found;
  if (id.size() <= kTag + kNodeCodeLength) return std::nullopt;
  const std::string_view random = id.substr(0, id.size() - kTag - kNodeCodeLength);
  const std::string text = std::string(random).append(id.substr(id.size() - kNodeCodeLength));
  return keys.FindTag(text, id.substr(random.size(), kTag));
}

SessionKey SessionKeyOf(const PoolKeys* keys, std::string_view prefix, std::string_view id) {
  const std::optional<PoolKeys::Tag> tag = keys != nullptr ? TagOfId(*keys, id) : std::nullopt;
  if (tag && tag->kind == TagKind::kKeyed) return keys->KeyedSessionKey(tag->key, id);
  return Hash128({}, prefix, id);
}

}  // namespace clustered_session
