// Sessions go from one node to another, see refill_batch.h. Layer: session.
#include "src/session/refill_batch.h"

#include <algorithm>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"

namespace clustered_session {
namespace {

constexpr std::chrono::seconds kWorthBringing{2};  // what lives no longer is left to expire

}  // namespace

RefillBatch::Outcome RefillBatch::Run(const std::vector<SessionKey>& keys) {
  for (const SessionKey& key : keys) {
    Item& item = items_.emplace_back();
    item.key = StorageKey(context_.settings.prefix, key);
    item.session = key;
    item.to_read.resize(context_.nodes->size());
  }
  Look();
  ReadSource();
  LookAtOthers();
  ReadOthers();
  for (Item& item : items_) Judge(&item);
  Store();
  StoreLarge();
  return outcome_;
}

// One wait: what `nodes_of` names of each item that is not over, and what has become of it.
void RefillBatch::Fly(BatchPart::Kind kind, const NodesOf& nodes_of, const Take& take) {
  std::vector<NodeSet::NodePart> parts;
  std::vector<Item*> whose;
  for (Item& item : items_) {
    if (item.over) continue;
    for (const uint32_t node : nodes_of(item)) {
      BatchPart part{kind, item.key, {}, {}, {}, 0};
      if (kind == BatchPart::Kind::kStore) {
        part = {kind, item.key, item.record.bytes, item.record.ttl, item.at_target, MarkOf(item)};
      }
      parts.push_back({node, part});
      whose.push_back(&item);
    }
  }
  const TimePoint deadline = NodeDeadline(context_, context_.clock->Now());
  context_.nodes->RunParts(parts, deadline, [&](size_t part, NodeReply reply, bool answered) {
    const uint32_t node = parts[part].node;
    outcome_.source_failed |= !answered && node == source_;
    outcome_.target_failed |= !answered && node == target_;
    take(whose[part], node, &reply);
  });
}

// Most often both hold the same already: a server has brought it there for an entry.
void RefillBatch::Look() {
  const auto nodes_of = [this](const Item&) { return Nodes{target_, source_}; };
  std::vector<std::pair<Item*, NodeReply>> at_target;
  Fly(BatchPart::Kind::kLook, nodes_of, [&](Item* item, uint32_t node, NodeReply* reply) {
    if (node == target_) {
      at_target.emplace_back(item, std::move(*reply));
    } else {
      item->over = reply->status != NodeStatus::kHit;
      item->source_mark = reply->value_left_out ? reply->mark : 0;
    }
  });
  for (auto& [item, reply] : at_target) {
    item->over = item->over || !Answered(reply);
    if (reply.status != NodeStatus::kHit) continue;
    item->at_target = reply.token;
    item->to_read[target_] = true;
    item->over = item->over || (reply.value_left_out && reply.mark != 0 && reply.mark == item->source_mark);
  }
}

void RefillBatch::ReadSource() {
  const auto nodes_of = [this](const Item&) { return Nodes{source_}; };
  Fly(BatchPart::Kind::kReadAge, nodes_of, [&](Item* item, uint32_t, NodeReply* reply) {
    bool unreadable = false;
    std::optional<Shown> shown = Open(*item, reply, &unreadable);
    item->over = !shown || shown->ttl < kWorthBringing;
    if (item->over) return;
    ++outcome_.read;
    item->record = std::move(*shown);
    item->over = !Place(item);
  });
}

// False: the target is not to hold it.
bool RefillBatch::Place(Item* item) const {
  const SessionAddress address(context_, context_.InSpace(item->session), item->record.home_node);
  const NodeItems nodes(context_, address, Entry());
  const size_t targets = item->record.ancestry.tombstone ? nodes.placement.size() : nodes.copies;
  const auto end = nodes.placement.begin() + static_cast<ptrdiff_t>(targets);
  if (std::find(nodes.placement.begin(), end, target_) == end) return false;
  item->others.clear();
  for (const uint32_t node : nodes.placement) {
    if (node != source_ && node != target_ && views_[node].answers) item->others.push_back(node);
  }
  return true;
}

// The record as it is shown, still sealed. `*unreadable`: only other servers can read it.
std::optional<RefillBatch::Shown> RefillBatch::Open(const Item& item, NodeReply* reply, bool* unreadable) const {
  if (reply->status != NodeStatus::kHit) return std::nullopt;
  Shown shown;
  shown.bytes = reply->value;
  shown.ttl = reply->ttl;
  const Result<Record> record = context_.codec.Decode(&reply->value, item.key);
  if (!record.ok()) {
    *unreadable = ReadableElsewhere(record.error());
    return std::nullopt;
  }
  shown.ancestry = record->ancestry;
  shown.home_node = record->home_node;
  return shown;
}

void RefillBatch::LookAtOthers() {
  Fly(
      BatchPart::Kind::kLook, [](const Item& item) { return item.others; },
      [this](Item* item, uint32_t node, NodeReply* reply) {
        if (reply->status != NodeStatus::kHit) return;
        const bool same =
            reply->value_left_out && context_.codec.IsMark(reply->mark, item->record.ancestry.fingerprint);
        item->to_read[node] = !same;
      });
}

void RefillBatch::ReadOthers() {
  const auto nodes_of = [](const Item& item) {
    Nodes nodes;
    for (uint32_t node = 0; node < item.to_read.size(); ++node) {
      if (item.to_read[node]) nodes.push_back(node);
    }
    return nodes;
  };
  Fly(BatchPart::Kind::kReadAge, nodes_of, [this](Item* item, uint32_t node, NodeReply* reply) {
    bool unreadable = false;
    std::optional<Shown> shown = Open(*item, reply, &unreadable);
    item->over = item->over || unreadable;
    if (node == target_) {
      item->over = item->over || !Answered(*reply);
      item->at_target = reply->token;
      item->holds = std::move(shown);
    } else if (shown && LineageOf(shown->ancestry, item->record.ancestry) == Lineage::kDescendant) {
      item->record = std::move(*shown);
    }
  });
}

// Whether what the target holds may be replaced. Of two branches each stays where it is: a request merges them.
void RefillBatch::Judge(Item* item) const {
  if (item->over) return;
  item->over = !Place(item) || item->record.ttl < kWorthBringing;
  item->over = item->over || (item->record.ancestry.tombstone && HasFault(ProtocolFault::kTombstonesLeft));
  item->over = item->over || HasFault(ProtocolFault::kNothingRefilled);
  if (!item->holds) return;
  if (HasFault(ProtocolFault::kRepairUnconditional)) return;
  const Ancestry& ours = item->record.ancestry;
  const Ancestry& theirs = item->holds->ancestry;
  const bool outlives = ours.tombstone && theirs.lifetime_max_s > ours.lifetime_max_s;
  const bool is_past = LineageOf(theirs, ours) == Lineage::kAncestor && ours.EndedBeside(theirs).empty();
  item->over = item->over || !is_past || outlives;
}

void RefillBatch::Store() {
  const auto nodes_of = [this](const Item& item) {
    return item.record.bytes.size() > kBatchValueMax ? Nodes() : Nodes{target_};
  };
  Fly(BatchPart::Kind::kStore, nodes_of, [this](Item* item, uint32_t, NodeReply* reply) { TakeStored(item, *reply); });
}

// By operations of their own, which ask first how large an item the node takes.
void RefillBatch::StoreLarge() {
  for (Item& item : items_) {
    if (item.over || item.record.bytes.size() <= kBatchValueMax) continue;
    const TimePoint deadline = NodeDeadline(context_, context_.clock->Now());
    const std::vector<NodeReply> replies = context_.nodes->WriteAll(
        {{target_, item.at_target}}, item.key, item.record.bytes, item.record.ttl, deadline, MarkOf(item));
    TakeStored(&item, replies.front());
  }
}

// Whoever has written there meanwhile has brought what is newer.
void RefillBatch::TakeStored(Item* item, const NodeReply& reply) {
  outcome_.target_failed |= reply.status == NodeStatus::kError || reply.status == NodeStatus::kSkipped;
  if (reply.status != NodeStatus::kStored) return;
  context_.store->counters().repairs.Add();
  ++(item->record.ancestry.tombstone ? outcome_.tombstones : outcome_.copies);
}

}  // namespace clustered_session
