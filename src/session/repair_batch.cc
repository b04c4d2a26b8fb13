// What nodes lack is brought there, see repair_batch.h. Layer: session.
#include "src/session/repair_batch.h"

#include <algorithm>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"
#include "src/session/lifetime.h"
#include "src/session/loaded_session.h"
#include "src/session/repair_needs.h"

namespace clustered_session {
namespace {

constexpr std::chrono::seconds kWorthStoring{2};  // what lives no longer is left to expire

std::chrono::seconds SecondsUntil(int64_t then_ns, TimePoint now) {
  return std::chrono::floor<std::chrono::seconds>(FromNanos(then_ns) - now);
}

}  // namespace

RepairBatch::RepairBatch(std::shared_ptr<const SessionContext> context, const std::vector<NodeView>* nodes,
                         std::vector<Notice>* notices)
    : kept_context_(std::move(context)), context_(*kept_context_), views_(*nodes), notices_(notices) {
  outcome_.copies_mended.resize(context_.nodes->size());
  outcome_.tombstones_mended.resize(context_.nodes->size());
}

TimePoint RepairBatch::Deadline() const { return NodeDeadline(context_, context_.clock->Now()); }

void RepairBatch::Add(const LocalStore::Walked& found) {
  Entry entry;
  Image image;
  const TimePoint now = context_.clock->Now();
  if (!context_.store->Peek(found.key, now, &entry, image.buffer()) || !image.Valid()) return;
  if (!IsForRepair(entry, now) || entry.pool != found.entry.pool) return;
  const SessionAddress address(context_, found.key, entry.home_node);
  NodeItems nodes(context_, address, entry);
  std::vector<uint32_t> lacking = MayLack(context_, entry, nodes, views_);
  if (lacking.empty()) return;
  Item item{found.key, entry, std::move(image), {}, std::move(nodes), std::move(lacking), {}, {}, {}, {}};
  item.known = AncestryOf(item.image, item.entry);
  item.record = MakeRecord(item);
  item.held.assign(item.nodes.placement.size(), Held::kUnknown);
  item.need_value.assign(item.nodes.placement.size(), false);
  bytes_ += item.image.payload().size();
  items_.push_back(std::move(item));
}

// The very record that was written, or nothing: it has the fingerprint that the entry has kept, which covers the
// nodes' key. So an entry whose pool has lost its number is not written to the nodes of the one that has it now.
std::string RepairBatch::MakeRecord(const Item& item) const {
  Record record;
  record.version = item.entry.version;
  record.epoch = item.entry.epoch;
  record.instance = context_.store->instance();
  record.home_node = item.entry.home_node;
  record.ancestry = item.known;
  if (!tombstone(item)) record.payload = item.image.payload();
  for (const uint32_t lifetime_s : {item.entry.lifetime_s, item.known.lifetime_max_s}) {
    record.lifetime_s = lifetime_s;
    std::string bytes = EncodeRecord(&record, item.nodes.key);
    if (record.ancestry.fingerprint == item.known.fingerprint)
      return context_.codec.Seal(std::move(bytes), item.nodes.key);
  }
  return {};
}

// What is left of it: nothing lives longer for being repaired.
std::chrono::seconds RepairBatch::TimeToLive(const Item& item) const {
  const TimePoint now = context_.clock->Now();
  if (tombstone(item)) return SecondsUntil(item.entry.expires_at_ns, now);
  // Which lives have ended is to be known for longer than the session lives.
  const bool as_written = item.entry.nodes_expire_at_ns != 0 && item.known.ended.empty();
  if (as_written) return SecondsUntil(item.entry.nodes_expire_at_ns, now);
  const int64_t left_s = std::max<int64_t>(SecondsUntil(item.entry.expires_at_ns, now).count(), 0);
  return RecordTimeToLive(static_cast<uint32_t>(left_s), item.known.LifetimeOfEnded());
}

RepairBatch::Outcome RepairBatch::Run() {
  outcome_.tried = items_.size();
  asked_at_ = context_.clock->Now();
  Ask(BatchPart::Kind::kLook);
  Ask(BatchPart::Kind::kRead);
  Store();
  StoreLarge();
  for (Item& item : items_) Finish(&item);
  return outcome_;
}

// -- What the nodes have --------------------------------------------------------------------------------------------

// One wait: a part for each place that `places_of` names of each item, and what has become of it.
void RepairBatch::Fly(const std::function<std::vector<size_t>(const Item&)>& places_of,
                      const std::function<BatchPart(const Item&, size_t place)>& part_of,
                      const std::function<void(Item*, size_t place, NodeReply reply)>& take) {
  std::vector<NodeSet::NodePart> parts;
  std::vector<std::pair<Item*, size_t>> whose;  // and place
  for (Item& item : items_) {
    for (const size_t place : places_of(item)) {
      parts.push_back({item.nodes.placement[place], part_of(item, place)});
      whose.emplace_back(&item, place);
    }
  }
  context_.nodes->RunParts(parts, Deadline(), [&](size_t part, NodeReply reply, bool) {
    take(whose[part].first, whose[part].second, std::move(reply));
  });
}

void RepairBatch::Ask(BatchPart::Kind kind) {
  const auto places_of = [&](const Item& item) {
    std::vector<size_t> places;
    for (size_t place = 0; place < item.held.size(); ++place) {
      const uint32_t node = item.nodes.placement[place];
      const bool wanted = kind == BatchPart::Kind::kLook ? views_[node].answers : bool{item.need_value[place]};
      if (wanted) places.push_back(place);
    }
    return places;
  };
  const auto part_of = [&](const Item& item, size_t) { return BatchPart{kind, item.nodes.key, {}, {}, {}, 0}; };
  Fly(places_of, part_of,
      [this](Item* item, size_t place, NodeReply reply) { TakeAnswer(item, place, std::move(reply)); });
}

void RepairBatch::TakeAnswer(Item* item, size_t place, NodeReply reply) {
  const uint32_t node = item->nodes.placement[place];
  const bool looked = !item->need_value[place];
  item->need_value[place] = false;
  if (reply.status == NodeStatus::kMiss) {
    item->nodes.Forget(node);
    item->held[place] = Held::kNothing;
    return;
  }
  if (reply.status != NodeStatus::kHit) return;
  // Nobody has written it since the node has given this token, unless that was for another record than the entry's.
  const bool marked = (item->entry.flags & (kEntryUnderReplicated | kEntryStandsIn)) != 0;
  const bool same_token = !marked && reply.token.known() && reply.token == item->nodes.tokens[node];
  const uint64_t fingerprint = item->known.fingerprint;
  const bool same_mark = reply.value_left_out && fingerprint != 0 && context_.codec.IsMark(reply.mark, fingerprint);
  const bool same = same_token || same_mark;
  if (looked && reply.value.empty() && (!same || item->record.empty())) {
    if (!same) item->nodes.Forget(node);  // until it is known what its token is of
    item->need_value[place] = true;
    return;
  }
  item->nodes.tokens[node] = reply.token;
  if (same && looked && !item->record.empty()) {
    item->nodes.has_session[node] = !tombstone(*item);
    item->held[place] = Held::kSame;
    return;
  }
  Compare(item, place, std::move(reply.value));
}

void RepairBatch::Compare(Item* item, size_t place, std::string value) {
  const uint32_t node = item->nodes.placement[place];
  Result<Record> theirs = context_.codec.Decode(&value, item->nodes.key);
  if (!theirs.ok()) {
    item->too_new |= ReadableElsewhere(theirs.error());
    if (theirs.error().code() == ErrorCode::kForged) {
      NoteBadRecord(context_, node, theirs.error(), "is replaced", notices_);
    }
    item->held[place] = item->too_new ? Held::kOther : Held::kPast;
    return;
  }
  item->nodes.has_session[node] = !theirs->tombstone();
  if (HasFault(ProtocolFault::kRepairUnconditional)) {
    item->held[place] = Held::kPast;
    return;
  }
  const bool outlives = item->known.tombstone && theirs->ancestry.lifetime_max_s > item->known.lifetime_max_s;
  switch (LineageOf(theirs->ancestry, item->known)) {
    case Lineage::kSame:
      item->held[place] = Held::kSame;
      if (item->record.empty()) item->record = context_.codec.Seal(std::move(value), item->nodes.key);
      return;
    case Lineage::kAncestor:
      // The end has to last as long, and to name all that has ended.
      if (outlives || !item->known.EndedBeside(theirs->ancestry).empty()) {
        item->held[place] = Held::kOther;
        item->branch = true;
      } else {
        item->held[place] = Held::kPast;
      }
      return;
    case Lineage::kDescendant:
      item->held[place] = Held::kOther;
      item->over = true;
      // A session that was started anew has taken over the end.
      if (item->other.empty() || !theirs->tombstone()) item->other = std::move(value);
      return;
    case Lineage::kBranch:
      item->held[place] = Held::kOther;
      item->branch = true;
      item->of_other_life |=
          !tombstone(*item) && !theirs->tombstone() && !theirs->ancestry.lives.Meets(item->known.lives);
      return;
  }
}

// An entry alone is not believed: another server may have gone on, or ended the session, and the node that knows be
// away. A node that has the same says that it stands; so do all nodes, if none has anything else.
bool RepairBatch::Trusted(const Item& item) const {
  if (tombstone(item)) return true;
  const auto has = [&](Held held) { return std::find(item.held.begin(), item.held.end(), held) != item.held.end(); };
  return has(Held::kSame) || !has(Held::kUnknown);
}

// -- What is written ------------------------------------------------------------------------------------------------

std::vector<size_t> RepairBatch::PlacesToStore(const Item& item) const {
  std::vector<size_t> places;
  if (item.over || item.branch || item.too_new || item.record.empty() || !Trusted(item)) return places;
  if (TimeToLive(item) < kWorthStoring) return places;
  const size_t targets = TargetsOf(item.entry, item.nodes);
  for (size_t place = 0; place < targets; ++place) {
    if (item.held[place] == Held::kNothing || item.held[place] == Held::kPast) places.push_back(place);
  }
  return places;
}

void RepairBatch::Store() {
  const auto places_of = [this](const Item& item) {
    return item.record.size() > kBatchValueMax ? std::vector<size_t>() : PlacesToStore(item);
  };
  const auto part_of = [this](const Item& item, size_t place) {
    const uint32_t node = item.nodes.placement[place];
    return BatchPart{BatchPart::Kind::kStore, item.nodes.key,          item.record,
                     TimeToLive(item),        item.nodes.tokens[node], context_.codec.MarkOf(item.known.fingerprint)};
  };
  Fly(places_of, part_of, [this](Item* item, size_t place, const NodeReply& reply) { TakeStored(item, place, reply); });
}

// By operations of their own, which ask first how large an item the node takes.
void RepairBatch::StoreLarge() {
  for (Item& item : items_) {
    if (item.record.size() <= kBatchValueMax) continue;
    const std::vector<size_t> places = PlacesToStore(item);
    std::vector<NodeSet::WriteTarget> targets;
    for (const size_t place : places) {
      const uint32_t node = item.nodes.placement[place];
      targets.push_back({node, item.nodes.tokens[node]});
    }
    if (targets.empty()) continue;
    const std::vector<NodeReply> replies =
        context_.nodes->WriteAll(targets, item.nodes.key, item.record, TimeToLive(item), Deadline(),
                                 context_.codec.MarkOf(item.known.fingerprint));
    for (size_t i = 0; i < places.size(); ++i) TakeStored(&item, places[i], replies[i]);
  }
}

void RepairBatch::TakeStored(Item* item, size_t place, const NodeReply& reply) {
  const uint32_t node = item->nodes.placement[place];
  item->nodes.Forget(node);
  item->held[place] = reply.status == NodeStatus::kTooLarge ? Held::kNever : Held::kUnknown;
  if (reply.status != NodeStatus::kStored) return;
  item->nodes.tokens[node] = reply.token;
  item->held[place] = Held::kSame;
  item->nodes.has_session[node] = !tombstone(*item);
  context_.store->counters().repairs.Add();
  ++(tombstone(*item) ? outcome_.tombstones : outcome_.copies);
}

}  // namespace clustered_session
