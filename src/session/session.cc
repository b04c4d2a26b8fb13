// One open of the save handler, see session.h. Layer: session.
#include "src/session/session.h"

#include <utility>

#include "src/base/protocol_fault.h"
#include "src/cluster/node_code.h"
#include "src/cluster/placement.h"
#include "src/session/destroy_path.h"
#include "src/session/node_memory.h"
#include "src/session/read_path.h"
#include "src/session/setup_watch.h"
#include "src/session/signed_id.h"
#include "src/session/write_path.h"

namespace clustered_session {

Session::Session(const SessionContext& context) : Session(Borrow(context)) {}

Session::Session(std::shared_ptr<const SessionContext> context) : open_(std::move(context)) {}

Session::~Session() { Close(); }

// The node that a new ID is to name; none without nodes.
std::optional<uint32_t> Session::ChooseHome(uint64_t random) const {
  const NodeSet& node_set = *open_.context.nodes;
  if (open_.SingleServer()) return std::nullopt;
  std::vector<NodeAddress> nodes = node_set.addresses();
  // A node that is known to fail gets no new sessions, unless all fail.
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (!node_set.WorthAsking(i)) nodes[i].weight = 0;
  }
  return ChooseNode(nodes, random);
}

// Empty: it is too short to be signed, and has to be.
std::string Session::MakeId(std::string_view random_part, uint32_t bits, std::optional<uint32_t> home) const {
  const SessionContext& context = open_.context;
  const std::vector<NodeAddress>& nodes = context.nodes->addresses();
  if (context.codec.keys != nullptr && context.settings.signed_ids != SignedIds::kOff) {
    // Servers that have no keys yet must come to the same session key, while this one encrypts nothing, either.
    const TagKind kind = context.codec.encrypts() ? TagKind::kKeyed : TagKind::kPlain;
    std::string id = SignId(*context.codec.keys, kind, random_part, bits, nodes, home);
    if (!id.empty() || RequiresSignedIds(context)) return id;
  }
  return home ? NameNode(nodes, *home, random_part) : std::string(random_part);
}

std::string Session::CreateId(std::string_view random_part, uint64_t random, uint32_t bits) {
  std::string id = MakeId(random_part, bits, ChooseHome(random));
  if (id.empty()) return id;
  open_.counters().new_sessions.Add();
  open_.created.Add(id);
  return id;
}

bool Session::RefusesId(std::string_view id) const {
  if (!RequiresSignedIds(open_.context) || IsSigned(*open_.context.codec.keys, id)) return false;
  open_.counters().forged_ids.Add();
  return true;
}

Result<bool> Session::Validate(std::string_view id, uint32_t lifetime_s, bool keeps_unknown) {
  if (!ValidSessionId(id) || RefusesId(id)) return false;
  if (open_.created.Has(id) || (loaded_ && !ReadCompleted(id))) return LooksAlive(id);
  if (Status status = Load(id, lifetime_s); !status.ok()) {
    failed_id_ = id;
    failure_ = status.error();
    return status.error();
  }
  const bool moved = IsMoved();
  const bool exists = (loaded_->exists() && !moved) || loaded_->Is(kEntryLocalOnly);
  if (exists || (keeps_unknown && (moved || MayBeInOldHandler(id)))) return exists;
  WriteOwed();
  GiveUpLoaded();  // an ID that somebody made up keeps no lock
  return false;
}

// Whether this server has an entry of the session. Asks no node and takes no lock.
bool Session::LooksAlive(std::string_view id) const {
  Entry entry;
  const SessionAddress address(open_.context, id);
  return open_.context.store->Lookup(address.local_key(), open_.Now(), &entry, nullptr) &&
         (entry.flags & kEntryTombstone) == 0;
}

Result<std::string_view> Session::Read(std::string_view id, uint32_t lifetime_s) {
  if (failed_id_ == id) {  // strict mode has asked already
    failed_id_.clear();
    return *failure_;
  }
  if (!ReadCompleted(id)) {
    if (Status status = Load(id, lifetime_s); !status.ok()) return status.error();
  }
  return payload();
}

bool Session::MayBeInOldHandler(std::string_view id) const {
  if (open_.context.settings.migrate_from.empty() || !ReadCompleted(id) || loaded_->Is(kEntryTombstone)) return false;
  if (loaded_->exists() && (IsMoved() || !open_.context.settings.SharesWithOldHandler())) return false;
  return !loaded_->Is(kEntryMadeHere) && !open_.created.Has(id);
}

void Session::TakeIn(std::string_view payload) {
  loaded_->image.SetPayload(payload);
  loaded_->entry.flags &= ~uint32_t{kEntryLocalOnly};
  loaded_->taken_in = loaded_->version() == 0;
  loaded_->must_write = true;
}

// The node is not chosen by which of them work now: other servers may see that otherwise.
std::string Session::SuccessorOf(std::string_view id, const MovedSession& moved, IdForm form) const {
  const std::string part = RandomPartOf(id, moved, form);
  std::optional<uint32_t> home;
  if (!open_.SingleServer()) home = ChooseNode(open_.context.nodes->addresses(), Hash128({}, part, id).Hash64());
  return MakeId(part, form.bits, home);
}

std::optional<std::string> Session::MovedTo(std::string_view id, IdForm form) const {
  if (!ReadCompleted(id) || !IsMoved()) return std::nullopt;
  const MovedSession moved = *ParseMoved(loaded_->image.payload());
  return moved.Good(open_.context.clock->UnixSeconds()) ? SuccessorOf(id, moved, form) : std::string();
}

// Without nodes there is one server; else what the nodes of the old ID know.
std::string Session::SecretOfMove() {
  if (!open_.SingleServer()) return SharedSecret(open_.context, loaded_->items().placement);
  return std::to_string(open_.context.store->instance());
}

// Writes first under the new ID, then that the old one has moved: whoever dies in between leaves the session to both.
Result<Session::Move> Session::TakeInAsOther(std::string_view id, std::string_view payload, IdForm form) {
  const MovedSession moved = MoveOf(id, payload, SecretOfMove(), open_.context.clock->UnixSeconds());
  Move move{SuccessorOf(id, moved, form), false};
  const std::string old_id(id);
  bool on_no_node = false;
  Status status = TakeInBeside(payload, loaded_->lifetime_s, &move, &on_no_node);
  // While no node has the session, it stays with the old handler, which a later request asks again.
  if (status.ok() && !on_no_node && WritePath(&open_, &*loaded_).Write(FormatMoved(moved), /*empty=*/false).ok()) {
    ended_.push_back(old_id);
  }
  if (!status.ok()) return status.error();
  GiveUpLoaded();
  return move;
}

// While this one keeps the lock of the old ID. Nobody who has a new ID's lock waits for its old one's.
Status Session::TakeInBeside(std::string_view payload, uint32_t lifetime_s, Move* move, bool* on_no_node) {
  Session other(open_.kept_context);
  Status status;
  const Result<bool> known = other.Validate(move->to, lifetime_s, /*keeps_unknown=*/true);
  if (!known.ok()) {
    status = known.error();
  } else if (!*known && !other.MayBeInOldHandler(move->to)) {
    move->to.clear();
  } else if (!*known) {
    other.TakeIn(payload);
    status = WritePath(&other.open_, &*other.loaded_).WriteOwed();
    move->taken = status.ok();
    if (!status.ok()) other.Abandon();
  }
  *on_no_node = other.loaded_ && other.loaded_->Is(kEntryUnreplicated);
  other.Close();
  for (Notice& notice : other.TakeNotices()) open_.notices.push_back(std::move(notice));
  return status;
}

// Locks, then loads. Called again for a session whose locks are held (session_reset), it reads anew under them.
Status Session::Load(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id)) {
    return Error(ErrorCode::kInvalidArgument,
                 "invalid session ID \"" + RedactSessionId(id) +
                     "\": must be 1 to 256 of A-Z, a-z, 0-9, \"-\" and \",\" [CS-SESSION-ID]");
  }
  if (RefusesId(id)) {
    return Error(
        ErrorCode::kInvalidArgument,
        "session ID \"" + RedactSessionId(id) +
            "\" was made by no server that has our clustered_session.key_file (signed_ids = require) [CS-SESSION-ID]");
  }
  AddressTo(id, lifetime_s);
  Status status = ReadPath(&open_, &*loaded_).Load();
  if (status.ok()) {
    WatchSetup(&open_, *loaded_);
  } else {
    GiveUpLoaded();
  }
  return status;
}

Status Session::Write(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool empty) {
  Status status = LoadToWrite(id, lifetime_s);
  if (status.ok()) status = WritePath(&open_, &*loaded_).Write(payload, empty);
  return SettleReplaced(std::move(status));
}

Status Session::UpdateTimestamp(std::string_view id, std::string_view payload, uint32_t lifetime_s, bool compared) {
  compared = compared && ReadCompleted(id);
  Status status = LoadToWrite(id, lifetime_s);
  if (status.ok()) status = WritePath(&open_, &*loaded_).Touch(payload, compared);
  return SettleReplaced(std::move(status));
}

// SessionHandler-wrapped handlers write IDs that were never read.
Status Session::LoadToWrite(std::string_view id, uint32_t lifetime_s) {
  if (!ReadCompleted(id)) {
    if (Status status = Load(id, lifetime_s); !status.ok()) return status;
  }
  loaded_->lifetime_s = lifetime_s;
  return Status::Ok();
}

// What became of the successor decides over the sessions that it replaces.
Status Session::SettleReplaced(Status status) {
  if (status.ok()) {
    // While no node has the successor, the nodes keep what it replaces: with this server, both would be lost.
    const bool on_no_node = loaded_ && loaded_->Is(kEntryUnreplicated) && !HasFault(ProtocolFault::kReplacedTooEarly);
    DestroyReplaced(on_no_node ? Telling::kLater : Telling::kNow);
  } else {
    KeepReplaced();
  }
  return status;
}

Status Session::Destroy(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id) || RefusesId(id)) return Status::Ok();  // nothing can exist under it
  if (open_.context.settings.Migrates()) ended_.emplace_back(id);
  const bool was_read = ReadCompleted(id);
  if (!was_read) {
    AddressTo(id, lifetime_s);
    DestroyPath(&open_, &*loaded_).LookUp();
  }
  loaded_->lifetime_s = lifetime_s;
  DestroyPath(&open_, &*loaded_).Destroy(Telling::kNow, was_read);
  loaded_.reset();  // nothing of it is written any more; the lock stays until close
  return Status::Ok();
}

void Session::DestroyRead(const ReplacedSession& replaced, Telling telling) {
  AddressTo(replaced.session_id, replaced.lifetime_s);
  DestroyPath path(&open_, &*loaded_);
  path.LookUpRead(replaced.known, replaced.only_here);
  path.Destroy(telling, /*was_read=*/true);
  loaded_.reset();
}

// Nothing is loaded of it yet.
void Session::AddressTo(std::string_view id, uint32_t lifetime_s) {
  SessionAddress address(open_.context, id);
  open_.locks.BeLocksOf(address.local_key());
  loaded_.emplace(open_.context, std::move(address), lifetime_s);
}

void Session::DestroyLater(std::string_view id, uint32_t lifetime_s) {
  if (!ValidSessionId(id) || RefusesId(id)) return;
  replaced_ = std::exchange(replaces_, {});  // it is given up before it was written
  const bool nobody_knows_it = open_.created.Has(id) && (!loaded_ || loaded_->version() == 0);
  if (!nobody_knows_it) {
    ReplacedSession replaced{open_.kept_context, std::string(id), lifetime_s, false, {}};
    if (ReadCompleted(id)) {
      replaced.only_here = DestroyPath(&open_, &*loaded_).OnlyHere();
      replaced.known = loaded_->Known();
    }
    replaced_.push_back(std::move(replaced));
  }
  if (ReadCompleted(id)) loaded_.reset();
}

void Session::DestroyReplaced(Telling telling) {
  for (const ReplacedSession& replaced : std::exchange(replaces_, {})) {
    Session other(replaced.context);
    Status status;
    if (replaced.known.lives.empty() && !replaced.only_here) {
      status = other.Destroy(replaced.session_id, replaced.lifetime_s);
    } else {
      other.DestroyRead(replaced, telling);
    }
    if (open_.context.settings.Migrates()) ended_.push_back(replaced.session_id);
    if (!status.ok()) open_.notices.push_back({true, status.error().message()});
    for (Notice& notice : other.TakeNotices()) open_.notices.push_back(std::move(notice));
  }
}

// What the nodes have to be told of what this request has read and not changed.
void Session::WriteOwed() {
  if (!loaded_->OwesWrite()) return;
  const Status status = WritePath(&open_, &*loaded_).WriteOwed();
  if (!status.ok()) open_.notices.push_back({true, status.error().message()});
}

void Session::Close() {
  if (loaded_) WriteOwed();
  GiveUpLoaded();
  DestroyReplaced(Telling::kNow);  // the successor ended without a write: given up, or destroyed
}

void Session::Abandon() {
  KeepReplaced();
  GiveUpLoaded();
}

void Session::GiveUpLoaded() {
  open_.locks.Release();
  loaded_.reset();
}

std::optional<AffinityCookie> Session::Affinity() const {
  const SessionSettings& settings = open_.context.settings;
  if (!loaded_ || open_.SingleServer() || settings.affinity != AffinityMode::kCookie) return std::nullopt;
  return AffinityCookie{settings.server_id, loaded_->epoch()};
}

}  // namespace clustered_session
