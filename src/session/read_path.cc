// The read path: lock, local copy, validation, takeover. See docs/protocol.md, 'Read'. Layer: session.
#include <algorithm>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"
#include "src/session/shared_state.h"
#include "src/session/survey.h"

namespace clustered_session {
namespace {

std::string TextOf(SetupMistake mistake, const SessionSettings& settings) {
  switch (mistake) {
    case SetupMistake::kNone:
      break;
    case SetupMistake::kRouting:
      return std::to_string(SetupWatch::kTakeovers) +
             " sessions in a row were taken over from other servers: the balancer does not send a session to the "
             "server "
             "that served it last";
    case SetupMistake::kNamesake:
      return "another server has the server_id " + settings.server_id +
             ", too: give each server a clustered_session.server_id of its own";
    case SetupMistake::kNothingFound:
      return std::to_string(SetupWatch::kUnknown) +
             " sessions in a row of other servers were found on no node: check that session.save_path and "
             "clustered_session.prefix are the same on all servers";
  }
  return {};
}

}  // namespace

Result<std::string_view> Session::Read(std::string_view id, uint32_t lifetime_s) {
  if (failed_id_ == id) {  // strict mode has asked already
    failed_id_.clear();
    return *failure_;
  }
  if (!ReadCompleted(id)) {
    if (Status status = Load(id, lifetime_s); !status.ok()) return status.error();
  }
  return loaded_.image.payload();
}

Result<bool> Session::Validate(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) return false;
  if (Created(id) || (loaded_.complete && loaded_.id != id)) {
    Entry entry;
    const SessionKey key = context_.InSpace(HashSessionId({}, context_.settings.prefix, id));
    return context_.store->Lookup(key, context_.clock->Now(), &entry, nullptr) && (entry.flags & kEntryTombstone) == 0;
  }
  if (Status status = Load(id, lifetime_s); !status.ok()) {
    failed_id_ = id;
    failure_ = status.error();
    return status.error();
  }
  const bool exists = loaded_.exists || (loaded_.entry.flags & kEntryLocalOnly) != 0;
  if (!exists) Reset();  // an ID that somebody made up keeps no lock
  return exists;
}

void Session::SetLoaded(std::string_view id, uint32_t lifetime_s) {
  loaded_.id = id;
  loaded_.lifetime_s = lifetime_s;
  loaded_.home = NodeNamedBy(context_.nodes->addresses(), id);
  loaded_.placement_key = HashSessionId({}, context_.settings.prefix, id);
  loaded_.key = context_.InSpace(loaded_.placement_key);
}

// Locks, then loads. Called again for a session that is loaded already (session_reset), it reads anew under its lock.
Status Session::Load(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) {
    return Error(ErrorCode::kInvalidArgument, "invalid session ID \"" + RedactSessionId(id) +
                                                  "\": must be 1 to 256 of A-Z, a-z, 0-9, \"-\" and \",\"");
  }
  if (loaded_.id != id) {
    if (!loaded_.id.empty()) Reset();
    SetLoaded(id, lifetime_s);
  } else {
    SessionLock lock = std::exchange(loaded_.lock, {});
    ClusterLock cluster_lock = std::exchange(loaded_.cluster_lock, {});
    const std::string same_id(id);
    loaded_ = Loaded();
    loaded_.lock = lock;
    loaded_.cluster_lock = std::move(cluster_lock);
    SetLoaded(same_id, lifetime_s);
  }
  const TimePoint give_up_at = context_.clock->Now() + context_.settings.lock_wait;
  Status status = TakeLocalLock(give_up_at);
  if (status.ok()) status = NeedsClusterLock() ? LoadClaiming(give_up_at) : LoadLocked(context_.clock->Now());
  if (!status.ok()) {
    Reset();
    return status;
  }
  loaded_.complete = true;
  WatchSetup();
  return status;
}

// What this load shows of the setup of all servers.
void Session::WatchSetup() {
  if (SingleServer() || context_.shared == nullptr || Created(loaded_.id)) return;
  SetupWatch* watch = context_.shared->WatchOf(context_.pool, context_.pool_hash);
  if (watch == nullptr) return;
  const bool ours = claim_ && claim_->server_id == context_.settings.server_id;
  LoadSign sign;
  sign.had_copy = loaded_.had_entry;
  sign.taken_over = loaded_.taken_over;
  sign.exists = loaded_.exists || loaded_.version != 0;
  sign.of_other = claim_ && !ours;
  sign.of_namesake = ours && loaded_.had_entry && loaded_.taken_over && claim_->epoch == loaded_.taken_epoch;
  const SetupMistake mistake = watch->NoteLoad(sign, context_.clock->Now());
  if (mistake != SetupMistake::kNone) notices_.push_back({false, TextOf(mistake, context_.settings)});
}

Status Session::LoadLocked(TimePoint now) {
  loaded_.read_at_ns = ToNanos(now);
  const bool have =
      context_.store->Lookup(loaded_.key, now, &loaded_.entry, loaded_.image.buffer()) && loaded_.image.Valid();
  loaded_.had_entry = have;
  if (!have) {
    loaded_.entry = Entry();
    loaded_.image.Clear();
    loaded_.image.SetActor(Created(loaded_.id) ? ServerActor() : NewActor());
    if (SingleServer() || Created(loaded_.id)) return Status::Ok();  // empty and new
    return LoadFromNodes(now);
  }
  if (SingleServer()) {
    ServeEntry();
    counters().local_hits.Add();
    return Status::Ok();
  }
  loaded_.client_stayed = context_.settings.affinity == AffinityMode::kCookie && ClientStayed(loaded_.entry);
  if (EntryTrusted(loaded_.entry, now)) {
    ServeEntry();
    counters().local_hits.Add();
    return Status::Ok();
  }
  return ValidateEntry(now);
}

// The client shows this server's cookie of this epoch; or the operator vouches for it.
bool Session::ClientStayed(const Entry& entry) const {
  if (context_.settings.affinity == AffinityMode::kBalancer || HasFault(ProtocolFault::kCookieUnchecked)) return true;
  if (!claim_ || claim_->server_id != context_.settings.server_id) return false;
  return claim_->epoch == entry.epoch || HasFault(ProtocolFault::kEpochUnchecked);
}

// G2: without asking a node only if the client was served by no other server, a node has confirmed the entry lately,
// and no request of the server before can still be writing.
bool Session::EntryTrusted(const Entry& entry, TimePoint now) const {
  // Where all servers take turns, the one before may have been another.
  if (context_.settings.lock == LockMode::kCluster || !ClientStayed(entry)) return false;
  const int64_t trust_ns = std::chrono::nanoseconds(context_.settings.local_trust).count();
  const bool confirmed = entry.confirmed_at_ns != 0 &&
                         (ToNanos(now) - entry.confirmed_at_ns < trust_ns || HasFault(ProtocolFault::kTrustedForever));
  const bool grace_over = ToNanos(now) >= entry.grace_until_ns || HasFault(ProtocolFault::kNoGrace);
  return (entry.flags & kEntryTakeoverPending) == 0 && confirmed && grace_over;
}

void Session::ServeEntry() {
  loaded_.version = loaded_.entry.version;
  loaded_.epoch = loaded_.entry.epoch;
  // A session started anew under a destroyed ID is this server's from its first record on.
  if ((loaded_.entry.flags & kEntryTombstone) != 0) ++loaded_.epoch;
  loaded_.exists = (loaded_.entry.flags & (kEntryTombstone | kEntryLocalOnly)) == 0;
}

// One round trip to the nodes that should hold the session and to the one that stands in if one of them fails, as a
// write of another server may have gone there. The rest is asked only if one of these has lost something; but at once
// where a destroyed session may be started anew: its new life has to follow on all that have ended, and tombstones are
// on all nodes.
Status Session::ValidateEntry(TimePoint now) {
  const std::vector<uint32_t> holders = Holders();
  const bool all = (loaded_.entry.flags & kEntryTombstone) != 0;
  std::vector<uint32_t> asked = holders;
  std::vector<uint32_t> others;
  for (const uint32_t node : Placement()) {
    if (std::find(holders.begin(), holders.end(), node) != holders.end()) continue;
    const bool is_spare = asked.size() == holders.size() && context_.nodes->WorthAsking(node);
    (all || is_spare ? asked : others).push_back(node);
  }
  Survey survey;
  Ask(asked, StoreDeadline(now), &survey);
  if (!loaded_.cluster_lock.settled()) return Status::Ok();
  counters().node_reads.Add();
  const bool known_to_nodes = loaded_.entry.version != 0;
  const bool lost = known_to_nodes && HasLaggard(survey, holders) && !HasFault(ProtocolFault::kLossAsksNobody);
  if (survey.answers.empty()) {
    AskAgain(StoreDeadline(now), &survey);
  } else if (lost) {
    Ask(others, StoreDeadline(now), &survey);
  }

  ServeEntry();
  if (survey.answers.empty())
    return Status::Ok();  // an outage of every node fails no request whose session is local (G5)
  now = context_.clock->Now();
  counters().validations.Add();
  const auto found = [](const Survey::Answer& answer) { return answer.found; };
  if (known_to_nodes && std::none_of(survey.answers.begin(), survey.answers.end(), found))
    counters().lost_sessions.Add();
  Reconcile(survey, /*have_entry=*/true, now);
  loaded_.must_write |= known_to_nodes && HasLaggard(survey, holders);
  ConfirmEntry(now);
  return Status::Ok();
}

// No copy here: all nodes at once, the newest record wins, and this server takes the session over.
Status Session::LoadFromNodes(TimePoint now) {
  const std::vector<uint32_t>& placement = Placement();
  Survey survey;
  std::vector<uint32_t> fewer;
  if (HasFault(ProtocolFault::kFirstMissIsAbsence)) fewer = {placement[0]};
  Ask(fewer.empty() ? placement : fewer, StoreDeadline(now), &survey);
  if (!loaded_.cluster_lock.settled()) return Status::Ok();
  counters().node_reads.Add();
  if (!Conclusive(survey)) AskAgain(StoreDeadline(now), &survey);
  now = context_.clock->Now();
  if (EndedHere(survey, now)) return Status::Ok();
  if (Reconcile(survey, /*have_entry=*/false, now)) {
    loaded_.must_write |= HasLaggard(survey, Holders());
    return Status::Ok();
  }
  if (Conclusive(survey)) return Status::Ok();  // empty and new
  const size_t holders = std::min<size_t>(context_.settings.copies, placement.size());
  const NodeSet::Member& first = context_.nodes->member(placement[0]);
  return Error(ErrorCode::kUnavailable,
               "no node that may hold this session can be asked (" + first.node->name() + " at " +
                   first.node->address() +
                   (holders > 1 ? " and " + std::to_string(holders - 1) + " more" : std::string()) +
                   "): check that memcached runs there; no empty session was started in its place");
}

// Whether a record was found, or one of the nodes that should have it has said that there is none.
bool Session::Conclusive(const Survey& survey) {
  const std::vector<uint32_t>& placement = Placement();
  const size_t holders = std::min<size_t>(context_.settings.copies, placement.size());
  return std::any_of(survey.answers.begin(), survey.answers.end(), [](const auto& answer) { return answer.found; }) ||
         std::any_of(placement.begin(), placement.begin() + static_cast<ptrdiff_t>(holders),
                     [&](uint32_t node) { return survey.Asked(node); });
}

// G13: whether the session is over. Its records stay on the nodes a little longer; if all nodes answer, and none has
// anything later than what this server remembers of it, nobody has used the session since it was over here. It may be
// started anew like a destroyed one. If a node is missing, another server's use may be there: its records are believed.
bool Session::EndedHere(const Survey& survey, TimePoint now) {
  if (survey.answers.size() < context_.nodes->size()) return false;
  Entry entry;
  Image image;
  if (!context_.store->LookupOver(loaded_.key, now, &entry, image.buffer()) || !image.Valid()) return false;
  if ((entry.flags & kEntryTombstone) != 0) return false;
  std::swap(loaded_.entry, entry);
  std::swap(loaded_.image, image);
  if (!survey.Heads(Known()).empty()) {
    std::swap(loaded_.entry, entry);
    std::swap(loaded_.image, image);
    return false;
  }
  loaded_.entry.flags = kEntryTombstone;
  loaded_.image.SetPayload({});
  ServeEntry();
  return true;
}

const std::vector<uint32_t>& Session::Placement() {
  if (loaded_.placement.empty() && !SingleServer()) {
    loaded_.storage_key = StorageKey(context_.settings.prefix, loaded_.placement_key);
    loaded_.placement = PlaceSession(context_.nodes->addresses(), loaded_.placement_key, loaded_.home);
    loaded_.tokens.assign(context_.nodes->size(), NodeToken());
    for (const EntryToken& token : loaded_.entry.tokens) {
      for (uint32_t node = 0; token.cas != 0 && node < context_.nodes->size(); ++node) {
        if (context_.nodes->member(node).hash == token.node_hash) {
          loaded_.tokens[node] = {token.cas, token.incarnation};
        }
      }
    }
  }
  return loaded_.placement;
}

// A whole read, and a whole write, has one deadline for all its store work; only the replicator puts it off, once.
TimePoint Session::StoreDeadline(TimePoint now) const {
  return now + context_.settings.connect_timeout + context_.settings.operation_timeout;
}

}  // namespace clustered_session
