// See old_handler_call.h. Layer: php.
#include "src/php/old_handler_call.h"

#include "src/php/cookie_header.h"

extern "C" {
#include "zend_exceptions.h"
}

using clustered_session::OldHandlerAddress;

namespace {

constexpr int kFatalErrors = E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR | E_PARSE;

// What a call must leave as it was.
struct Surroundings {
  const ps_module* mod;
  void* mod_data;
  bool mod_user_implemented;
  int error_reporting;
  bool html_errors;
  zval error_handler;
  zval session;
  zend_string* error_message;
  zend_string* error_file;
  int error_type;
  uint32_t error_line;
  bool buffered;
};

zval* SessionVariables() {
  zval* variables = &PS(http_session_vars);
  return Z_ISREF_P(variables) && Z_TYPE_P(Z_REFVAL_P(variables)) == IS_ARRAY ? Z_REFVAL_P(variables) : nullptr;
}

void Enter(Surroundings* around, const ps_module* module) {
  around->mod = PS(mod);
  around->mod_data = PS(mod_data);
  around->mod_user_implemented = PS(mod_user_implemented);
  PS(mod) = module;
  PS(mod_data) = CSG(old_mod_data);
  PS(mod_user_implemented) = false;
  around->error_reporting = EG(error_reporting);
  EG(error_reporting) &= kFatalErrors;
  around->html_errors = PG(html_errors);
  PG(html_errors) = false;
  ZVAL_COPY_VALUE(&around->error_handler, &EG(user_error_handler));
  ZVAL_UNDEF(&EG(user_error_handler));
  ZVAL_UNDEF(&around->session);
  if (const zval* variables = SessionVariables()) ZVAL_COPY(&around->session, variables);
  around->error_message = PG(last_error_message);
  around->error_file = PG(last_error_file);
  around->error_type = PG(last_error_type);
  around->error_line = static_cast<uint32_t>(PG(last_error_lineno));
  PG(last_error_message) = nullptr;
  PG(last_error_file) = nullptr;
  around->buffered = php_output_start_default() == SUCCESS;
}

// After a fatal error PHP's own record of it stays.
void Leave(const Surroundings& around, bool fatal) {
  if (around.buffered && fatal) php_output_end();  // with PHP's own message
  if (around.buffered && !fatal) php_output_discard();
  PS(mod) = around.mod;
  PS(mod_data) = around.mod_data;
  PS(mod_user_implemented) = around.mod_user_implemented;
  EG(error_reporting) = around.error_reporting;
  PG(html_errors) = around.html_errors;
  if (!Z_ISUNDEF(EG(user_error_handler))) zval_ptr_dtor(&EG(user_error_handler));
  ZVAL_COPY_VALUE(&EG(user_error_handler), &around.error_handler);
  zval session = around.session;
  if (zval* variables = SessionVariables(); variables != nullptr && !Z_ISUNDEF(session)) {
    zval changed;
    ZVAL_COPY_VALUE(&changed, variables);
    ZVAL_COPY_VALUE(variables, &session);
    zval_ptr_dtor(&changed);
  } else if (!Z_ISUNDEF(session)) {
    zval_ptr_dtor(&session);
  }
  if (fatal) return;
  if (PG(last_error_message) != nullptr) zend_string_release_ex(PG(last_error_message), 0);
  if (PG(last_error_file) != nullptr) zend_string_release_ex(PG(last_error_file), 0);
  PG(last_error_message) = around.error_message;
  PG(last_error_file) = around.error_file;
  PG(last_error_type) = around.error_type;
  PG(last_error_lineno) = static_cast<int>(around.error_line);
}

bool IsFiles() { return strcmp(CSG(old_module)->s_name, "files") == 0; }

// pecl-memcache gives a session's lock back when it is written or destroyed, and not at its close. The next request
// would wait for it until memcache.lock_timeout.
bool LocksBeyondClose(const ps_module* module) { return strcmp(module->s_name, "memcache") == 0; }

void ForgetRead() {
  CSG(old_read)[0] = '\0';
  if (CSG(old_payload) != nullptr) zend_string_release_ex(CSG(old_payload), 0);
  CSG(old_payload) = nullptr;
}

// Of what was read and not written: it is written as it was, while the lock is still held.
void GiveBackLock(const ps_module* module, void** mod_data) {
  if (CSG(old_payload) == nullptr || CSG(old_read)[0] == '\0') return;
  zend_string* id = zend_string_init(CSG(old_read), strlen(CSG(old_read)), 0);
  if (ZSTR_LEN(CSG(old_payload)) > 0) {
    (void)module->s_write(mod_data, id, CSG(old_payload), PS(gc_maxlifetime));
  } else {
    (void)module->s_destroy(mod_data, id);
  }
  zend_string_release_ex(id, 0);
}

void CloseOpen() {
  if (CSG(old_module) == nullptr) return;
  const ps_module* module = CSG(old_module);
  CSG(old_module) = nullptr;  // first: a close that fails is not tried again
  void* mod_data = CSG(old_mod_data);
  CSG(old_mod_data) = nullptr;
  GiveBackLock(module, &mod_data);
  ForgetRead();
  (void)module->s_close(&mod_data);
}

bool OpenFor(const OldHandlerCall& call, const ps_module* module) {
  if (CSG(old_module) == module && CSG(old_address) == call.address) return true;
  CloseOpen();
  ForgetRead();  // of an open that a fatal error has ended
  CSG(old_mod_data) = nullptr;
  CSG(old_module) = module;
  CSG(old_address) = call.address;
#if PHP_VERSION_ID >= 80600
  zend_string* path = zend_string_init(call.address->save_path.data(), call.address->save_path.size(), 0);
  const bool ok = module->s_open(&CSG(old_mod_data), path, PS(session_name)) == SUCCESS;
  zend_string_release_ex(path, 0);
#else
  const char* name = php_clustered_session_c_string(PS(session_name));
  const bool ok = module->s_open(&CSG(old_mod_data), call.address->save_path.c_str(), name) == SUCCESS;
#endif
  PS(mod_data) = CSG(old_mod_data);
  if (!ok) {
    CSG(old_module) = nullptr;
    CSG(old_mod_data) = nullptr;
  }
  return ok;
}

// Takes the handler's lock, if it has one. What it has is in call->payload; null: nothing.
bool ReadOpen(OldHandlerCall* call) {
  zend_string* read = nullptr;
  if (CSG(old_module)->s_read(&CSG(old_mod_data), call->id, &read, call->lifetime_s) == FAILURE) return false;
  ForgetRead();
  snprintf(CSG(old_read), sizeof CSG(old_read), "%s", ZSTR_VAL(call->id));
  if (LocksBeyondClose(CSG(old_module))) {
    CSG(old_payload) = read == nullptr ? ZSTR_EMPTY_ALLOC() : zend_string_copy(read);
  }
  call->payload = read;
  call->answered = read != nullptr && (ZSTR_LEN(read) > 0 || PG(last_error_message) == nullptr);
  return true;
}

// A read of PHP's files handler makes a file. The others tell a failure from a session that is not there only by a
// read.
bool ReadOld(OldHandlerCall* call) {
  const ps_module* module = CSG(old_module);
  if (IsFiles() && module->s_validate_sid(&CSG(old_mod_data), call->id) == FAILURE) return true;
  if (!ReadOpen(call)) return false;
  call->exists = call->payload != nullptr && ZSTR_LEN(call->payload) > 0;
  if (!call->exists && call->payload != nullptr) zend_string_release_ex(call->payload, 0);
  if (!call->exists) call->payload = nullptr;
  // pecl-memcache says that there is nothing also where no server answers.
  return call->exists || PG(last_error_message) == nullptr;
}

// Handlers that lock write only what they have read.
bool WriteOld(OldHandlerCall* call) {
  const ps_module* module = CSG(old_module);
  if (strcmp(CSG(old_read), ZSTR_VAL(call->id)) != 0) {
    zend_string* payload = call->payload;
    call->payload = nullptr;
    const bool read = ReadOpen(call);
    if (call->payload != nullptr) zend_string_release_ex(call->payload, 0);
    call->payload = payload;
    if (!read) return false;
  }
  const bool written = module->s_write(&CSG(old_mod_data), call->id, call->payload, call->lifetime_s) == SUCCESS;
  if (LocksBeyondClose(module)) ForgetRead();
  return written;
}

// PHP's files handler removes only what it has open.
bool DestroyOld(OldHandlerCall* call) {
  const ps_module* module = CSG(old_module);
  if (IsFiles() && CSG(old_read)[0] == '\0') {
    if (module->s_validate_sid(&CSG(old_mod_data), call->id) == FAILURE) return true;
    const bool read = ReadOpen(call);
    if (call->payload != nullptr) zend_string_release_ex(call->payload, 0);
    call->payload = nullptr;
    if (!read) return false;
  }
  ForgetRead();
  return module->s_destroy(&CSG(old_mod_data), call->id) == SUCCESS;
}

void DoCall(OldHandlerCall* call, const ps_module* module) {
  if (call->operation == OldHandlerOperation::kClose) {
    CloseOpen();
    call->ok = true;
    return;
  }
  const bool has_read = call->id != nullptr && strcmp(CSG(old_read), ZSTR_VAL(call->id)) == 0;
  // A lock that is held already is not taken again, and another session's is of no use.
  if (call->operation == OldHandlerOperation::kRead || !has_read) CloseOpen();
  if (!OpenFor(*call, module)) return;
  switch (call->operation) {
    case OldHandlerOperation::kRead:
      call->ok = ReadOld(call);
      break;
    case OldHandlerOperation::kWrite:
      call->ok = WriteOld(call);
      break;
    case OldHandlerOperation::kDestroy:
      call->ok = DestroyOld(call);
      break;
    case OldHandlerOperation::kClose:
      break;
  }
}

// False after a fatal error. The call is its caller's, as locals of this function are lost.
bool DoGuarded(OldHandlerCall* call, const ps_module* module) {
  volatile bool whole = true;
  zend_try { DoCall(call, module); }
  zend_catch { whole = false; }
  zend_end_try();
  return whole;
}

// What the handler had to say, as text for one of our warnings; into CSG(message).
void KeepReason(const OldHandlerCall& call) {
  Guarded([&] {
    std::string reason;
    if (EG(exception) != nullptr) {
      reason = std::string("it threw ") + ZSTR_VAL(EG(exception)->ce->name);
    } else if (PG(last_error_message) != nullptr) {
      std::string_view said = View(PG(last_error_message));
      const size_t begin = said.find("): ");
      if (begin != std::string_view::npos) said.remove_prefix(begin + 3);
      reason = clustered_session::ReasonToTell(said, call.id == nullptr ? std::string_view() : View(call.id));
    }
    std::string text = "the save handler \"" + call.address->handler + "\" failed";
    if (!reason.empty()) text += " (" + reason + ")";
    php_clustered_session_keep_message(text);
  });
}

}  // namespace

const ps_module* php_clustered_session_old_module(const OldHandlerAddress& address) {
  return _php_find_ps_module(address.handler.c_str());
}

void php_clustered_session_run_old_handler(OldHandlerCall* call) {
  call->ok = call->exists = call->answered = false;
  const ps_module* module = php_clustered_session_old_module(*call->address);
  if (module == nullptr) return (void)snprintf(CSG(message), sizeof CSG(message), "PHP has no such save handler");
  Surroundings around;
  Enter(&around, module);
  const bool whole = DoGuarded(call, module);
  if (whole && !call->ok) KeepReason(*call);
  Leave(around, !whole);
  if (EG(exception) != nullptr && whole) {
    if (call->ok) KeepReason(*call);
    call->ok = false;
    if (!zend_is_unwind_exit(EG(exception))) zend_clear_exception();
  }
  if (!whole) {
    if (call->health != nullptr) call->health->End(call->place);
    zend_bailout();
  }
}

OldHandlerCall php_clustered_session_old_handler_call(OldHandlerOperation operation, const OldHandlerAddress& address,
                                                      zend_string* id, zend_string* payload, zend_long lifetime_s) {
  return {operation, &address, id, payload, lifetime_s, nullptr, -1, false, false, false};
}

void php_clustered_session_close_failed_old_handler(const OldHandlerCall& failed) {
  if (EG(exception) != nullptr || CSG(old_module) == nullptr) return;
  char message[sizeof CSG(message)];
  memcpy(message, CSG(message), sizeof message);
  OldHandlerCall close =
      php_clustered_session_old_handler_call(OldHandlerOperation::kClose, *failed.address, nullptr, nullptr, 0);
  php_clustered_session_run_old_handler(&close);
  memcpy(CSG(message), message, sizeof message);
}
