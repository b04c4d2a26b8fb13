// The read path: lock, local copy, validation, takeover. See docs/protocol.md, 'Read'. Layer: session.
#include <algorithm>
#include <utility>

#include "src/base/units.h"
#include "src/cluster/placement.h"
#include "src/session/session.h"

namespace clustered_session {
namespace {

enum class Relation : uint8_t { kOlder, kSame, kNewer };

// How a node's record stands to the local entry.
Relation Compare(const Record& record, const Entry& entry, uint64_t instance) {
  if ((entry.flags & kEntryTakeoverPending) != 0) {  // the entry is the record of the epoch before, not yet written
    if (record.epoch >= entry.epoch || record.version > entry.version) return Relation::kNewer;
    return record.epoch + 1 == entry.epoch && record.version == entry.version ? Relation::kSame : Relation::kOlder;
  }
  const RecordOrder ours{entry.epoch, entry.version};
  if (record.order() == ours) return record.instance == instance ? Relation::kSame : Relation::kNewer;
  return record.order() > ours ? Relation::kNewer : Relation::kOlder;
}

int64_t After(TimePoint now, Duration duration) { return ToNanos(now + duration); }

// The key in the local store: `space` tells apart pools of one server whose nodes are not the same.
SessionKey LocalKey(const SessionContext& context, SessionKey key) {
  for (size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] ^= context.space.bytes[i];
  return key;
}

}  // namespace

// What asking some nodes has shown.
struct Session::Survey {
  uint32_t asked = 0;
  uint32_t answered = 0;
  bool found = false;
  Record newest;
  std::string bytes;      // newest views into it
  std::vector<std::pair<uint32_t, RecordOrder>> seen;  // of each node that answered; {} = it has none

  void Take(uint32_t node, const Record& record, std::string record_bytes) {
    seen.emplace_back(node, record.order());
    if (found && record.order() <= newest.order()) return;
    found = true;
    bytes = std::move(record_bytes);
    newest = record;
    newest.payload = std::string_view(bytes).substr(kRecordHeaderSize);
  }

  void Absorb(Survey other) {
    asked += other.asked;
    answered += other.answered;
    if (other.found && (!found || other.newest.order() > newest.order())) {
      found = true;
      bytes = std::move(other.bytes);
      newest = other.newest;
      newest.payload = std::string_view(bytes).substr(kRecordHeaderSize);
    }
    seen.insert(seen.end(), other.seen.begin(), other.seen.end());
  }

  bool HasLaggard(RecordOrder order) const {
    return std::any_of(seen.begin(), seen.end(), [&](const auto& node) { return node.second < order; });
  }
};

Result<std::string_view> Session::Read(std::string_view id, uint32_t lifetime_s) {
  if (failed_id_ == id) {  // strict mode has asked already
    failed_id_.clear();
    return *failure_;
  }
  if (!ReadCompleted(id)) {
    if (Status status = Load(id, lifetime_s); !status.ok()) return status.error();
  }
  return std::string_view(loaded_.payload);
}

Result<bool> Session::Validate(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) return false;
  if (Created(id) || (loaded_.complete && loaded_.id != id)) {
    Entry entry;
    const SessionKey key = LocalKey(context_, HashSessionId({}, context_.settings.prefix, id));
    return context_.store->Lookup(key, context_.clock->Now(), &entry, nullptr);
  }
  if (Status status = Load(id, lifetime_s); !status.ok()) {
    failed_id_ = id;
    failure_ = status.error();
    return status.error();
  }
  return loaded_.exists || (loaded_.entry.flags & kEntryLocalOnly) != 0;
}

void Session::SetLoaded(std::string_view id, uint32_t lifetime_s) {
  loaded_.id = id;
  loaded_.lifetime_s = lifetime_s;
  loaded_.placement_key = HashSessionId({}, context_.settings.prefix, id);
  loaded_.storage_key = StorageKey(context_.settings.prefix, loaded_.placement_key);
  loaded_.key = LocalKey(context_, loaded_.placement_key);
}

// Locks, then loads. Called again for a session that is loaded already (session_reset), it reads anew under its lock.
Status Session::Load(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) {
    return Error(ErrorCode::kInvalidArgument,
                 "session ID \"" + RedactSessionId(id) +
                     "\" is not one: only A-Z, a-z, 0-9, \"-\" and \",\" are allowed, at most 256 of them");
  }
  if (loaded_.id != id) {
    Reset();
    SetLoaded(id, lifetime_s);
  } else {
    SessionLock lock = std::exchange(loaded_.lock, {});
    const std::string same_id(id);
    loaded_ = Loaded();
    loaded_.lock = lock;
    SetLoaded(same_id, lifetime_s);
  }
  if (context_.settings.lock == LockMode::kLocal && !loaded_.lock.held) {
    Result<SessionLock> lock =
        context_.store->locks().Acquire(loaded_.key, context_.clock->Now() + context_.settings.lock_wait);
    if (!lock.ok()) {
      const Error error = lock.error();
      Reset();
      if (error.code() != ErrorCode::kTimeout) return error;
      return Error(ErrorCode::kTimeout, "session lock not free within clustered_session.lock_wait (" +
                                            FormatDuration(context_.settings.lock_wait) +
                                            "): another request of this session still runs");
    }
    loaded_.lock = *lock;
  }
  Status status = LoadLocked(context_.clock->Now());
  if (!status.ok()) {
    Reset();
    return status;
  }
  loaded_.complete = true;
  return status;
}

Status Session::LoadLocked(TimePoint now) {
  const bool have = context_.store->Lookup(loaded_.key, now, &loaded_.entry, &loaded_.payload);
  if (!have) {
    loaded_.entry = Entry();
    if (SingleServer() || Created(loaded_.id)) return Status::Ok();  // empty and new
    return LoadFromNodes(now);
  }
  if (SingleServer()) {
    ServeEntry();
    counters().local_hits.Add();
    return Status::Ok();
  }
  if (EntryTrusted(loaded_.entry, now)) {
    ServeEntry();
    counters().local_hits.Add();
    return Status::Ok();
  }
  return ValidateEntry(now);
}

// G2: without asking a node only if the client shows this server's cookie of this epoch, a node has confirmed it lately,
// and no request of the server before can still be writing.
bool Session::EntryTrusted(const Entry& entry, TimePoint now) const {
  if (context_.settings.affinity == AffinityMode::kCookie) {
    const std::optional<AffinityCookie>& claim = request_->claim;
    if (!claim || claim->epoch != entry.epoch || claim->server_id != context_.settings.server_id) return false;
  }
  const int64_t trust_ns = std::chrono::nanoseconds(context_.settings.local_trust).count();
  return (entry.flags & kEntryTakeoverPending) == 0 && ToNanos(now) - entry.confirmed_at_ns < trust_ns &&
         ToNanos(now) >= entry.grace_until_ns;
}

void Session::ServeEntry() {
  loaded_.version = loaded_.entry.version;
  loaded_.epoch = loaded_.entry.epoch;
  loaded_.exists = (loaded_.entry.flags & (kEntryTombstone | kEntryLocalOnly)) == 0;
}

// One round trip to the nodes that should hold the session; more only if they know less than this server does.
Status Session::ValidateEntry(TimePoint now) {
  const Entry entry = loaded_.entry;
  std::vector<uint32_t> holders;
  std::vector<uint32_t> others;
  for (const uint32_t node : Placement()) {
    const bool holder = holders.size() < context_.settings.copies && context_.nodes->WorthAsking(node);
    (holder ? holders : others).push_back(node);
  }
  counters().node_reads.Add();
  Survey survey = Ask(holders, StoreDeadline(now));
  const uint64_t instance = context_.store->instance();
  const auto relation = [&] {
    return survey.found ? Compare(survey.newest, entry, instance) : Relation::kOlder;
  };
  const bool known_to_nodes = entry.version != 0;
  if (relation() == Relation::kOlder && (known_to_nodes || survey.answered == 0)) {
    survey.Absorb(Ask(others, StoreDeadline(now)));
  }

  now = context_.clock->Now();
  if (relation() == Relation::kNewer) {
    Adopt(survey, now);
    return Status::Ok();
  }
  ServeEntry();
  if (survey.answered == 0) return Status::Ok();  // an outage of every node fails no request whose session is local (G5)
  counters().validations.Add();
  if (!survey.found && known_to_nodes) counters().lost_sessions.Add();
  if (known_to_nodes && (relation() == Relation::kOlder || survey.HasLaggard(survey.newest.order()))) {
    loaded_.must_write = true;
  }
  ConfirmEntry(now);
  return Status::Ok();
}

// No copy here: all nodes at once, the newest record wins, and this server takes the session over.
Status Session::LoadFromNodes(TimePoint now) {
  counters().node_reads.Add();
  Survey survey = Ask(Placement(), StoreDeadline(now));
  now = context_.clock->Now();
  if (survey.found) {
    Adopt(survey, now);
    return Status::Ok();
  }
  // Nobody has it. That is only an answer if one of the nodes that should have it said so.
  const size_t holders = std::min<size_t>(context_.settings.copies, Placement().size());
  for (size_t i = 0; i < holders; ++i) {
    for (const auto& seen : survey.seen) {
      if (seen.first == Placement()[i]) return Status::Ok();  // empty and new
    }
  }
  return Error(ErrorCode::kUnavailable,
               "none of the nodes that may hold this session can be asked (" +
                   context_.nodes->member(Placement()[0]).node->name() + " at " +
                   context_.nodes->member(Placement()[0]).node->address() +
                   (holders > 1 ? " and " + std::to_string(holders - 1) + " more" : std::string()) +
                   "): check that memcached runs there; no empty session was started in its place");
}

Session::Survey Session::Ask(const std::vector<uint32_t>& nodes, TimePoint deadline) {
  Survey survey;
  if (nodes.empty()) return survey;
  for (NodeSet::Read& read : context_.nodes->ReadAll(nodes, loaded_.storage_key, deadline)) {
    ++survey.asked;
    if (read.reply.status != NodeStatus::kHit && read.reply.status != NodeStatus::kMiss) continue;
    ++survey.answered;
    loaded_.tokens[read.node] = read.reply.token;
    if (read.reply.status == NodeStatus::kMiss) {
      survey.seen.emplace_back(read.node, RecordOrder());
      continue;
    }
    Result<Record> record = DecodeRecord(read.reply.value, loaded_.storage_key);
    if (record.ok()) {
      survey.Take(read.node, *record, std::move(read.reply.value));
      continue;
    }
    // Somebody else's bytes under our key: a miss, and the next write replaces them.
    survey.seen.emplace_back(read.node, RecordOrder());
    counters().corrupt_records.Add();
    const NodeSet::Member& member = context_.nodes->member(read.node);
    notices_.push_back({false, "node " + member.node->name() + " (" + member.node->address() +
                                   "): an item under our key is unreadable (" + record.error().message() +
                                   ") and counts as missing; check that no other program uses this prefix"});
  }
  return survey;
}

// The nodes know better: their newest record becomes this server's entry, taken over if another instance owned it.
void Session::Adopt(const Survey& survey, TimePoint now) {
  const Record& record = survey.newest;
  const bool mine = record.instance == context_.store->instance();
  Entry entry;
  entry.version = record.version;
  entry.epoch = mine ? record.epoch : record.epoch + 1;
  entry.lifetime_s = loaded_.lifetime_s;
  entry.expires_at_ns = After(now, std::chrono::seconds(loaded_.lifetime_s));
  entry.confirmed_at_ns = ToNanos(now);
  if (record.tombstone()) {
    entry.flags = kEntryTombstone;
  } else if (!mine) {
    entry.flags = kEntryTakeoverPending;
    entry.grace_until_ns = After(now, context_.settings.takeover_grace);
    counters().takeovers.Add();
  }
  loaded_.payload.assign(record.payload);
  loaded_.must_write = !record.tombstone() && survey.HasLaggard(record.order());
  loaded_.entry = entry;
  ServeEntry();
  // No room here is no failure: the session is served from the nodes.
  (void)PutEntry(now).ok();
}

// A node has vouched for the entry just now.
void Session::ConfirmEntry(TimePoint now) {
  const Entry before = loaded_.entry;
  loaded_.entry.confirmed_at_ns = ToNanos(now);
  SaveTokens();
  context_.store->Update(loaded_.key, before, loaded_.entry);
}

const std::vector<uint32_t>& Session::Placement() {
  if (loaded_.placement.empty() && !SingleServer()) {
    loaded_.placement = PlaceSession(context_.nodes->addresses(), loaded_.placement_key, NodeNameOf(loaded_.id));
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

// A whole read, and a whole write, has one deadline for all its store work.
TimePoint Session::StoreDeadline(TimePoint now) const {
  return now + context_.settings.connect_timeout + context_.settings.operation_timeout;
}

}  // namespace clustered_session
