// Unreplicated entries are written for no request, see flush_path.h. Layer: session.
#include "src/session/flush_path.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/commit.h"
#include "src/session/lifetime.h"
#include "src/session/tombstone.h"

namespace clustered_session {
namespace {

constexpr size_t kBytesMax = 256 << 10;  // of one flight, but for the last session's

// No node takes it, nor will one the next time: it goes on as this server's own, and may be evicted.
void GiveUpReplication(OpenScope* open, LoadedSession* loaded, const Error& error) {
  open->notices.push_back(
      {false, "a session stays on this server only: " + WithoutCode(error.message()) + " [CS-LOCAL-ONLY]"});
  const Entry before = loaded->entry;
  loaded->entry.flags = (before.flags & ~uint32_t{kEntryUnreplicated}) | kEntryUnderReplicated;
  open->context.store->Update(loaded->address().local_key(), before, loaded->image.dot_bytes(), loaded->entry);
}

// One entry, under its session's lock like any write: in lock=none as the turn of a commit.
class Flush {
 public:
  explicit Flush(const std::shared_ptr<const SessionContext>& context) : open_(context) {}

  // Makes what goes out first of it. A tombstone is written at once.
  void Begin(const SessionKey& local_key, uint8_t pool) {
    if (!open_.locks.TryLocal(local_key)) return End(FlushOutcome::kBusy);
    const TimePoint now = open_.Now();
    Entry entry;
    Image image;
    const bool have = open_.context.store->Lookup(local_key, now, &entry, image.buffer());
    const bool due = have && (entry.flags & kEntryUnreplicated) != 0 && entry.pool == pool;
    if (!due || !image.Valid()) return End(FlushOutcome::kGone);
    loaded_.emplace(open_.context, SessionAddress(open_.context, local_key, entry.home_node), entry.lifetime_s);
    loaded_->entry = before_ = entry;
    loaded_->image = std::move(image);
    if (loaded_->Is(kEntryTombstone)) {
      RepeatTombstone(&open_, &*loaded_);
      return End(Told(FlushOutcome::kWritten));
    }
    const int64_t left_s = (entry.expires_at_ns - ToNanos(now)) / 1'000'000'000 + 1;
    loaded_->lifetime_s = static_cast<uint32_t>(std::max<int64_t>(left_s, 1));
    committer_.emplace(&open_, &*loaded_);
    Result<Replicator::Flight> flight = committer_->Begin(loaded_->image.payload());
    if (!flight.ok()) return End(Refused(flight.error()));
    flight_ = std::move(*flight);
  }

  bool under_way() const { return loaded_.has_value(); }  // else it is done
  const Replicator::Flight& flight() const { return flight_; }
  const NodeItems& items() { return loaded_->items(); }
  // By an operation of its own.
  bool Alone() const { return flight_.targets.empty() || flight_.bytes.size() > kBatchValueMax; }

  // The nodes that the flight does not go to, and that may know of the session's end.
  std::vector<uint32_t> Beside() {
    std::vector<uint32_t> beside;
    for (const uint32_t node : items().placement) {
      const auto is_target = [node](const NodeSet::WriteTarget& target) { return target.node == node; };
      const bool sent = std::any_of(flight_.targets.begin(), flight_.targets.end(), is_target);
      if (!sent && open_.context.nodes->WorthAsking(node)) beside.push_back(node);
    }
    return beside;
  }

  // What such a node has. If it says that the session has ended, the flush is over, and the end goes where the session
  // was to go.
  void TakeBeside(NodeReply reply) {
    if (!loaded_ || reply.status != NodeStatus::kHit) return;
    const std::string sealed = reply.value;
    const Result<Record> end = open_.context.codec.Decode(&reply.value, items().key);
    const bool ends = end.ok() && end->ancestry.ended.Meets(loaded_->Known().lives);
    if (!ends || HasFault(ProtocolFault::kLivesIgnored)) return;
    if (end->tombstone()) {
      open_.context.nodes->WriteAll(
          flight_.targets, items().key, sealed, TombstoneTimeToLive(end->ancestry.lifetime_max_s),
          NodeDeadline(open_.context, open_.Now()), open_.context.codec.MarkOf(end->ancestry.fingerprint));
    }
    open_.context.store->Erase(loaded_->address().local_key());
    End(FlushOutcome::kGone);
  }

  // `replies`: to flight(); none: it has not been sent.
  void Conclude(std::vector<NodeReply> replies) {
    const Status status = committer_->Conclude(std::move(flight_), std::move(replies));
    FlushOutcome outcome = status.ok() ? Told(FlushOutcome::kWritten) : Refused(status.error());
    if (outcome == FlushOutcome::kNoNode) KeepTimes();
    End(outcome);
  }

  FlushOutcome outcome() const { return outcome_; }
  std::vector<Notice> TakeNotices() { return open_.TakeNotices(); }

 private:
  // What only other servers can read gives way sooner or later; until then nothing of this may be evicted.
  FlushOutcome Refused(const Error& error) {
    if (error.code() == ErrorCode::kUnavailable) return FlushOutcome::kNoNode;
    GiveUpReplication(&open_, &*loaded_, error);
    return Told(FlushOutcome::kGone);
  }

  // A try in vain is no use of the session.
  void KeepTimes() {
    Entry kept = loaded_->entry;
    kept.lifetime_s = before_.lifetime_s;
    kept.expires_at_ns = before_.expires_at_ns;
    open_.context.store->Update(loaded_->address().local_key(), loaded_->entry, loaded_->image.dot_bytes(), kept);
  }

  FlushOutcome Told(FlushOutcome outcome) const {
    return loaded_->Is(kEntryUnreplicated) ? FlushOutcome::kNoNode : outcome;
  }

  // For others the lock is free from here on.
  void End(FlushOutcome outcome) {
    outcome_ = outcome;
    if (outcome == FlushOutcome::kWritten) open_.counters().flushed.Add();
    open_.locks.Release();
    committer_.reset();
    loaded_.reset();
  }

  OpenScope open_;
  std::optional<LoadedSession> loaded_;
  std::optional<Committer> committer_;
  Entry before_;
  Replicator::Flight flight_;
  FlushOutcome outcome_ = FlushOutcome::kNoNode;
};

// A node that has lost its memory has forgotten that the session has ended elsewhere, and would take it. So all others
// of its nodes are asked first, in one wait for all flushes; only where something is found, for its bytes as well.
void LookBeside(const SessionContext& context, const std::vector<Flush*>& flushes) {
  std::vector<NodeSet::NodePart> looks;
  std::vector<Flush*> looking;
  for (Flush* flush : flushes) {
    for (const uint32_t node : flush->Beside()) {
      looks.push_back({node, {BatchPart::Kind::kLook, flush->items().key, {}, {}, {}, 0}});
      looking.push_back(flush);
    }
  }
  std::vector<NodeSet::NodePart> reads;
  std::vector<Flush*> reading;
  context.nodes->RunParts(looks, NodeDeadline(context, context.clock->Now()),
                          [&](size_t part, const NodeReply& reply, bool) {
                            if (reply.status != NodeStatus::kHit) return;
                            reads.push_back(looks[part]);
                            reads.back().part.kind = BatchPart::Kind::kRead;
                            reading.push_back(looking[part]);
                          });
  context.nodes->RunParts(reads, NodeDeadline(context, context.clock->Now()),
                          [&](size_t part, NodeReply reply, bool) { reading[part]->TakeBeside(std::move(reply)); });
}

// One wait for those that are sent together; what is too large for that goes alone.
void Send(const SessionContext& context, const std::vector<Flush*>& flushes) {
  std::vector<NodeSet::NodePart> parts;
  std::vector<Flush*> sent;
  for (Flush* flush : flushes) {
    if (!flush->under_way()) continue;
    if (flush->Alone()) {
      flush->Conclude({});
      continue;
    }
    const Replicator::Flight& flight = flush->flight();
    for (const auto& [node, expected] : flight.targets) {
      parts.push_back(
          {node, {BatchPart::Kind::kStore, flush->items().key, flight.bytes, flight.ttl, expected, flight.mark}});
    }
    sent.push_back(flush);
  }
  std::vector<NodeReply> replies(parts.size());
  context.nodes->RunParts(parts, NodeDeadline(context, context.clock->Now()),
                          [&](size_t part, NodeReply reply, bool) { replies[part] = std::move(reply); });
  auto next = replies.begin();
  for (Flush* flush : sent) {
    const auto end = next + static_cast<ptrdiff_t>(flush->flight().targets.size());
    flush->Conclude({std::make_move_iterator(next), std::make_move_iterator(end)});
    next = end;
  }
}

}  // namespace

std::vector<FlushOutcome> FlushEntries(const std::shared_ptr<const SessionContext>& context,
                                       const std::vector<SessionKey>& local_keys, uint8_t pool,
                                       std::vector<Notice>* notices) {
  std::vector<FlushOutcome> outcomes(local_keys.size(), FlushOutcome::kNoNode);
  if (!AnyNodeWorthAsking(*context->nodes)) return outcomes;
  std::vector<std::unique_ptr<Flush>> flushes;
  std::vector<Flush*> begun;
  size_t bytes = 0;
  const auto send = [&] {
    LookBeside(*context, begun);
    Send(*context, begun);
    begun.clear();
    bytes = 0;
  };
  for (const SessionKey& key : local_keys) {
    flushes.push_back(std::make_unique<Flush>(context));
    Flush* flush = flushes.back().get();
    flush->Begin(key, pool);
    if (!flush->under_way()) continue;
    begun.push_back(flush);
    bytes += flush->flight().bytes.size();
    if (bytes >= kBytesMax) send();
  }
  if (!begun.empty()) send();
  for (size_t i = 0; i < flushes.size(); ++i) {
    outcomes[i] = flushes[i]->outcome();
    for (Notice& notice : flushes[i]->TakeNotices()) notices->push_back(std::move(notice));
  }
  return outcomes;
}

}  // namespace clustered_session
