// Unreplicated entries are written for no request, see flush_path.h. Layer: session.
#include "src/session/flush_path.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "src/session/commit.h"
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

  // What goes out first of it, if there is something to send; else it is done. A tombstone, and what is too large for a
  // batch, is written at once.
  const Replicator::Flight* Begin(const SessionKey& local_key, uint8_t pool) {
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
    if (flight_.targets.empty() || flight_.bytes.size() > kBatchValueMax) {
      Conclude({});
      return nullptr;
    }
    return &flight_;
  }

  // `replies`: to what Begin() has returned.
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
  const Replicator::Flight* End(FlushOutcome outcome) {
    outcome_ = outcome;
    if (outcome == FlushOutcome::kWritten) open_.counters().flushed.Add();
    open_.locks.Release();
    committer_.reset();
    loaded_.reset();
    return nullptr;
  }

  OpenScope open_;
  std::optional<LoadedSession> loaded_;
  std::optional<Committer> committer_;
  Entry before_;
  Replicator::Flight flight_;
  FlushOutcome outcome_ = FlushOutcome::kNoNode;
};

// A flight of one of them.
struct Sent {
  Flush* flush;
  const Replicator::Flight* flight;
  std::string key;
  std::vector<NodeReply> replies;
};

// One wait.
void Send(const SessionContext& context, std::vector<Sent>* all) {
  std::vector<NodeSet::Batch> batches(context.nodes->size());
  std::vector<std::vector<NodeReply*>> whose(batches.size());
  for (uint32_t node = 0; node < batches.size(); ++node) batches[node].node = node;
  for (Sent& sent : *all) {
    const Replicator::Flight& flight = *sent.flight;
    sent.replies.resize(flight.targets.size());
    for (size_t i = 0; i < flight.targets.size(); ++i) {
      const auto [node, expected] = flight.targets[i];
      batches[node].parts.push_back(
          {BatchPart::Kind::kStore, sent.key, flight.bytes, flight.ttl, expected, flight.mark});
      whose[node].push_back(&sent.replies[i]);
    }
  }
  std::vector<NodeReply> replies = context.nodes->RunBatches(batches, NodeDeadline(context, context.clock->Now()));
  for (uint32_t node = 0; node < batches.size(); ++node) {
    const bool answered = replies[node].status == NodeStatus::kHit;
    for (size_t i = 0; i < whose[node].size(); ++i) {
      *whose[node][i] = answered ? std::move(replies[node].batch[i]) : replies[node];
    }
  }
}

}  // namespace

std::vector<FlushOutcome> FlushEntries(const std::shared_ptr<const SessionContext>& context,
                                       const std::vector<SessionKey>& local_keys, uint8_t pool,
                                       std::vector<Notice>* notices) {
  std::vector<FlushOutcome> outcomes(local_keys.size(), FlushOutcome::kNoNode);
  if (!AnyNodeWorthAsking(*context->nodes)) return outcomes;
  std::vector<std::unique_ptr<Flush>> flushes;
  std::vector<Sent> sent;
  size_t bytes = 0;
  const auto send = [&] {
    if (!sent.empty()) Send(*context, &sent);
    for (Sent& each : sent) each.flush->Conclude(std::move(each.replies));
    sent.clear();
    bytes = 0;
  };
  for (const SessionKey& key : local_keys) {
    flushes.push_back(std::make_unique<Flush>(context));
    const Replicator::Flight* flight = flushes.back()->Begin(key, pool);
    if (flight == nullptr) continue;
    sent.push_back({flushes.back().get(), flight, StorageKey(context->settings.prefix, context->InSpace(key)), {}});
    bytes += flight->bytes.size();
    if (bytes >= kBytesMax) send();
  }
  send();
  for (size_t i = 0; i < flushes.size(); ++i) {
    outcomes[i] = flushes[i]->outcome();
    for (Notice& notice : flushes[i]->TakeNotices()) notices->push_back(std::move(notice));
  }
  return outcomes;
}

}  // namespace clustered_session
