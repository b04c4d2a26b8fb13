// The read path, see read_path.h. It reads top to bottom like docs/protocol.md, 'Read'. Layer: session.
#include "src/session/read_path.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/bad_record.h"
#include "src/session/entry_path.h"
#include "src/session/news.h"
#include "src/session/reconcile.h"
#include "src/session/succession.h"

namespace clustered_session {

Status ReadPath::Load() {
  const TimePoint give_up_at = open_.Now() + context_.settings.lock_wait;
  const bool created = open_.created.Has(loaded_.address().id());
  if (Status status = open_.locks.TakeLocal(loaded_.address().local_key(), give_up_at, created); !status.ok()) {
    return status;
  }
  // An ID made in this request is known to nobody else.
  const bool needs_cluster_lock =
      context_.settings.lock == LockMode::kCluster && !open_.SingleServer() && !open_.locks.cluster_held() && !created;
  if (needs_cluster_lock) return LoadUnderClusterLock(give_up_at);
  const Result<Outcome> outcome = LoadLocked(open_.Now());  // without a claim, so it is settled
  return outcome.ok() ? Status::Ok() : outcome.error();
}

// Reads and claims in one flight, again until the lock is ours: what that flight read is what is served. Where no node
// answers at all, it is the read without a lock, which serves a local copy or fails.
Status ReadPath::LoadUnderClusterLock(TimePoint give_up_at) {
  ClusterSessionLock* lock = open_.locks.NewClusterClaim();
  const TimePoint began = open_.Now();
  bool waited = false;
  for (size_t unanswered = 0;;) {
    // As often as there are nodes the next one gets its chance; after that the read goes on without, or fails below.
    lock->BeginTry(/*claim=*/unanswered <= context_.nodes->size());
    if (!AnyNodeWorthAsking(*context_.nodes)) (void)context_.nodes->GrantLastTries(loaded_.items().placement);
    loaded_.Clear();
    const Result<Outcome> outcome = LoadLocked(open_.Now());
    if (!outcome.ok()) return outcome.error();
    if (*outcome == Outcome::kLoaded) {
      if (waited) AddTime(&open_.counters().lock_wait, open_.Now() - began);
      if (lock->held() || !lock->any_answer()) return Status::Ok();
      return Error(
          ErrorCode::kUnavailable,
          "no node takes the session's lock (out of memory?): the session does not start without it [CS-LOCK-NODE]");
    }
    if (*outcome == Outcome::kLockUnanswered) {
      ++unanswered;
      continue;
    }
    unanswered = 0;
    if (!std::exchange(waited, true)) open_.counters().lock_waits.Add();
    do {
      const TimePoint now = open_.Now();
      if (now >= give_up_at) {
        open_.counters().lock_timeouts.Add();
        AddTime(&open_.counters().lock_wait, now - began);
        return open_.locks.TimedOut(lock->other() + " has it");
      }
      context_.clock->Pause(std::min(lock->NextPause(), give_up_at - now));
    } while (lock->StillTaken(NodeDeadline(context_, open_.Now())));
  }
}

Result<ReadPath::Outcome> ReadPath::LoadLocked(TimePoint now) {
  loaded_.read_at_ns = ToNanos(now);
  const LookupResult found =
      context_.store->Lookup(loaded_.address().local_key(), now, &loaded_.entry, loaded_.image.buffer());
  // There may be a copy, and it may be the only one.
  if (found.unknown()) {
    return Error(ErrorCode::kUnavailable,
                 "the local copy cannot be read now, as another worker holds its part of the shared memory: if this "
                 "goes on, restart PHP [CS-LOCAL-BUSY]");
  }
  const bool have = found && loaded_.image.Valid();
  loaded_.had_entry = have;
  if (!have) {
    loaded_.entry = Entry();
    loaded_.image.Clear();
    const bool created = open_.created.Has(loaded_.address().id());
    if (open_.SingleServer() || created) return Outcome::kLoaded;  // empty and new
    loaded_.image.SetSince(SinceNow(context_));
    return LoadFromNodes(now);
  }
  if (!open_.SingleServer()) {
    loaded_.client_stayed = context_.settings.affinity == AffinityMode::kCookie && ClientStayed();
    NoteNewsUse(context_, now);
    if (!EntryTrusted(now)) return ValidateEntry(now);
  }
  open_.counters().local_hits.Add();
  return Outcome::kLoaded;
}

// The client shows this server's cookie of this epoch; or the operator vouches for it.
bool ReadPath::ClientStayed() const {
  if (context_.settings.affinity == AffinityMode::kBalancer || HasFault(ProtocolFault::kCookieUnchecked)) return true;
  const std::optional<AffinityCookie>& claim = open_.claim;
  if (!claim || claim->server_id != context_.settings.server_id) return false;
  return claim->epoch == loaded_.entry.epoch || HasFault(ProtocolFault::kEpochUnchecked);
}

// G2: without asking a node only if the client was served by no other server, a node has confirmed the entry lately,
// no news have named it since, and no request of the server before can still be writing.
bool ReadPath::EntryTrusted(TimePoint now) const {
  // Where all servers take turns, the one before may have been another.
  if (context_.settings.lock == LockMode::kCluster || !ClientStayed()) return false;
  const Entry& entry = loaded_.entry;
  const int64_t trust_ns = std::chrono::nanoseconds(context_.settings.local_trust).count();
  const bool confirmed = entry.confirmed_at_ns != 0 &&
                         (ToNanos(now) - entry.confirmed_at_ns < trust_ns || HasFault(ProtocolFault::kTrustedForever));
  const bool grace_over = ToNanos(now) >= entry.grace_until_ns || HasFault(ProtocolFault::kNoGrace);
  return !loaded_.Is(kEntryTakeoverPending) && confirmed && grace_over &&
         NewsAllow(context_, loaded_.address().local_key(), entry.confirmed_at_ns, now);
}

// One round trip to the nodes that should hold the session and to the one that stands in if one of them fails, as a
// write of another server may have gone there. The rest is asked only if one of these has lost something; but at once
// where a destroyed session may be started anew, as its new life has to name all that have ended; and where nothing is
// known, as then nobody can have lost it.
Result<ReadPath::Outcome> ReadPath::ValidateEntry(TimePoint now) {
  NodeItems& items = loaded_.items();
  const std::vector<uint32_t> holders = items.Holders(context_);
  const bool all = loaded_.Is(kEntryTombstone) || loaded_.version() == 0;
  std::vector<uint32_t> asked = holders;
  std::vector<uint32_t> others;
  for (const uint32_t node : items.placement) {
    if (std::find(holders.begin(), holders.end(), node) != holders.end()) continue;
    const bool stands_in = asked.size() == holders.size() && context_.nodes->WorthAsking(node);
    (all || stands_in ? asked : others).push_back(node);
  }
  Survey survey(&open_, &items, loaded_.Known(), /*likely_known=*/ClientStayed(), NodeDeadline(context_, now));
  survey.Ask(asked);
  if (const Outcome outcome = ClaimOutcome(); outcome != Outcome::kLoaded) return outcome;
  open_.counters().node_reads.Add();
  const bool known_to_nodes = loaded_.version() != 0;
  const bool lost = known_to_nodes && survey.HasLaggard(holders, loaded_.Known());
  if (survey.answers().empty()) {
    survey.AskRest();
  } else if (lost && !HasFault(ProtocolFault::kLossAsksNobody)) {
    survey.Ask(others);
  }
  if (survey.unreadable()) return UnreadableHere(*survey.unreadable());
  // An outage of every node fails no request whose session is local (G5).
  if (survey.answers().empty()) return Outcome::kLoaded;
  now = open_.Now();
  open_.counters().validations.Add();
  if (loaded_.exists() && !survey.FoundAny()) open_.counters().lost_sessions.Add();
  Reconcile(&open_, &loaded_, survey, /*have_entry=*/true, now);
  if (known_to_nodes) NoteLaggards(survey);
  survey.RemoveLeftovers(loaded_.Known());
  ConfirmEntry(context_, &loaded_);
  return Outcome::kLoaded;
}

// This request writes it, and if it does not, the background sees to it.
void ReadPath::NoteLaggards(const Survey& survey) {
  if (!survey.HasLaggard(NodesToHold(), loaded_.Known())) return;
  loaded_.must_write = true;
  MarkLacking(context_, &loaded_);
}

// An end belongs on all nodes of the session, as each of them may have what has ended.
std::vector<uint32_t> ReadPath::NodesToHold() {
  NodeItems& items = loaded_.items();
  return loaded_.Is(kEntryTombstone) ? items.placement : items.Holders(context_);
}

// No copy here: all its nodes at once, the newest record wins, and this server takes the session over.
Result<ReadPath::Outcome> ReadPath::LoadFromNodes(TimePoint now) {
  NodeItems& items = loaded_.items();
  Survey survey(&open_, &items, {}, /*likely_known=*/false, NodeDeadline(context_, now));
  survey.Ask(HasFault(ProtocolFault::kFirstMissIsAbsence) ? std::vector<uint32_t>{items.placement[0]}
                                                          : items.placement);
  if (const Outcome outcome = ClaimOutcome(); outcome != Outcome::kLoaded) return outcome;
  open_.counters().node_reads.Add();
  if (!survey.Conclusive()) survey.AskRest();
  if (survey.unreadable()) return UnreadableHere(*survey.unreadable());
  now = open_.Now();
  if (EndedHere(survey, now)) return Outcome::kLoaded;
  if (Reconcile(&open_, &loaded_, survey, /*have_entry=*/false, now)) {
    NoteLaggards(survey);
    survey.RemoveLeftovers(loaded_.Known());
    return Outcome::kLoaded;
  }
  if (!survey.Conclusive()) return NoNodeToAsk();
  if (survey.MissMayBeLoss(loaded_.lifetime_s)) return MayBeLost(survey);
  return Outcome::kLoaded;  // empty and new
}

// What the first flight of a load has brought of the cluster lock; kLoaded if there is nothing to wait for.
ReadPath::Outcome ReadPath::ClaimOutcome() {
  const ClusterSessionLock* lock = open_.locks.cluster();
  if (lock == nullptr || lock->settled()) return Outcome::kLoaded;
  // A claim that was not sent found no time, as after a stop of this process.
  return lock->state() == ClusterSessionLock::State::kTaken ? Outcome::kLockTaken : Outcome::kLockUnanswered;
}

// G13: whether the session is over. Its records stay on the nodes a little longer; if all of them answer, and none has
// anything later than what this server remembers of it, nobody has used the session since it was over here. It may be
// started anew like a destroyed one. If a node is missing, another server's use may be there: its records are believed.
bool ReadPath::EndedHere(const Survey& survey, TimePoint now) {
  if (survey.answers().size() < loaded_.items().placement.size()) return false;
  Entry entry;
  Image image;
  const SessionKey& key = loaded_.address().local_key();
  if (!context_.store->LookupOver(key, now, &entry, image.buffer()) || !image.Valid()) return false;
  if ((entry.flags & kEntryTombstone) != 0) return false;
  std::swap(loaded_.entry, entry);
  std::swap(loaded_.image, image);
  if (!survey.Heads(loaded_.Known()).empty()) {
    std::swap(loaded_.entry, entry);
    std::swap(loaded_.image, image);
    return false;
  }
  const Ancestry end = loaded_.Known().End();
  loaded_.entry.flags = kEntryTombstone;
  loaded_.image.SetPayload({});
  loaded_.image.SetAncestry(end);
  return true;
}

Error ReadPath::UnreadableHere(const Survey::Unreadable& unreadable) const {
  return {ErrorCode::kUnavailable, context_.nodes->Label(unreadable.node) + " holds this session " +
                                       WhyUnreadable(unreadable.why) + "; the session stays as it is [CS-UNREADABLE]"};
}

Error ReadPath::MayBeLost(const Survey& survey) const {
  std::string silent;
  std::string restarted;
  for (const uint32_t node : loaded_.items().Copies()) {
    std::string& names = survey.Answered(node) ? restarted : silent;
    names += (names.empty() ? "" : ", ") + context_.nodes->member(node).node->name();
  }
  return {ErrorCode::kUnavailable, "this session may be on a node that does not answer (" + silent +
                                       "), as the others have lost their memory lately (" + restarted +
                                       "): check that memcached runs there; no empty session was started in its place "
                                       "[CS-MAY-BE-LOST]"};
}

Error ReadPath::NoNodeToAsk() const {
  const std::vector<uint32_t>& placement = loaded_.items().placement;
  const size_t holders = loaded_.items().copies;
  const NodeSet::Member& first = context_.nodes->member(placement[0]);
  return {ErrorCode::kUnavailable, "no node that may hold this session can be asked (" + first.node->name() + " at " +
                                       first.node->address() +
                                       (holders > 1 ? " and " + std::to_string(holders - 1) + " more" : std::string()) +
                                       "): check that memcached runs there; no empty session was started in its place "
                                       "[CS-NO-NODE]"};
}

}  // namespace clustered_session
