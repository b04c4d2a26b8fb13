// The save handler `clustered`: PHP's nine callbacks over session/session.h. Layer: php. Called by PHP's session
// module. mod_data is a HandlerState from open to close.
//
// PHP can forget to close: a user handler around this one may throw, exit or not call its parent, and a worker mode
// ends no request. So the state is kept in CSG(open) as well, and given up at the next open or at the request's end.
// Whatever lets PHP warn runs the user's error handler, which may close the session: a callback does not touch its
// state after that.
#include <sodium.h>

#include <cstring>

#include "src/base/session_id.h"
#include "src/php/cookie_header.h"
#include "src/php/handler_state.h"
#include "src/php/migration.h"
#include "src/php/takeover.h"

extern "C" {
#include "zend_exceptions.h"
}

using clustered_session::LocalStore;
using clustered_session::ReplacedSession;
using clustered_session::Result;
using clustered_session::Session;
using clustered_session::SessionContext;
using clustered_session::Status;

namespace {

// Whether PHP code asked for this, directly or through a user handler that was called by `function`.
bool CalledWithin(const char* function) {
  for (const zend_execute_data* frame = EG(current_execute_data); frame != nullptr; frame = frame->prev_execute_data) {
    const zend_function* called = frame->func;
    if (called != nullptr && called->type == ZEND_INTERNAL_FUNCTION && called->common.scope == nullptr &&
        called->common.function_name != nullptr && strcmp(ZSTR_VAL(called->common.function_name), function) == 0) {
      return true;
    }
  }
  return false;
}

// First phases. They report through CSG(message) and CSG(notices).

Result<std::shared_ptr<const SessionContext>> ContextFor(const char* save_path) {
  clustered_session::Worker* worker = php_clustered_session_worker();
  if (CSG(serializer) != PS(serializer)) {
    CSG(serializer) = PS(serializer);
    CSG(settings)->format = clustered_session::PayloadFormatOf(PS(serializer) == nullptr ? "" : PS(serializer)->name);
    ++CSG(settings_generation);
  }
  return worker->ContextFor(save_path == nullptr ? "" : save_path, *CSG(settings), CSG(settings_generation));
}

// Whether session_reset() opens the session again that is open. It wants to read anew, under the lock it has.
bool Reopens(void** mod_data) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr || state != CSG(open) || !CalledWithin("session_reset")) return false;
  state->session.ReadAnew();
  state->delivered_id.clear();
  state->old_asked_id.clear();
  return true;
}

// The old handler may have taken IDs that are none here: who has such a one gets another, and is not refused for ever.
bool RefusesId(std::string_view id) {
  return CSG(open)->session.RefusesId(id) || (CSG(settings)->Migrates() && !clustered_session::ValidSessionId(id));
}

bool Open(void** mod_data, const char* save_path, bool* id_refused) {
  bool opened = false;
  Guarded([&] {
    CSG(used) = true;
    if (php_clustered_session_store() == nullptr) return;
    if (Reopens(mod_data)) {
      opened = true;
      return;
    }
    // What the open before has left to its successor: this one, if one call of session_regenerate_id() makes both.
    std::vector<ReplacedSession> replaced = std::exchange(*CSG(replaced), {});
    if (CSG(open) != nullptr) {
      for (ReplacedSession& each : CSG(open)->session.TakeReplaced()) replaced.push_back(std::move(each));
      php_clustered_session_abandon();
    }
    *mod_data = nullptr;
    Result<std::shared_ptr<const SessionContext>> context = ContextFor(save_path);
    if (!context.ok()) {
      php_clustered_session_keep_message(context.error().message());
      return;
    }
    CSG(open) = new HandlerState(std::move(*context), ++CSG(opens));
    *mod_data = CSG(open);
    if (CalledWithin("session_regenerate_id")) CSG(open)->session.Replace(std::move(replaced));
    *id_refused = PS(id) != nullptr && ZSTR_LEN(PS(id)) != 0 && RefusesId(View(PS(id)));
    opened = true;
  });
  return opened;
}

void Close(HandlerState* state) {
  Guarded([&] {
    if (CalledWithin("session_regenerate_id")) *CSG(replaced) = state->session.TakeReplaced();
    state->session.Close();
    php_clustered_session_keep_ended(state);
  });
  php_clustered_session_keep_notices(&state->session);
  php_clustered_session_delete_open(state);
}

struct ReadOutcome {
  bool ok;  // else CSG(message) says why not
  bool affinity_due;
  AffinityHeader affinity;
};

void Read(HandlerState* state, std::string_view id, uint32_t lifetime_s, std::string_view* payload,
          ReadOutcome* outcome) {
  outcome->ok = outcome->affinity_due = false;
  Guarded([&] {
    state->delivered_id.clear();
    if (state->old_asked_id == id && !state->old_failure.empty()) {
      php_clustered_session_keep_message(state->old_failure);
      return;
    }
    php_clustered_session_show_claim(&state->session, id);
    Result<std::string_view> read = state->session.Read(id, lifetime_s);
    if (read.ok()) {
      *payload = *read;
      outcome->ok = true;
      outcome->affinity_due = php_clustered_session_due_affinity(state->session, id, &outcome->affinity);
    } else {
      php_clustered_session_keep_message(read.error().message());
    }
  });
  php_clustered_session_keep_notices(&state->session);
}

bool MayWrite(const HandlerState& state, std::string_view id) {
  return PS(mod_user_implemented) || state.delivered_id == id;
}

// PHP destroys a session whose payload it failed to decode. If decoding was cut short by a fatal error or exit, the
// payload may be whole, and one request over its memory limit must not log a user out.
bool CutShort() {
  if (CalledWithin("session_destroy") || PS(mod_user_implemented)) return false;
#ifdef ZEND_HAS_OOM  // a PHP that fails what it is doing when memory ends, and reports the fatal error later
  if (ZEND_HAS_OOM()) return true;
#endif
  return CG(unclean_shutdown) || (EG(exception) != nullptr && zend_is_unwind_exit(EG(exception)));
}

}  // namespace

void php_clustered_session_delete_open(HandlerState* open) noexcept {
  if (open != nullptr && CSG(open) == open) CSG(open) = nullptr;
  delete open;
}

void php_clustered_session_abandon() noexcept {
  HandlerState* open = CSG(open);
  if (open == nullptr) return;
  Guarded([&] { open->session.Abandon(); });
  php_clustered_session_store()->counters().abandoned.Add();
  php_clustered_session_keep_notices(&open->session);
  php_clustered_session_delete_open(open);
}

extern "C" {

PS_FUNCS_UPDATE_TIMESTAMP(clustered)

const ps_module ps_mod_clustered = {PS_MOD_UPDATE_TIMESTAMP(clustered)};

// Called by session_start(), session_regenerate_id(), upload progress, and by session_reset() without a close before.
PS_OPEN_FUNC(clustered) {
#if PHP_VERSION_ID >= 80600
  const char* path = ZSTR_VAL(save_path);
#else
  const char* path = save_path;
#endif
  (void)session_name;
  bool id_refused = false;
  if (!Open(mod_data, path, &id_refused)) {
    php_clustered_session_warn();
    return FAILURE;
  }
  if (CSG(settings)->Migrates() && !php_clustered_session_know_old_handlers()) {
    php_clustered_session_delete_open(StateOf(mod_data));
    *mod_data = nullptr;
    php_clustered_session_warn();
    return FAILURE;
  }
  // PHP makes a new ID where there is none: also without strict mode, nobody starts a session under an ID of his own.
  if (id_refused || (!PS(use_strict_mode) && php_clustered_session_replaces_id(StateOf(mod_data), PS(id)))) {
    zend_string_release_ex(PS(id), 0);
    PS(id) = nullptr;
  }
  return SUCCESS;
}

// Frees the state; called once per successful open, also after a bailout.
PS_CLOSE_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return SUCCESS;
  *mod_data = nullptr;
  Close(state);
  php_clustered_session_mirror_ends();
  php_clustered_session_close_old_handler();
  php_clustered_session_mirror_untold_ends();
  php_clustered_session_wake_flusher();
  php_clustered_session_emit_notices();
  return SUCCESS;
}

// An ID that nobody knows is an empty session; FAILURE is for what could not be read, and PHP then starts no session.
PS_READ_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  const uint64_t number = state->number;
  if (maxlifetime < 1) {
    auto* shared = static_cast<clustered_session::SharedState*>(php_clustered_session_store()->Extra());
    php_clustered_session_log_once(
        &shared->told_no_lifetime,
        "session.gc_maxlifetime is below 1: a session is gone a second after its last use [CS-LIFETIME]");
  }
  std::string_view payload;
  ReadOutcome outcome;
  Read(state, View(key), SessionLifetime(maxlifetime), &payload, &outcome);
  if (outcome.ok && state->old_asked_id != View(key) && state->session.MayBeInOldHandler(View(key))) {
    outcome.ok = php_clustered_session_take_over(state, key, maxlifetime);
    if (!StillOpen(number)) return FAILURE;
    if (outcome.ok) payload = state->session.ReadCompleted(View(key)) ? state->session.payload() : std::string_view();
  }
  if (!outcome.ok) {
    php_clustered_session_warn();
    php_clustered_session_emit_notices();
    return FAILURE;
  }
  zend_string* copy = payload.empty() ? ZSTR_EMPTY_ALLOC() : zend_string_init(payload.data(), payload.size(), 0);
  if (outcome.affinity_due) php_clustered_session_send_cookie(outcome.affinity.name, outcome.affinity.value);
  php_clustered_session_emit_notices();
  if (!StillOpen(number)) {  // an error handler has closed the session
    zend_string_release_ex(copy, 0);
    return FAILURE;
  }
  *val = copy;
  Guarded([&] { state->delivered_id = View(key); });
  return SUCCESS;
}

PS_WRITE_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  if (!MayWrite(*state, View(key))) {
    state->session.KeepReplaced();
    php_error_docref(nullptr, E_WARNING,
                     "session not written: it was not read to its end, and what is stored stays [CS-NOT-READ]");
    return FAILURE;
  }
  const bool empty = php_clustered_session_nothing_in_session();
  if (!php_clustered_session_mirror_write_of(state, key, val, maxlifetime)) return FAILURE;
  state->taken_id.clear();
  const bool ok = RunOn(state, [&](Session& session) {
    return session.Write(View(key), View(val), SessionLifetime(maxlifetime), empty);
  });
  if (!ok) php_clustered_session_warn();
  php_clustered_session_mirror_ends();
  php_clustered_session_emit_notices();
  return ok ? SUCCESS : FAILURE;
}

PS_UPDATE_TIMESTAMP_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  if (!MayWrite(*state, View(key))) {
    state->session.KeepReplaced();
    return FAILURE;
  }
  if (!php_clustered_session_mirror_write_of(state, key, val, maxlifetime)) return FAILURE;
  const bool compared = !PS(mod_user_implemented);  // by PHP, with what read has given it
  const bool ok = RunOn(state, [&](Session& session) {
    return session.UpdateTimestamp(View(key), View(val), SessionLifetime(maxlifetime), compared);
  });
  if (!ok) php_clustered_session_warn();
  php_clustered_session_mirror_ends();
  php_clustered_session_emit_notices();
  return ok ? SUCCESS : FAILURE;
}

// Destroying a session that does not exist succeeds. session_regenerate_id(true) calls this before the new ID has a
// record: the old one then lives until it has, or until the request ends.
PS_DESTROY_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  if (CutShort()) {
    state->delivered_id.clear();  // first, as the warning's handler may not return
    php_error_docref(nullptr, E_WARNING, "session kept: the request ended while reading it [CS-CUT-SHORT]");
    return SUCCESS;
  }
  const bool later = CalledWithin("session_regenerate_id");
  if (!later && state->taken_id == View(key) && !CalledWithin("session_destroy") && !PS(mod_user_implemented)) {
    state->session.GiveUpUnknown();
    state->session.TakeEnded();
    php_error_docref(nullptr, E_WARNING,
                     "session kept in the handler of clustered_session.migrate_from: it cannot be decoded; is "
                     "session.serialize_handler the one it was written with? [CS-MIGRATE-KEPT]");
    return SUCCESS;
  }
  const uint32_t lifetime_s = SessionLifetime(PS(gc_maxlifetime));
  const bool ok = RunOn(state, [&](Session& session) {
    state->delivered_id.clear();
    if (!later) return session.Destroy(View(key), lifetime_s);
    session.DestroyLater(View(key), lifetime_s);
    return Status::Ok();
  });
  if (!ok) php_clustered_session_warn();
  php_clustered_session_mirror_ends();
  php_clustered_session_emit_notices();
  return ok ? SUCCESS : FAILURE;
}

// The nodes expire their records themselves; this frees local copies, a bounded number per call.
PS_GC_FUNC(clustered) {
  (void)mod_data;
  (void)maxlifetime;
  constexpr size_t kEntriesMax = 1000;
  size_t removed = 0;
  if (LocalStore* store = php_clustered_session_made_store(); store != nullptr) {
    removed = store->RemoveExpired(std::chrono::steady_clock::now(), kEntriesMax);
  }
  *nrdels = static_cast<zend_long>(removed);
  return *nrdels;
}

PS_CREATE_SID_FUNC(clustered) {
  HandlerState* state = mod_data == nullptr ? nullptr : StateOf(mod_data);
  if (state != nullptr && !state->next_id.empty()) {
    zend_string* next_id = zend_string_init(state->next_id.data(), state->next_id.size(), 0);
    state->next_id.clear();
    return next_id;
  }
  zend_string* random_part = php_session_create_id(nullptr);
  if (random_part == nullptr || state == nullptr) return random_part;
  char id[clustered_session::kSessionIdLengthMax + 1];
  size_t size = 0;
  bool too_short = false;
  const bool ok = Guarded([&] {
    uint64_t random = 0;
    randombytes_buf(&random, sizeof random);
    const std::string created =
        state->session.CreateId(View(random_part), random, static_cast<uint32_t>(PS(sid_bits_per_character)));
    size = created.size() < sizeof id ? created.size() : 0;
    memcpy(id, created.data(), size);
    too_short = created.empty();
  });
  if (!too_short && (!ok || size == 0)) return random_part;
  zend_string_release_ex(random_part, 0);
  if (too_short) {
    php_error_docref(
        nullptr, E_WARNING,
        "a session ID of session.sid_length = " ZEND_LONG_FMT
        " is too short to be signed (clustered_session.signed_ids = require): raise it to 32 [CS-ID-LENGTH]",
        static_cast<zend_long>(PS(sid_length)));
    return nullptr;
  }
  return zend_string_init(id, size, 0);
}

// Strict mode: SUCCESS if the session exists. If that cannot be known, SUCCESS too: the read that follows fails with
// the reason, where FAILURE would silently give a logged-in user a new, empty session.
PS_VALIDATE_SID_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  return php_clustered_session_knows_id(state, key) ? SUCCESS : FAILURE;
}

}  // extern "C"
