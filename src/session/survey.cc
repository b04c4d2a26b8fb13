// Nodes are asked, and their answers are kept, see survey.h. Layer: session.
#include "src/session/survey.h"

#include <algorithm>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"
#include "src/session/lifetime.h"

namespace clustered_session {

void Survey::Ask(const std::vector<uint32_t>& nodes) {
  if (nodes.empty() || !TimeToAsk(open_->context, deadline_)) return;
  ClusterSessionLock* lock = open_->locks.cluster();
  NodeSet& asked = *open_->context.nodes;
  const NodeSet::Values values = ValuesToAsk();
  Take(lock != nullptr ? lock->Read(nodes, *items_, deadline_, values)
                       : asked.ReadAll(nodes, items_->key, deadline_, nullptr, values));
  if (lock != nullptr && !lock->settled()) return;
  while (!marked_.empty()) {
    // A node that hung may have used up the time of those that answered at once.
    const TimePoint now = open_->Now();
    const TimePoint deadline = std::max(deadline_, now + open_->context.settings.operation_timeout);
    Take(asked.ReadAll(TakeDifferent(), items_->key, deadline));
  }
}

// A mark is enough of everybody where the record behind it is most likely known.
NodeSet::Values Survey::ValuesToAsk() const {
  const bool known = (likely_known_ && known_.fingerprint != 0) || FoundAny();
  return known ? NodeSet::Values::kNone : NodeSet::Values::kOne;
}

void Survey::Take(std::vector<NodeSet::Read> reads) {
  for (NodeSet::Read& read : reads) {
    const NodeReply& reply = read.reply;
    if (reply.value_left_out) {
      marked_.push_back({read.node, reply.token, reply.mark});
    } else if (clustered_session::Answered(reply)) {
      Add(std::move(read));
    }
  }
  SettleMarked();
  // The strings have moved for the last time.
  for (Answer& answer : answers_) {
    if (answer.found) answer.record.ViewInto(answer.bytes);
  }
}

// Those whose mark is that of a record that is known have answered.
void Survey::SettleMarked() {
  const auto different = [this](const Marked& marked) { return !AddSame(marked); };
  marked_.erase(std::stable_partition(marked_.begin(), marked_.end(), different), marked_.end());
}

bool Survey::AddSame(const Marked& marked) {
  const auto is_same = [&](const Ancestry& ancestry) {
    return ancestry.fingerprint != 0 && open_->context.codec.IsMark(marked.mark, ancestry.fingerprint);
  };
  const auto same = std::find_if(answers_.begin(), answers_.end(), [&](const Answer& answer) {
    return answer.found && (is_same(answer.record.ancestry) || HasFault(ProtocolFault::kMarksIgnored));
  });
  if (same == answers_.end() && !is_same(known_)) return false;
  Answer answer;
  answer.node = marked.node;
  answer.found = true;
  if (same != answers_.end()) answer.record = same->record;
  if (same == answers_.end()) answer.record.ancestry = known_;
  answer.record.payload = {};
  answer.record.header_size = 0;
  items_->tokens[marked.node] = marked.token;
  items_->has_session[marked.node] = !answer.record.tombstone();
  answers_.push_back(std::move(answer));
  return true;
}

// One node for each mark. Who has the same mark waits for what that one shows.
std::vector<uint32_t> Survey::TakeDifferent() {
  std::vector<uint32_t> nodes;
  std::vector<uint32_t> asked_marks;
  std::vector<Marked> rest;
  for (const Marked& marked : marked_) {
    const bool asked = std::any_of(asked_marks.begin(), asked_marks.end(),
                                   [&](uint32_t mark) { return mark != 0 && mark == marked.mark; });
    if (asked) {
      rest.push_back(marked);
    } else {
      nodes.push_back(marked.node);
      asked_marks.push_back(marked.mark);
    }
  }
  marked_ = std::move(rest);
  return nodes;
}

void Survey::Add(NodeSet::Read read) {
  items_->tokens[read.node] = read.reply.token;
  Answer answer;
  answer.node = read.node;
  if (read.reply.status == NodeStatus::kHit) {
    Result<Record> record = open_->context.codec.Decode(&read.reply.value, items_->key);
    if (record.ok()) {
      answer.found = true;
      items_->has_session[read.node] = !record->tombstone();
      answer.record = *record;
      answer.bytes = std::move(read.reply.value);
    } else if (ReadableElsewhere(record.error())) {
      unreadable_ = Unreadable{read.node, record.error().code()};
      items_->Forget(read.node);
      return;
    } else {  // somebody else's bytes under our key: a miss, and the next write replaces them
      NoteBadRecord(open_->context, read.node, record.error(), "counts as missing", &open_->notices);
    }
  }
  answers_.push_back(std::move(answer));
}

// Also such nodes as are known to fail, as often as health allows that where no other is left. (With a cluster lock
// that is done before its claim: nothing is read without it.)
void Survey::AskRest() {
  std::vector<uint32_t> nodes;
  for (const uint32_t node : items_->placement) {
    if (!Answered(node)) nodes.push_back(node);
  }
  if (!TimeToAsk(open_->context, deadline_)) return;
  if (open_->context.settings.lock != LockMode::kCluster) (void)open_->context.nodes->GrantLastTries(nodes);
  Ask(nodes);
}

bool Survey::Answered(uint32_t node) const {
  return std::any_of(answers_.begin(), answers_.end(), [node](const Answer& answer) { return answer.node == node; });
}

bool Survey::FoundAny() const {
  return std::any_of(answers_.begin(), answers_.end(), [](const Answer& answer) { return answer.found; });
}

bool Survey::Conclusive() const {
  if (FoundAny()) return true;
  const auto any_answered = [this](auto first, auto last) {
    return std::any_of(first, last, [this](uint32_t node) { return Answered(node); });
  };
  const auto listed = items_->placement.begin();
  const auto copies = static_cast<ptrdiff_t>(std::min(open_->context.settings.copies, items_->copies));
  const std::vector<uint32_t>& before = items_->previous_copies;
  return any_answered(listed, listed + copies) && (before.empty() || any_answered(before.begin(), before.end()));
}

bool Survey::MissMayBeLoss(uint32_t lifetime_s) {
  if (FoundAny()) return false;
  const SessionContext& context = open_->context;
  std::vector<uint32_t> missed;
  bool may_return = false;
  for (const uint32_t node : items_->Copies()) {
    if (Answered(node)) {
      missed.push_back(node);
    } else {
      may_return |= context.nodes->ExpectedBack(node);
    }
  }
  if (!may_return) return false;
  // A node that hung may have used up the read's time.
  const TimePoint deadline = std::max(deadline_, context.clock->Now() + context.settings.operation_timeout);
  return !context.nodes->AnyOlder(missed, RecordTimeToLive(lifetime_s), deadline);
}

bool Survey::HasLaggard(const std::vector<uint32_t>& holders, const Ancestry& known) const {
  if (HasFault(ProtocolFault::kLaggardsStay)) return false;
  return std::any_of(answers_.begin(), answers_.end(), [&](const Answer& answer) {
    if (std::find(holders.begin(), holders.end(), answer.node) == holders.end()) return false;
    return !answer.found || LineageOf(answer.record.ancestry, known) == Lineage::kAncestor;
  });
}

void Survey::RemoveLeftovers(const Ancestry& known) {
  const auto holds = [&](uint32_t node) {
    return std::any_of(answers_.begin(), answers_.end(), [&](const Answer& answer) {
      return answer.node == node && answer.found && LineageOf(answer.record.ancestry, known) == Lineage::kSame;
    });
  };
  const std::vector<uint32_t>& placement = items_->placement;
  const auto proper = placement.begin() + items_->copies;
  if (!std::all_of(placement.begin(), proper, holds) || HasFault(ProtocolFault::kLeftoversStay)) return;
  for (const Answer& answer : answers_) {
    const bool stands_in = std::find(placement.begin(), proper, answer.node) == proper;
    if (!stands_in || !answer.found || answer.record.tombstone()) continue;
    if (LineageOf(answer.record.ancestry, known) == Lineage::kBranch) continue;
    open_->context.nodes->Release(answer.node, items_->key, items_->tokens[answer.node], deadline_);
    items_->Forget(answer.node);
  }
}

std::vector<const Survey::Answer*> Survey::Heads(const Ancestry& known) const {
  std::vector<const Answer*> heads;
  for (const Answer& answer : answers_) {
    if (!answer.found) continue;
    const Lineage to_known = LineageOf(answer.record.ancestry, known);
    if (to_known == Lineage::kSame || to_known == Lineage::kAncestor) continue;
    const bool surpassed = std::any_of(answers_.begin(), answers_.end(), [&](const Answer& other) {
      if (&other == &answer || !other.found) return false;
      const Lineage lineage = LineageOf(answer.record.ancestry, other.record.ancestry);
      return lineage == Lineage::kAncestor || (lineage == Lineage::kSame && &other < &answer);
    });
    if (!surpassed) heads.push_back(&answer);
  }
  std::sort(heads.begin(), heads.end(),
            [](const Answer* a, const Answer* b) { return a->record.order() < b->record.order(); });
  return heads;
}

}  // namespace clustered_session
