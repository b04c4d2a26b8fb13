// NodeNameHash: how shared memory names a node. Layer: cluster. Pure.
#include "src/cluster/node.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <utility>

namespace clustered_session {

NodeReply ContestedReply(NodeReply read, std::string_view value) {
  if (read.status == NodeStatus::kHit) read.status = read.value == value ? NodeStatus::kStored : NodeStatus::kConflict;
  if (read.status == NodeStatus::kMiss) read.status = NodeStatus::kConflict;
  return read;
}

void Node::Extend(std::string_view, std::string_view) {}

void Node::StartBatch(BatchParts parts, TimePoint deadline) {
  batch_ = parts;
  batch_deadline_ = deadline;
}

NodeReply Node::FinishBatch() {
  return OneByOne(batch_, [this] { return batch_deadline_; });
}

void Node::StartStats(TimePoint) {}

NodeReply Node::FinishStats() { return {}; }

std::unique_ptr<KeyListing> Node::ListKeys() { return nullptr; }

NodeReply Node::OneByOne(BatchParts parts, const std::function<TimePoint()>& deadline) {
  NodeReply all;
  all.status = NodeStatus::kHit;
  for (const BatchPart& part : parts) {
    NodeReply reply;
    if (part.kind == BatchPart::Kind::kStore) {
      StartWrite(part.key, part.value, part.ttl, part.expected, deadline(), part.mark);
      reply = FinishWrite();
    } else {
      StartRead(part.key, deadline(), nullptr, part.kind == BatchPart::Kind::kLook ? Show::kMark : Show::kValue);
      reply = FinishRead();
    }
    if (reply.status == NodeStatus::kError) return reply;
    all.batch.push_back(std::move(reply));
  }
  return all;
}

uint32_t NodeNameHash(std::string_view name, std::string_view address) {
  // A newline is in neither part, so that no name and address can be mistaken for another pair.
  const std::string identity = std::string(name) + '\n' + std::string(address);
  const uint64_t hash = XXH3_64bits(identity.data(), identity.size());
  const uint32_t folded = static_cast<uint32_t>(hash ^ (hash >> 32));
  return folded != 0 ? folded : 1;  // 0 marks a free slot
}

}  // namespace clustered_session
