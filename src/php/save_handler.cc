// The save handler `clustered`: PHP's nine callbacks over session/session.h. Layer: php. Called by PHP's session
// module. mod_data is a HandlerState from open to close.
#include <cstring>

#include "src/base/session_id.h"
#include "src/php/php_clustered_session.h"

extern "C" {
#include "zend_exceptions.h"
}

using clustered_session::LocalStore;
using clustered_session::Result;
using clustered_session::Session;
using clustered_session::SessionContext;
using clustered_session::Status;

namespace {

struct HandlerState {
  HandlerState(const SessionContext& context, clustered_session::RequestScope* request) : session(context, request) {}
  Session session;
  // The session whose payload PHP has got whole. A bailout before that leaves PHP with an active, empty session that
  // its shutdown would write over good data (G8): no other ID is written unless a user handler wraps this one.
  std::string delivered_id;
};

HandlerState* StateOf(void** mod_data) { return static_cast<HandlerState*>(*mod_data); }
std::string_view View(const zend_string* text) { return {ZSTR_VAL(text), ZSTR_LEN(text)}; }

uint32_t Lifetime(zend_long maxlifetime) {
  constexpr zend_long kLifetimeMax = 10LL * 365 * 24 * 3600;
  return static_cast<uint32_t>(maxlifetime < 1 ? 1 : maxlifetime > kLifetimeMax ? kLifetimeMax : maxlifetime);
}

// First phases. They report through CSG(message) and CSG(notices).

bool Open(void** mod_data, const char* save_path) {
  bool opened = false;
  Guarded([&] {
    if (php_clustered_session_store() == nullptr) return;
    if (CSG(request) == nullptr) CSG(request) = new clustered_session::RequestScope();
    if (HandlerState* state = StateOf(mod_data); state != nullptr) {  // session_reset(): opened again without a close
      state->session.ReadAnew();
      state->delivered_id.clear();
      opened = true;
      return;
    }
    clustered_session::Worker* worker = php_clustered_session_worker();
    if (CSG(serializer) != PS(serializer)) {
      CSG(serializer) = PS(serializer);
      CSG(settings)->format = clustered_session::PayloadFormatOf(PS(serializer) == nullptr ? "" : PS(serializer)->name);
      ++CSG(settings_generation);
    }
    Result<const SessionContext*> context =
        worker->ContextFor(save_path == nullptr ? "" : save_path, *CSG(settings), CSG(settings_generation));
    if (!context.ok()) {
      php_clustered_session_keep_message(context.error().message());
      return;
    }
    CSG(context) = *context;
    *mod_data = new HandlerState(**context, CSG(request));
    opened = true;
  });
  return opened;
}

enum class ReadOutcome { kPayload, kFailed };

ReadOutcome Read(HandlerState* state, std::string_view id, uint32_t lifetime_s, std::string_view* payload) {
  ReadOutcome outcome = ReadOutcome::kFailed;
  Guarded([&] {
    state->delivered_id.clear();
    Result<std::string_view> read = state->session.Read(id, lifetime_s);
    if (read.ok()) {
      *payload = *read;
      outcome = ReadOutcome::kPayload;
    } else {
      php_clustered_session_keep_message(read.error().message());
    }
  });
  php_clustered_session_keep_notices(&state->session);
  return outcome;
}

template <typename Operation>
bool Run(HandlerState* state, const Operation& operation) {
  bool ok = false;
  Guarded([&] {
    Status status = operation(state->session);
    ok = status.ok();
    if (!ok) php_clustered_session_keep_message(status.error().message());
  });
  php_clustered_session_keep_notices(&state->session);
  return ok;
}

bool MayWrite(const HandlerState& state, std::string_view id) {
  return PS(mod_user_implemented) || state.delivered_id == id;
}

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

// Whether what PHP writes is an empty $_SESSION, for which each serialize handler has bytes of its own. What a user
// handler writes may be something else.
bool NothingInSession() {
  const zval* vars = &PS(http_session_vars);
  if (PS(mod_user_implemented) || !Z_ISREF_P(vars)) return false;
  const zval* array = Z_REFVAL_P(vars);
  return Z_TYPE_P(array) == IS_ARRAY && zend_hash_num_elements(Z_ARRVAL_P(array)) == 0;
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

extern "C" {

PS_FUNCS_UPDATE_TIMESTAMP(clustered)

const ps_module ps_mod_clustered = {PS_MOD_UPDATE_TIMESTAMP(clustered)};

// Called by session_start(), session_regenerate_id(), upload progress, and by session_reset() without a close before.
PS_OPEN_FUNC(clustered) {
#if PHP_VERSION_ID >= 80600
  const char* path = ZSTR_VAL(save_path);
  const char* name = ZSTR_VAL(session_name);
#else
  const char* path = save_path;
  const char* name = session_name;
#endif
  if (!Open(mod_data, path)) {
    php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
    return FAILURE;
  }
  php_clustered_session_read_affinity(name);
  return SUCCESS;
}

// Frees the state; called once per successful open, also after a bailout.
PS_CLOSE_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return SUCCESS;
  *mod_data = nullptr;
  Guarded([&] { state->session.Close(); });
  php_clustered_session_keep_notices(&state->session);
  delete state;
  php_clustered_session_wake_flusher();
  php_clustered_session_emit_notices();
  return SUCCESS;
}

// An ID that nobody knows is an empty session; FAILURE is for what could not be read, and PHP then starts no session.
PS_READ_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  std::string_view payload;
  if (Read(state, View(key), Lifetime(maxlifetime), &payload) == ReadOutcome::kFailed) {
    php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
    php_clustered_session_emit_notices();
    return FAILURE;
  }
  php_clustered_session_emit_notices();
  php_clustered_session_send_affinity(&state->session);
  *val = payload.empty() ? ZSTR_EMPTY_ALLOC() : zend_string_init(payload.data(), payload.size(), 0);
  Guarded([&] { state->delivered_id = View(key); });
  return SUCCESS;
}

PS_WRITE_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  if (!MayWrite(*state, View(key))) {
    php_error_docref(nullptr, E_WARNING, "Session not written: reading it did not complete, what is stored stays");
    return FAILURE;
  }
  const bool empty = NothingInSession();
  const bool ok =
      Run(state, [&](Session& session) { return session.Write(View(key), View(val), Lifetime(maxlifetime), empty); });
  if (!ok) php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
  php_clustered_session_emit_notices();
  return ok ? SUCCESS : FAILURE;
}

PS_UPDATE_TIMESTAMP_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  if (!MayWrite(*state, View(key))) return FAILURE;
  const bool compared = !PS(mod_user_implemented);  // by PHP, with what read has given it
  const bool ok = Run(state, [&](Session& session) {
    return session.UpdateTimestamp(View(key), View(val), Lifetime(maxlifetime), compared);
  });
  if (!ok) php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
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
    php_error_docref(nullptr, E_WARNING, "Session kept: the request was cut short while reading it");
    return SUCCESS;
  }
  const bool later = CalledWithin("session_regenerate_id");
  const uint32_t lifetime_s = Lifetime(PS(gc_maxlifetime));
  const bool ok = Run(state, [&](Session& session) {
    state->delivered_id.clear();
    if (!later) return session.Destroy(View(key), lifetime_s);
    session.DestroyLater(View(key), lifetime_s);
    return Status::Ok();
  });
  if (!ok) php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
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
  zend_string* random_part = php_session_create_id(nullptr);
  HandlerState* state = mod_data == nullptr ? nullptr : StateOf(mod_data);
  if (random_part == nullptr || state == nullptr) return random_part;
  // The node is chosen by the ID's own randomness.
  uint64_t random = 0;
  memcpy(&random, ZSTR_VAL(random_part), ZSTR_LEN(random_part) < sizeof random ? ZSTR_LEN(random_part) : sizeof random);
  char id[clustered_session::kSessionIdLengthMax + 1];
  size_t size = 0;
  const bool ok = Guarded([&] {
    const std::string created = state->session.CreateId(View(random_part), random);
    size = created.size() < sizeof id ? created.size() : 0;
    memcpy(id, created.data(), size);
  });
  if (!ok || size == 0) return random_part;
  zend_string_release_ex(random_part, 0);
  return zend_string_init(id, size, 0);
}

// Strict mode: SUCCESS if the session exists. If that cannot be known, SUCCESS too: the read that follows fails with
// the reason, where FAILURE would silently give a logged-in user a new, empty session.
PS_VALIDATE_SID_FUNC(clustered) {
  HandlerState* state = StateOf(mod_data);
  if (state == nullptr) return FAILURE;
  const uint32_t lifetime_s = Lifetime(PS(gc_maxlifetime));
  bool exists = true;
  Guarded([&] {
    Result<bool> valid = state->session.Validate(View(key), lifetime_s);
    exists = !valid.ok() || *valid;
  });
  php_clustered_session_keep_notices(&state->session);
  php_clustered_session_emit_notices();
  return exists ? SUCCESS : FAILURE;
}

}  // extern "C"
