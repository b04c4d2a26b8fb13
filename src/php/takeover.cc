// A migration's part of the save handler's callbacks, see takeover.h. Layer: php.
#include "src/php/takeover.h"

#include "src/php/migration.h"

using clustered_session::IdForm;
using clustered_session::Result;
using clustered_session::Session;

namespace {

IdForm FormHere() { return {static_cast<size_t>(PS(sid_length)), static_cast<uint32_t>(PS(sid_bits_per_character))}; }

// A handler in PHP code around this one may make its new IDs itself, so its sessions keep theirs. Until the first open
// has returned, only PS(mod) says that there is one.
bool MayReplaceId() { return !PS(mod_user_implemented) && PS(mod) == &ps_mod_clustered; }

// PHP is to go on with `to`, which is loaded in place of what was. A first phase.
void GoOnWith(HandlerState* state, std::string to) {
  php_clustered_session_show_claim(&state->session, to);
  (void)state->session.Validate(to, SessionLifetime(PS(gc_maxlifetime)), /*keeps_unknown=*/true);
  state->old_asked_id = to;
  state->next_id = std::move(to);
}

// Whether the ID is one whose session has moved, perhaps too long ago. Who moved it may have died before the old
// handler was told of its end. A first phase.
bool FollowMove(HandlerState* state, std::string_view id) {
  const std::optional<std::string> to = state->session.MovedTo(id, FormHere());
  if (!to) return false;
  state->session.GiveUpUnknown();
  if (to->empty() || !MayReplaceId()) return true;
  if (CSG(settings)->Migrates()) CSG(ended)->emplace_back(id);
  GoOnWith(state, *to);
  return true;
}

// Another server may have moved the session, and ended it in the old handler, since the nodes were asked: what neither
// knew is looked for once more. Whether PHP may go on with the ID. A first phase.
bool MovedMeanwhile(HandlerState* state, std::string_view id) {
  const Result<bool> valid = state->session.Validate(id, SessionLifetime(PS(gc_maxlifetime)), /*keeps_unknown=*/true);
  if (!valid.ok() || *valid) return true;
  if (!FollowMove(state, id)) state->session.GiveUpUnknown();
  return false;
}

// A first phase. True: one was taken over that is new here.
bool TakeInSame(HandlerState* state, std::string_view id, std::string_view payload) {
  const bool known = state->session.Exists(id);
  if (known && state->session.payload() == payload) return false;
  state->session.TakeIn(payload);
  state->taken_id = id;
  return !known;
}

enum class Takeover : uint8_t {
  kDone,     // what there is, is loaded
  kMoved,    // it has another ID, or its end is known
  kUnknown,  // CSG(message) says why
};

// A first phase, as TakeInSame(). What is larger than nodes take stays with the old handler, and keeps its ID.
bool TakeInMoved(HandlerState* state, std::string_view id, std::string_view payload, Takeover* takeover) {
  const Result<Session::Move> move = state->session.TakeInAsOther(id, payload, FormHere());
  if (!move.ok() && move.error().code() == clustered_session::ErrorCode::kTooLarge) {
    *takeover = Takeover::kDone;
    return TakeInSame(state, id, payload);
  }
  *takeover = move.ok() ? Takeover::kMoved : Takeover::kUnknown;
  if (!move.ok()) {
    php_clustered_session_keep_message(move.error().message());
    return false;
  }
  if (!move->to.empty()) GoOnWith(state, move->to);
  if (move->taken) state->taken_id = move->to;
  return move->taken;
}

void SayThatItMayBeThere() {
  const size_t length = strlen(CSG(message));
  snprintf(CSG(message) + length, sizeof CSG(message) - length,
           "; clustered_session.migrate_from: this session may be there, and no empty one was started in its place "
           "[CS-MIGRATE-FROM]");
}

// The old handler has the session under its new ID before it hears of the old one's end: the request may only read.
void MirrorMoved(HandlerState* state, zend_string* payload, zend_long lifetime_s) {
  if (CSG(settings)->migrate_to.empty()) return;
  zend_string* id = zend_string_init(state->next_id.data(), state->next_id.size(), 0);
  (void)php_clustered_session_mirror_write(id, payload, lifetime_s);
  zend_string_release_ex(id, 0);
}

Takeover TakeOver(HandlerState* state, zend_string* id, zend_long lifetime_s, bool may_move) {
  const uint64_t number = state->number;
  zend_string* payload = nullptr;
  const OldAnswer answer = php_clustered_session_ask_old_handler(id, lifetime_s, &payload);
  if (answer == OldAnswer::kUnknown && state->session.Exists(View(id))) return Takeover::kDone;  // no failure of ours
  if (answer == OldAnswer::kUnknown) {
    SayThatItMayBeThere();
    return Takeover::kUnknown;
  }
  clustered_session::Counters& counters = php_clustered_session_store()->counters();
  if (answer == OldAnswer::kNone) counters.migration_misses.Add();
  // Shared, all sessions are in both: this one was destroyed by another server, or is over there. An old handler does
  // not tell one that was emptied from one that it does not have.
  if (answer == OldAnswer::kNone && state->session.Exists(View(id)) && !state->session.payload().empty()) {
    const auto destroy = [&](Session& session) { return session.Destroy(View(id), SessionLifetime(lifetime_s)); };
    return RunOn(state, destroy) ? Takeover::kDone : Takeover::kUnknown;
  }
  if (answer != OldAnswer::kHas) return Takeover::kDone;
  bool taken = false;
  Takeover takeover = Takeover::kDone;
  const bool moves = may_move && MayReplaceId() && CSG(settings)->GivesNewIds();
  const bool ran = Guarded([&] {
    if (!StillOpen(number)) return;
    taken = moves ? TakeInMoved(state, View(id), View(payload), &takeover) : TakeInSame(state, View(id), View(payload));
  });
  if (!ran) takeover = Takeover::kUnknown;
  if (taken) counters.migrated.Add();
  if (taken && takeover == Takeover::kMoved) MirrorMoved(state, payload, lifetime_s);
  zend_string_release_ex(payload, 0);
  return takeover;
}

// The next ID of those that have ended.
bool NextEnded(char (&id)[clustered_session::kSessionIdLengthMax + 1]) {
  if (CSG(ended)->empty()) return false;
  snprintf(id, sizeof id, "%s", CSG(ended)->back().c_str());
  CSG(ended)->pop_back();
  return true;
}

// An empty session that is nowhere is not mirrored: most such are bots'.
bool IsMirrored(const HandlerState& state, std::string_view id) {
  if (CSG(settings)->migrate_to.empty()) return false;
  return state.session.Exists(id) || !php_clustered_session_nothing_in_session();
}

}  // namespace

void php_clustered_session_keep_ended(HandlerState* state) {
  for (std::string& id : state->session.TakeEnded()) CSG(ended)->push_back(std::move(id));
}

bool php_clustered_session_take_over(HandlerState* state, zend_string* id, zend_long lifetime_s) {
  return TakeOver(state, id, lifetime_s, /*may_move=*/false) != Takeover::kUnknown;
}

bool php_clustered_session_knows_id(HandlerState* state, zend_string* id) {
  bool exists = true;
  bool ask = false;
  Guarded([&] {
    php_clustered_session_show_claim(&state->session, View(id));
    const uint32_t lifetime_s = SessionLifetime(PS(gc_maxlifetime));
    const Result<bool> valid = state->session.Validate(View(id), lifetime_s, /*keeps_unknown=*/true);
    exists = !valid.ok() || *valid;
    if (valid.ok() && FollowMove(state, View(id))) return;
    ask = valid.ok() && state->session.MayBeInOldHandler(View(id));
  });
  if (ask) {
    const uint64_t number = state->number;
    const Takeover takeover = TakeOver(state, id, PS(gc_maxlifetime), /*may_move=*/true);
    if (!StillOpen(number)) return false;
    Guarded([&] {
      const bool answered = takeover != Takeover::kUnknown;
      exists = !answered || (takeover == Takeover::kDone && state->session.Exists(View(id)));
      state->old_failure = answered ? "" : CSG(message);
      if (takeover == Takeover::kMoved) return;
      state->old_asked_id = View(id);
      if (exists) return;
      state->session.GiveUpUnknown();
      if (CSG(settings)->GivesNewIds()) exists = MovedMeanwhile(state, View(id));
    });
  }
  php_clustered_session_keep_notices(&state->session);
  php_clustered_session_emit_notices();
  return exists;
}

// With the setting also where sessions are shared, for those that were moved before.
bool php_clustered_session_replaces_id(HandlerState* state, zend_string* id) {
  if (state == nullptr || id == nullptr || ZSTR_LEN(id) == 0) return false;
  if (CSG(settings)->migrate_from.empty() || !CSG(settings)->migrate_new_ids || !MayReplaceId()) return false;
  const uint64_t number = state->number;
  (void)php_clustered_session_knows_id(state, id);
  return StillOpen(number) && !state->next_id.empty();
}

bool php_clustered_session_nothing_in_session() {
  const zval* vars = &PS(http_session_vars);
  if (PS(mod_user_implemented) || !Z_ISREF_P(vars)) return false;
  const zval* array = Z_REFVAL_P(vars);
  return Z_TYPE_P(array) == IS_ARRAY && zend_hash_num_elements(Z_ARRVAL_P(array)) == 0;
}

void php_clustered_session_mirror_ends() {
  char id[clustered_session::kSessionIdLengthMax + 1];
  while (NextEnded(id)) {
    zend_string* name = zend_string_init(id, strlen(id), 0);
    php_clustered_session_mirror_destroy(name);
    zend_string_release_ex(name, 0);
  }
}

bool php_clustered_session_mirror_write_of(HandlerState* state, zend_string* id, zend_string* payload,
                                           zend_long lifetime_s) {
  if (!IsMirrored(*state, View(id))) return true;
  const uint64_t number = state->number;
  (void)php_clustered_session_mirror_write(id, payload, lifetime_s);
  return StillOpen(number);
}
