// How nodes hold what this server has, see examination.h. Layer: session.
#include "src/session/examination.h"

#include <algorithm>
#include <utility>

#include "src/session/loaded_session.h"
#include "src/session/repair_needs.h"

namespace clustered_session {
namespace {

constexpr size_t kGathered = 400;  // sessions, before all but the extremes go
constexpr size_t kAtOnce = 60;     // entries: a batch has room for a part of each on every node

// One entry, and what each node of its targets is asked for.
struct Item {
  Ancestry known;
  NodeItems nodes;
  size_t targets;
  size_t right = 0;
  size_t found = 0;     // nodes with a record of it, whichever
  size_t answered = 0;  // nodes of the targets
};

// The largest first, then those taken over most often, then the rest, which goes.
void KeepExtremes(std::vector<Examination::Large>* all) {
  using Large = Examination::Large;
  constexpr size_t kEach = Examination::kLargest;
  if (all->size() <= 2 * kEach) return;
  const auto middle = all->begin() + kEach;
  std::nth_element(all->begin(), middle, all->end(), [](const Large& a, const Large& b) { return a.bytes > b.bytes; });
  std::nth_element(middle, middle + kEach, all->end(),
                   [](const Large& a, const Large& b) { return a.epoch + a.writers > b.epoch + b.writers; });
  all->resize(2 * kEach);
}

class Examiner {
 public:
  Examiner(const SessionContext& context, Examination* into) : context_(context), into_(into) {
    into_->nodes.resize(context.nodes->size());
  }

  void Add(const LocalStore::Walked& found, bool asks) {
    const TimePoint now = context_.clock->Now();
    Entry entry;
    Image image;
    if (found.entry.pool != context_.pool || !IsForRepair(found.entry, now)) return;
    if (!context_.store->Peek(found.key, now, &entry, image.buffer()) || !image.Valid()) return;
    if (entry.pool != context_.pool || !IsForRepair(entry, now)) return;
    const bool tombstone = (entry.flags & kEntryTombstone) != 0;
    const SessionAddress address(context_, found.key, entry.home_node);
    NodeItems nodes(context_, address, entry);
    Ancestry known = AncestryOf(image, entry);
    ++(tombstone ? into_->ends : into_->sessions);
    if (!tombstone) {
      into_->sessions_shown.push_back({nodes.key.substr(context_.settings.prefix.size()), image.payload().size(),
                                       entry.version, entry.epoch, known.context.size()});
      if (into_->sessions_shown.size() >= kGathered) KeepExtremes(&into_->sessions_shown);
    }
    if (!asks) return;
    const size_t targets = TargetsOf(entry, nodes);
    items_.push_back({std::move(known), std::move(nodes), targets});
    if (items_.size() == kAtOnce) Ask();
  }

  // What is left of them at the end.
  void End() {
    Ask();
    KeepExtremes(&into_->sessions_shown);
  }

 private:
  // First by marks; then what is not the very record is read.
  void Ask() {
    std::vector<std::vector<bool>> open(items_.size());
    for (size_t i = 0; i < items_.size(); ++i) open[i].assign(items_[i].targets, true);
    Fly(BatchPart::Kind::kLook, &open);
    Fly(BatchPart::Kind::kRead, &open);
    for (const Item& item : items_) {
      into_->incomplete += item.right < item.targets ? 1 : 0;
      into_->lost += !item.known.tombstone && item.found == 0 && item.answered == item.targets ? 1 : 0;
    }
    items_.clear();
  }

  void Fly(BatchPart::Kind kind, std::vector<std::vector<bool>>* open) {
    std::vector<NodeSet::NodePart> parts;
    std::vector<std::pair<size_t, size_t>> whose;  // item and place
    for (size_t i = 0; i < items_.size(); ++i) {
      for (size_t place = 0; place < items_[i].targets; ++place) {
        if (!(*open)[i][place]) continue;
        parts.push_back({items_[i].nodes.placement[place], {kind, items_[i].nodes.key, {}, {}, {}}});
        whose.emplace_back(i, place);
      }
    }
    const TimePoint deadline = NodeDeadline(context_, context_.clock->Now());
    context_.nodes->RunParts(parts, deadline, [&](size_t part, NodeReply reply, bool answered) {
      const auto [item, place] = whose[part];
      const bool settled = Take(&items_[item], parts[part].node, answered ? &reply : nullptr, kind);
      if (settled) (*open)[item][place] = false;
    });
  }

  // What a node has shown; null: nothing. False: it is to be read.
  bool Take(Item* item, uint32_t node, NodeReply* reply, BatchPart::Kind kind) {
    Examination::OnNode& on = into_->nodes[node];
    if (reply == nullptr) {
      ++on.unknown;
      return true;
    }
    if (kind == BatchPart::Kind::kLook) ++item->answered;
    if (reply->status != NodeStatus::kHit) {
      ++on.missing;
      return true;
    }
    if (kind == BatchPart::Kind::kLook) {
      if (!reply->value_left_out || !context_.codec.IsMark(reply->mark, item->known.fingerprint)) return false;
      ++item->found;
      ++item->right;
      ++on.right;
      return true;
    }
    const Result<Record> record = context_.codec.Decode(&reply->value, item->nodes.key);
    if (!record.ok()) {
      ++on.unreadable;
      return true;
    }
    ++item->found;
    switch (LineageOf(record->ancestry, item->known)) {
      case Lineage::kSame:
        ++item->right;
        ++on.right;
        break;
      case Lineage::kAncestor:
        ++on.past;
        break;
      default:
        ++on.later;
    }
    return true;
  }

  const SessionContext& context_;
  Examination* into_;
  std::vector<Item> items_;
};

}  // namespace

Examination ExamineEntries(const SessionContext& context, uint64_t cursor, size_t limit, bool asks) {
  Examination examination;
  if (context.nodes->empty()) return examination;
  Examiner examiner(context, &examination);
  LocalStore::WalkPosition position{static_cast<uint32_t>(cursor >> 32), static_cast<uint32_t>(cursor)};
  std::vector<LocalStore::Walked> found;
  const bool more = context.store->Walk(&position, limit, &found);
  for (const LocalStore::Walked& each : found) examiner.Add(each, asks);
  examiner.End();
  if (more) examination.next = uint64_t{position.shard} << 32 | position.bucket;
  return examination;
}

}  // namespace clustered_session
