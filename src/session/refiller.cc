// Who fills which node, and with what, see refiller.h. Layer: session.
#include "src/session/refiller.h"

#include <algorithm>
#include <utility>

#include "src/local/fault_point.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

constexpr std::string_view kTurnKey = "cs:listing";
constexpr std::chrono::seconds kNoteTimeToLive = std::chrono::hours(24 * 30);
// Bytes of an item, as the node counts them: no tombstone takes more, with its key and however it is sealed.
constexpr size_t kSmall = 400;
// A session that is only looked at, or only read, takes less than one that is written.
constexpr size_t kLooksPerWrite = 8;
constexpr size_t kReadsPerWrite = 4;

uint32_t NameOf(const SessionContext& context, uint32_t node) {
  return NodeNameHash(context.nodes->member(node).node->name(), {});
}

NodeMemory* MemoryOf(const SessionContext& context, uint32_t node) {
  return context.shared->repair.MemoryOf(context.pool_hash, context.nodes->member(node).hash, context.clock->Now());
}

bool Has(const std::vector<uint32_t>& nodes, uint32_t node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

NodeReply AskOne(const SessionContext& context, uint32_t node, const BatchPart& part) {
  NodeReply reply = context.nodes->RunBatches({{node, {part}}}, NodeDeadline(context, context.clock->Now())).front();
  if (reply.status != NodeStatus::kHit) return reply;
  return std::move(reply.batch.front());
}

}  // namespace

bool NeedsRefill(const SessionContext& context, uint32_t node) {
  if (!context.settings.repair_listing || context.settings.repair_rate == 0 || context.nodes->size() < 2) return false;
  const NodeMemory* memory = context.shared->repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
  return memory == nullptr || memory->filled.load() != memory->name.load() || memory->name.load() == 0;
}

Refiller::Step Refiller::Run(const SessionContext& context, const std::vector<NodeView>& nodes) {
  Step step;
  seen_.resize(nodes.size());
  // Another one by now.
  if (job_ && (job_->target >= nodes.size() || MemoryOf(context, job_->target) == nullptr ||
               MemoryOf(context, job_->target)->name.load() != job_->memory)) {
    job_.reset();
  }
  if (context.clock->Now() >= look_at_) Look(context, nodes);
  step.next = look_at_;
  if (job_) step.next = std::min(step.next, Work(context, nodes, &step));
  return step;
}

// -- Notes ----------------------------------------------------------------------------------------------------------

void Refiller::Look(const SessionContext& context, const std::vector<NodeView>& nodes) {
  look_at_ = context.clock->Now() + kLookInterval;
  const std::string key = RefillNoteKey(context);
  std::vector<NodeSet::Batch> batches;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    const auto node = static_cast<uint32_t>((turn_ + i) % nodes.size());
    const bool ours = job_ && job_->target == node;
    if (!nodes[node].answers || ours || !NeedsRefill(context, node)) continue;
    batches.push_back({node, {{BatchPart::Kind::kRead, key, {}, {}, {}}}});
  }
  if (batches.empty()) return;
  const std::vector<NodeReply> replies =
      context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  for (size_t i = 0; i < batches.size(); ++i) {
    if (replies[i].status == NodeStatus::kHit) TakeNote(context, batches[i].node, replies[i].batch.front());
  }
}

void Refiller::TakeNote(const SessionContext& context, uint32_t node, const NodeReply& reply) {
  const TimePoint now = context.clock->Now();
  if (reply.status == NodeStatus::kMiss) return Claim(context, node, {}, {});
  if (reply.status != NodeStatus::kHit) return;
  const std::optional<RefillNote> note = ParseRefillNote(reply.value);
  if (note && note->done()) {
    for (uint32_t other = 0; other < seen_.size(); ++other) {
      if (NodeMemory* memory = MemoryOf(context, other);
          memory != nullptr && Has(note->unlisted, NameOf(context, other)))
        memory->lists.store(NodeMemory::kRefused);
    }
    NodeMemory* memory = MemoryOf(context, node);
    if (memory != nullptr) memory->filled.store(memory->name.load());
    return;
  }
  if (seen_[node].token != reply.token) seen_[node] = {reply.token, now};
  // A worker of this server that has died, or another server that has.
  const bool ours = note && note->owner == context.store->instance();
  if (ours || now - seen_[node].at >= kOwnerSilent) Claim(context, node, note.value_or(RefillNote()), reply.token);
}

// One node after the other.
void Refiller::Claim(const SessionContext& context, uint32_t node, RefillNote note, const NodeToken& expected) {
  const NodeMemory* memory = MemoryOf(context, node);
  if (job_ || memory == nullptr || memory->name.load() == 0) return;
  job_ = std::make_unique<Job>();
  Job& job = *job_;
  job.target = node;
  job.memory = memory->name.load();
  job.note = std::move(note);
  job.note.owner = context.store->instance();
  job.token = expected;
  (void)WriteNote(context);
}

// False: another server has it now, or the node does not take it. Then the next look sees to it.
bool Refiller::WriteNote(const SessionContext& context) {
  const std::string key = RefillNoteKey(context);
  const std::string text = FormatRefillNote(job_->note);
  const NodeReply reply =
      AskOne(context, job_->target, {BatchPart::Kind::kStore, key, text, kNoteTimeToLive, job_->token});
  if (reply.status != NodeStatus::kStored) {
    EndTurn(context);
    job_.reset();
    return false;
  }
  job_->token = reply.token;
  job_->note_at = context.clock->Now() + kNoteInterval;
  return true;
}

// -- Work -----------------------------------------------------------------------------------------------------------

// A part of the job. The job may be over after that.
TimePoint Refiller::Work(const SessionContext& context, const std::vector<NodeView>& nodes, Step* step) {
  const TimePoint now = context.clock->Now();
  if (!nodes[job_->target].answers) return look_at_;
  if (now >= job_->note_at && !WriteNote(context)) return look_at_;
  if (now < job_->try_at) return job_->try_at;
  if (!job_->source) return ChooseSource(context, nodes);
  if (!nodes[*job_->source].answers) {
    job_->source.reset();
    return now;
  }
  if (!job_->listed) return List(context);
  if (!job_->found.empty()) {
    RunBatch(context, nodes, step);
    return context.clock->Now();
  }
  if (job_->more) {
    job_->listed = job_->more = false;
    return now;
  }
  EndSource(context, /*lists=*/true);
  return now;
}

TimePoint Refiller::ChooseSource(const SessionContext& context, const std::vector<NodeView>& nodes) {
  Job& job = *job_;
  bool all = true;
  std::optional<uint32_t> next;
  for (uint32_t node = 0; node < nodes.size(); ++node) {
    const uint32_t name = NameOf(context, node);
    if (node == job.target || Has(job.note.listed, name) || Has(job.note.unlisted, name)) continue;
    all = false;
    const bool begun = job.note.source == name;
    if (nodes[node].answers && (!next || begun)) next = node;
  }
  if (all) {
    job.note.owner = 0;
    job.note.source = 0;
    job.note.after.reset();
    const uint32_t target = job.target;
    if (!WriteNote(context)) return look_at_;
    if (NodeMemory* memory = MemoryOf(context, target); memory != nullptr) memory->filled.store(job.memory);
    job_.reset();
    look_at_ = context.clock->Now();
    return look_at_;
  }
  // Those that do not answer have to be waited for. Another node may be filled meanwhile.
  if (!next) {
    turn_ = job.target + 1;
    job_.reset();
    return look_at_;
  }
  if (job.note.source != NameOf(context, *next)) job.note.after.reset();
  job.note.source = NameOf(context, *next);
  job.source = next;
  job.listed = job.more = false;
  job.found.clear();
  job.failures = 0;
  return context.clock->Now();
}

// So that not two servers ask one node for a list at once. A node that has no room for the turn is asked without.
bool Refiller::TakeTurn(const SessionContext& context) {
  const std::string owner = std::to_string(context.store->instance());
  const auto ttl = std::chrono::duration_cast<std::chrono::seconds>(kTurn);
  const NodeReply reply = AskOne(context, *job_->source, {BatchPart::Kind::kStore, kTurnKey, owner, ttl, {}});
  job_->turn = reply.status == NodeStatus::kStored ? reply.token : NodeToken();
  return reply.status == NodeStatus::kStored || reply.status == NodeStatus::kRefused;
}

void Refiller::EndTurn(const SessionContext& context) {
  if (!job_->turn.known()) return;
  const NodeToken turn = std::exchange(job_->turn, NodeToken());
  context.nodes->Release(*job_->source, kTurnKey, turn, NodeDeadline(context, context.clock->Now()));
}

TimePoint Refiller::List(const SessionContext& context) {
  Job& job = *job_;
  const TimePoint now = context.clock->Now();
  KeyListing::State state = KeyListing::State::kNone;
  if (job.listing == nullptr) {
    job.try_at = now + kRetry;
    if (!TakeTurn(context)) return job.try_at;
    job.found.clear();
    job.more = false;
    job.listing = context.nodes->ListKeys(*job.source);
  }
  if (job.listing != nullptr) {
    state = job.listing->Step(kListStep, [&](std::string_view key, size_t size) { Keep(context, key, size); });
  }
  job.try_at = {};
  if (state == KeyListing::State::kUnderWay) return now;
  job.listing.reset();
  EndTurn(context);
  if (state == KeyListing::State::kWhole) {
    FaultPoint("refill.listed");
    job.failures = 0;
    job.listed = true;
    std::sort(job.found.begin(), job.found.end(), [](const Found& a, const Found& b) { return b < a; });
    return context.clock->Now();
  }
  if (state == KeyListing::State::kFailed) ++job.failures;
  if (state == KeyListing::State::kNone || job.failures >= kFailuresMax) {
    EndSource(context, /*lists=*/false);
    return context.clock->Now();
  }
  job.try_at = context.clock->Now() + kRetry;
  return job.try_at;
}

// Of more keys than can be held, those that are next; the others are listed once more when these are done.
void Refiller::Keep(const SessionContext& context, std::string_view key, size_t size) {
  const std::optional<SessionKey> session = SessionKeyIn(key, context.settings.prefix);
  if (!session) return;
  Job& job = *job_;
  const Found found{{size > kSmall, *session}, static_cast<uint32_t>(std::min<size_t>(size, UINT32_MAX))};
  if (job.note.after && found.key <= *job.note.after) return;
  if (job.found.size() >= held_max_) {
    job.more = true;
    if (!(found < job.found.front())) return;
    std::pop_heap(job.found.begin(), job.found.end());
    job.found.pop_back();
  }
  job.found.push_back(found);
  std::push_heap(job.found.begin(), job.found.end());
}

void Refiller::EndSource(const SessionContext& context, bool lists) {
  Job& job = *job_;
  const uint32_t source = *job.source;
  (lists ? job.note.listed : job.note.unlisted).push_back(NameOf(context, source));
  if (NodeMemory* memory = MemoryOf(context, source); memory != nullptr) {
    memory->lists.store(lists ? NodeMemory::kTold : NodeMemory::kRefused);
  }
  job.note.source = 0;
  job.note.after.reset();
  job.source.reset();
  job.listed = false;
  (void)WriteNote(context);
}

void Refiller::RunBatch(const SessionContext& context, const std::vector<NodeView>& nodes, Step* step) {
  Job& job = *job_;
  std::vector<SessionKey> keys;
  size_t bytes = 0;
  auto found = job.found.rbegin();
  for (; found != job.found.rend() && keys.size() < RefillBatch::kKeysMax && bytes < RefillBatch::kBytesMax; ++found) {
    keys.push_back(found->key.key);
    bytes += found->size;
  }
  step->outcome = RefillBatch(context, nodes, *job.source, job.target).Run(keys);
  const RefillBatch::Outcome& outcome = step->outcome;
  const uint64_t written = outcome.copies + outcome.tombstones;
  step->worked = static_cast<size_t>(written) +
                 (outcome.read - std::min<size_t>(written, outcome.read)) / kReadsPerWrite +
                 keys.size() / kLooksPerWrite;
  FaultPoint("refill.stored");
  if (outcome.source_failed || outcome.target_failed) {
    job.try_at = context.clock->Now() + kRetry;
    return;
  }
  job.note.after = job.found[job.found.size() - keys.size()].key;
  job.found.resize(job.found.size() - keys.size());
}

}  // namespace clustered_session
