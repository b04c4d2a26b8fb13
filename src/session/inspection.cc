// What nodes hold of a session, see inspection.h. Layer: session.
#include "src/session/inspection.h"

#include <algorithm>

#include "src/record/record.h"
#include "src/session/moved_session.h"
#include "src/session/session_address.h"

namespace clustered_session {
namespace {

void Describe(const RecordCodec& codec, NodeReply reply, const std::string& key, bool with_payload,
              NodeHolding* holding) {
  switch (reply.status) {
    case NodeStatus::kMiss:
      holding->what = NodeHolding::What::kNothing;
      return;
    case NodeStatus::kHit:
      break;
    case NodeStatus::kSkipped:
      holding->why = "not asked, as it failed lately";
      return;
    default:
      holding->why = reply.error;
      return;
  }
  const Result<Record> record = codec.Decode(&reply.value, key);
  if (!record.ok()) {
    holding->why = "unreadable: " + record.error().message();
    return;
  }
  holding->epoch = record->epoch;
  holding->what = record->tombstone() ? NodeHolding::What::kEnd : NodeHolding::What::kSession;
  if (record->tombstone()) return;
  if (ParseMoved(record->payload)) {
    holding->what = NodeHolding::What::kMoved;
    return;
  }
  holding->version = record->version;
  holding->owner = record->instance;
  holding->lifetime_s = record->lifetime_s;
  holding->bytes = record->payload.size();
  if (with_payload) holding->payload = record->payload;
}

}  // namespace

std::vector<NodeHolding> InspectSession(const SessionContext& context, std::string_view id, bool with_payload) {
  std::vector<NodeHolding> holdings;
  if (context.nodes->empty()) return holdings;
  const NodeItems items(context, SessionAddress(context, id), Entry());
  const std::vector<uint32_t> copies = items.Copies();
  for (const NodeSet::Read& read :
       context.nodes->ReadAll(items.placement, items.key, NodeDeadline(context, context.clock->Now()))) {
    NodeHolding& holding = holdings.emplace_back();
    holding.node = read.node;
    holding.should_hold = std::find(copies.begin(), copies.end(), read.node) != copies.end();
    Describe(context.codec, read.reply, items.key, with_payload, &holding);
  }
  return holdings;
}

}  // namespace clustered_session
