// The survey path: nodes are asked, and what they have is brought into one state with what this server has. See
// docs/protocol.md, 'Read'. Layer: session.
#include <algorithm>
#include <optional>
#include <utility>

#include "src/base/protocol_fault.h"
#include "src/session/conflict.h"
#include "src/session/lifetime.h"
#include "src/session/survey.h"

namespace clustered_session {
// Brings what this server has and what the nodes have into one state, and makes that the loaded one. Tokens are kept
// for every node that answered, as all that they hold is in that state. False if there is nothing at all.
bool Session::Reconcile(const Survey& survey, bool have_entry, TimePoint now) {
  const Ancestry known = Known();
  std::vector<const Survey::Answer*> heads = survey.Heads(known);
  if (heads.empty()) return have_entry;
  const Record& last = heads.back()->record;
  const bool superseded = !have_entry || std::any_of(heads.begin(), heads.end(), [&](const Survey::Answer* head) {
    return LineageOf(head->record, known) == Lineage::kDescendant;
  });
  if (superseded || last.order() > RecordOrder{loaded_.entry.epoch, loaded_.entry.version}) {
    const Image before = loaded_.image;
    const Entry entry_before = loaded_.entry;
    Adopt(last, now);
    heads.pop_back();
    if (!superseded) {  // a branch too, and one that may be nowhere else
      loaded_.entry.flags |= entry_before.flags & kEntryUnreplicated;
      MergeBranch(before.vector(), before.payload(), entry_before.version);
    }
  }
  for (const Survey::Answer* head : heads) {
    MergeBranch(head->record.vector, head->record.payload, head->record.version);
  }
  // No room here is no failure: the session is served from the nodes.
  (void)PutEntry(now).ok();
  return true;
}

Ancestry Session::Known() const {
  return {loaded_.image.vector(),
          loaded_.image.fingerprint(),
          loaded_.image.life(),
          (loaded_.entry.flags & kEntryTombstone) != 0,
          RecordOrder{loaded_.entry.epoch, loaded_.entry.version},
          (loaded_.entry.flags & kEntryUnreplicated) != 0};
}

// A branch of the same life that nobody has merged yet: the keys of both stay.
void Session::MergeBranch(const VersionVector& vector, std::string_view payload, uint64_t version) {
  if (HasFault(ProtocolFault::kBranchesLeftOut)) return;
  counters().conflicts.Add();
  VersionVector merged = loaded_.image.vector();
  merged.Absorb(vector);
  if (context_.settings.on_conflict == ConflictRule::kMerge) {
    if (std::optional<std::string> both = ResolveConflict(context_, {}, loaded_.image.payload(), payload)) {
      loaded_.image.SetPayload(*both);
    }
  }  // else the one that is later by epoch and version stands
  loaded_.image.SetLineage(merged, 0, loaded_.image.life());
  loaded_.entry.version = std::max(loaded_.entry.version, version);
  ServeEntry();
  loaded_.must_write = true;
}

// The nodes that a write would go to now.
std::vector<uint32_t> Session::Holders() {
  std::vector<uint32_t> holders;
  for (const uint32_t node : Placement()) {
    if (holders.size() < context_.settings.copies && context_.nodes->WorthAsking(node)) holders.push_back(node);
  }
  return holders;
}

// Whether one of the nodes that should hold what is served holds something older, or nothing.
bool Session::HasLaggard(const Survey& survey, const std::vector<uint32_t>& holders) const {
  if (HasFault(ProtocolFault::kLaggardsStay)) return false;
  return std::any_of(survey.answers.begin(), survey.answers.end(), [&](const Survey::Answer& answer) {
    if (std::find(holders.begin(), holders.end(), answer.node) == holders.end()) return false;
    return !answer.found || LineageOf(answer.record, Known()) == Lineage::kAncestor;
  });
}

// The nodes that have not answered, as those that have are not enough: also such as are known to fail, as often as
// health allows that where no other is left. (With a cluster lock that is done before its claim: nothing is read
// without it.)
void Session::AskAgain(TimePoint deadline, Survey* survey) {
  std::vector<uint32_t> nodes;
  for (const uint32_t node : Placement()) {
    if (!survey->Asked(node)) nodes.push_back(node);
  }
  if (!TimeToAsk(context_, deadline)) return;
  if (context_.settings.lock != LockMode::kCluster) (void)context_.nodes->GrantLastTries(nodes);
  Ask(nodes, deadline, survey);
}

void Session::Ask(const std::vector<uint32_t>& nodes, TimePoint deadline, Survey* survey) {
  if (nodes.empty() || !TimeToAsk(context_, deadline)) return;
  for (NodeSet::Read& read : ReadAndClaim(nodes, deadline)) {
    if (!Answered(read.reply)) continue;
    loaded_.tokens[read.node] = read.reply.token;
    Survey::Answer answer;
    answer.node = read.node;
    if (read.reply.status == NodeStatus::kHit) {
      Result<Record> record = DecodeRecord(read.reply.value, loaded_.storage_key);
      if (record.ok()) {
        answer.found = true;
        answer.record = *record;
        answer.bytes = std::move(read.reply.value);
      } else {  // somebody else's bytes under our key: a miss, and the next write replaces them
        counters().corrupt_records.Add();
        notices_.push_back({false, context_.nodes->Label(read.node) + ": an item under our key is unreadable (" +
                                       record.error().message() +
                                       ") and counts as missing; check that no other program uses this prefix"});
      }
    }
    survey->answers.push_back(std::move(answer));
  }
  // The strings have moved for the last time.
  for (Survey::Answer& answer : survey->answers) {
    if (answer.found) answer.record.payload = std::string_view(answer.bytes).substr(kRecordHeaderSize);
  }
}

// The nodes know better: a record of theirs becomes this server's entry, taken over if another instance owned it.
void Session::Adopt(const Record& record, TimePoint now) {
  const bool mine = record.instance == context_.store->instance();
  Entry entry;
  entry.version = record.version;
  entry.epoch = mine || record.tombstone() ? record.epoch : record.epoch + 1;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = SecondsAfter(now, loaded_.lifetime_s);
  entry.confirmed_at_ns = ToNanos(now);
  const bool known = loaded_.entry.version != 0 && (loaded_.entry.flags & kEntryTombstone) == 0;
  if (record.tombstone()) {
    entry.flags = kEntryTombstone;
  } else if (mine && known) {
    entry.grace_until_ns = loaded_.entry.grace_until_ns;  // a late write of the server before is no end of it
  } else {
    // Without an entry nobody knows any more when this server has taken it over.
    entry.grace_until_ns = ToNanos(now + context_.settings.takeover_grace);
  }
  if (!mine && !record.tombstone()) {
    if (!HasFault(ProtocolFault::kTakeoverNotWritten)) entry.flags = kEntryTakeoverPending;
    counters().takeovers.Add();
    loaded_.taken_over = true;
    loaded_.taken_epoch = record.epoch;
  }
  loaded_.image.SetPayload(record.payload);
  loaded_.image.SetLineage(record.vector, record.fingerprint, record.life);
  // Of its own record this server may have written a successor that it has lost since. Without an entry it may have
  // written anything: then the actor is a new one already.
  if (mine) loaded_.image.SetActor(NewActor());
  loaded_.entry = entry;
  ServeEntry();
}

// This server's usual name in version vectors, the same for all sessions; never 0.
uint32_t Session::ServerActor() const {
  const auto actor = static_cast<uint32_t>(context_.store->instance());
  return actor != 0 ? actor : 1;
}

// A name that no writer of the session has had, for when this server may have written under its usual one what it does
// not know of any more; never 0.
uint32_t Session::NewActor() {
  if (HasFault(ProtocolFault::kActorKept)) return ServerActor();
  const uint64_t seed[2] = {context_.store->instance(), context_.store->NextNumber()};
  const SessionKey hash = HashSessionId({}, "actor", {reinterpret_cast<const char*>(seed), sizeof seed});
  const auto actor = static_cast<uint32_t>(hash.Hash64());
  return actor != 0 ? actor : 1;
}

}  // namespace clustered_session
