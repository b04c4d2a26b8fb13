// The handler that sessions migrate from or to, see migration.h. Layer: php.
//
// While its code runs, PHP believes that it is the session's handler. Its warnings do not reach the script's error
// handler, its output goes nowhere, and $_SESSION and error_get_last() are afterwards as they were before.
#include "src/php/migration.h"

#include <sys/stat.h>

#include <ctime>

#include "src/base/session_id.h"
#include "src/php/cookie_header.h"

extern "C" {
#include "main/php_open_temporary_file.h"
#include "zend_exceptions.h"
}

using clustered_session::OldHandlerAddress;
using clustered_session::OldHandlerDecision;
using clustered_session::OldHandlerView;
using clustered_session::SharedMigration;
using clustered_session::SharedState;
using clustered_session::TimePoint;

namespace {

constexpr int kFatalErrors = E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR | E_PARSE;

enum class Operation : uint8_t { kRead, kWrite, kDestroy, kClose };

// One call of the old handler. Without a destructor.
struct Call {
  Operation operation;
  const OldHandlerAddress* address;
  zend_string* id;
  zend_string* payload;  // to write; or what was read, of its own
  zend_long lifetime_s;
  clustered_session::OldHandlerHealth* health;  // null: the call is not judged
  int place;                                    // of the call, see OldHandlerHealth::Begin()
  bool ok;
  bool exists;
  bool answered;  // something in it has worked: what failed then is this session's matter
};

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

SharedState* SharedByAll() { return static_cast<SharedState*>(php_clustered_session_made_store()->Extra()); }
clustered_session::Counters& Counts() { return php_clustered_session_made_store()->counters(); }
TimePoint NowHere() { return php_clustered_session_clock()->Now(); }
std::string_view TextOf(const zend_string* text) { return {ZSTR_VAL(text), ZSTR_LEN(text)}; }

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

bool OpenFor(const Call& call, const ps_module* module) {
  if (CSG(old_module) == module && CSG(old_address) == call.address) return true;
  CloseOpen();
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
bool ReadOpen(Call* call) {
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
bool ReadOld(Call* call) {
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
bool WriteOld(Call* call) {
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
bool DestroyOld(Call* call) {
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

void DoCall(Call* call, const ps_module* module) {
  if (call->operation == Operation::kClose) {
    CloseOpen();
    call->ok = true;
    return;
  }
  const bool has_read = call->id != nullptr && strcmp(CSG(old_read), ZSTR_VAL(call->id)) == 0;
  // A lock that is held already is not taken again, and another session's is of no use.
  if (call->operation == Operation::kRead || !has_read) CloseOpen();
  if (!OpenFor(*call, module)) return;
  switch (call->operation) {
    case Operation::kRead:
      call->ok = ReadOld(call);
      break;
    case Operation::kWrite:
      call->ok = WriteOld(call);
      break;
    case Operation::kDestroy:
      call->ok = DestroyOld(call);
      break;
    case Operation::kClose:
      break;
  }
}

// False after a fatal error. The call is its caller's, as locals of this function are lost.
bool DoGuarded(Call* call, const ps_module* module) {
  volatile bool whole = true;
  zend_try { DoCall(call, module); }
  zend_catch { whole = false; }
  zend_end_try();
  return whole;
}

// What the handler had to say, as text for one of our warnings; into CSG(message).
void KeepReason(const Call& call) {
  Guarded([&] {
    std::string reason;
    if (EG(exception) != nullptr) {
      reason = std::string("it threw ") + ZSTR_VAL(EG(exception)->ce->name);
    } else if (PG(last_error_message) != nullptr) {
      std::string_view said = TextOf(PG(last_error_message));
      const size_t begin = said.find("): ");
      if (begin != std::string_view::npos) said.remove_prefix(begin + 3);
      reason = clustered_session::ReasonToTell(said, call.id == nullptr ? std::string_view() : TextOf(call.id));
    }
    std::string text = "the save handler \"" + call.address->handler + "\" failed";
    if (!reason.empty()) text += " (" + reason + ")";
    php_clustered_session_keep_message(text);
  });
}

const ps_module* ModuleOf(const OldHandlerAddress& address) { return _php_find_ps_module(address.handler.c_str()); }

// REQUIRES: no exception is pending. Does not return after a fatal error.
void RunCall(Call* call) {
  call->ok = call->exists = call->answered = false;
  const ps_module* module = ModuleOf(*call->address);
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

Call CallOf(Operation operation, const OldHandlerAddress& address, zend_string* id, zend_string* payload,
            zend_long lifetime_s) {
  return {operation, &address, id, payload, lifetime_s, nullptr, -1, false, false, false};
}

// What is open after a failure is of no more use.
void CloseAfterFailure(const Call& failed) {
  if (EG(exception) != nullptr || CSG(old_module) == nullptr) return;
  char message[sizeof CSG(message)];
  memcpy(message, CSG(message), sizeof message);
  Call close = CallOf(Operation::kClose, *failed.address, nullptr, nullptr, 0);
  RunCall(&close);
  memcpy(CSG(message), message, sizeof message);
}

// PHP's files handler does not look at the time: what its garbage collection has not removed yet is read as well.
bool FileIsOver(std::string_view save_path, std::string_view id, zend_long lifetime_s) {
  size_t depth = 0;
  const size_t last = save_path.rfind(';');
  if (last != std::string_view::npos) {
    depth = static_cast<size_t>(strtoul(std::string(save_path.substr(0, last)).c_str(), nullptr, 10));
    save_path.remove_prefix(last + 1);
  }
  std::string path(save_path.empty() ? std::string_view(php_get_temporary_directory()) : save_path);
  for (size_t i = 0; i < depth && i < id.size(); ++i) path.append("/").append(1, id[i]);
  path.append("/sess_").append(id);
  struct stat file = {};
  return stat(path.c_str(), &file) == 0 && time(nullptr) - file.st_mtime > lifetime_s;
}

uint64_t NameOf(const OldHandlerAddress& address, std::string_view id) {
  return clustered_session::Hash128({}, address.handler + ':' + address.save_path, id).Hash64();
}

// What precedes and follows a call, without the engine.
struct Turn {
  OldHandlerView* view;
  int call;
  OldHandlerDecision decision;
};

Turn TakeTurn(const OldHandlerAddress& address) {
  Turn turn{nullptr, -1, OldHandlerDecision::kLeaveAlone};
  Guarded([&] {
    turn.view = SharedByAll()->migration.ViewOf(address, NowHere());
    turn.decision = turn.view->health.Decide(NowHere(), CSG(settings)->retry_interval);
    if (turn.decision == OldHandlerDecision::kAsk) turn.call = turn.view->health.Begin(NowHere());
  });
  return turn;
}

// Once in each time that it fails the log has a line.
void EndTurn(const Turn& turn, const Call& call) {
  turn.view->health.End(turn.call);
  if (call.ok) {
    turn.view->health.NoteAnswer();
    return;
  }
  Counts().migration_errors.Add();
  // A session that is too large, or locked by another request, is no failure for other sessions.
  if (call.answered || strstr(CSG(message), "lock") != nullptr) return;
  if (turn.view->health.NoteFailure(NowHere())) {
    php_clustered_session_log("%s; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]",
                              CSG(message));
  }
}

void RunInTurn(Call* call, const Turn& turn) {
  call->health = &turn.view->health;
  call->place = turn.call;
  RunCall(call);
  EndTurn(turn, *call);
  if (!call->ok) CloseAfterFailure(*call);
}

void AppendToMessage(const char* text) {
  const size_t length = strlen(CSG(message));
  snprintf(CSG(message) + length, sizeof CSG(message) - length, "%s", text);
}

void KeepLeftAlone(const OldHandlerAddress& address) {
  Guarded([&] {
    php_clustered_session_keep_message("the save handler \"" + address.handler + "\" fails and is left alone for now");
  });
}

}  // namespace

bool php_clustered_session_know_old_handlers() {
  for (const auto& [name, address] :
       {std::pair("migrate_from", &CSG(settings)->migrate_from), std::pair("migrate_to", &CSG(settings)->migrate_to)}) {
    if (address->empty() || ModuleOf(*address) != nullptr) continue;
    snprintf(CSG(message), sizeof CSG(message),
             "clustered_session.%s: PHP has no save handler \"%.64s\": load the extension that registers it", name,
             address->handler.c_str());
    return false;
  }
  if (!CSG(settings)->migrate_shared || CSG(settings)->SharesWithOldHandler()) return true;
  snprintf(CSG(message), sizeof CSG(message),
           "clustered_session.migrate_shared needs migrate_from and migrate_to with the same value");
  return false;
}

OldAnswer php_clustered_session_ask_old_handler(zend_string* id, zend_long lifetime_s, zend_string** payload) {
  const OldHandlerAddress& address = CSG(settings)->migrate_from;
  uint64_t session = 0;
  bool missed = false;
  const bool shares = CSG(settings)->SharesWithOldHandler();
  Guarded([&] {
    session = NameOf(address, TextOf(id));
    missed = !shares && SharedByAll()->migration.misses.Has(session, NowHere(), SharedMigration::kMissRemembered);
    missed =
        missed || SharedByAll()->migration.unmirrored.Has(session, NowHere(), SharedMigration::kUnmirroredRemembered);
    if (!missed && address.handler == "files") missed = FileIsOver(address.save_path, TextOf(id), lifetime_s);
  });
  if (missed) return OldAnswer::kSkipped;
  const Turn turn = TakeTurn(address);
  if (turn.decision == OldHandlerDecision::kGone) return OldAnswer::kSkipped;
  if (turn.decision == OldHandlerDecision::kLeaveAlone) {
    KeepLeftAlone(address);
    return OldAnswer::kUnknown;
  }
  Call call = CallOf(Operation::kRead, address, id, nullptr, lifetime_s);
  RunInTurn(&call, turn);
  if (!call.ok) {
    if (call.payload != nullptr) zend_string_release_ex(call.payload, 0);
    return OldAnswer::kUnknown;
  }
  if (!shares) php_clustered_session_close_old_handler();
  if (!call.exists) {
    SharedByAll()->migration.misses.Add(session, NowHere());
    return OldAnswer::kNone;
  }
  turn.view->last_migrated_at_ns.store(clustered_session::ToNanos(NowHere()));
  *payload = call.payload;
  return OldAnswer::kHas;
}

bool php_clustered_session_mirror_write(zend_string* id, zend_string* payload, zend_long lifetime_s) {
  const OldHandlerAddress& address = CSG(settings)->migrate_to;
  if (address.empty() || EG(exception) != nullptr) return false;
  uint64_t session = 0;
  Guarded([&] { session = NameOf(address, TextOf(id)); });
  const Turn turn = TakeTurn(address);
  if (turn.decision != OldHandlerDecision::kAsk) {
    Counts().migration_errors.Add();
    SharedByAll()->migration.unmirrored.Add(session, NowHere());
    return false;
  }
  Call call = CallOf(Operation::kWrite, address, id, payload, lifetime_s);
  RunInTurn(&call, turn);
  if (call.ok) {
    SharedByAll()->migration.unmirrored.Remove(session, NowHere());
    Counts().mirrored.Add();
    return true;
  }
  SharedByAll()->migration.unmirrored.Add(session, NowHere());
  AppendToMessage("; clustered_session.migrate_to: this session's changes are not there");
  php_clustered_session_warn();
  return false;
}

void php_clustered_session_mirror_destroy(zend_string* id) {
  const OldHandlerAddress* from = &CSG(settings)->migrate_from;
  const OldHandlerAddress* to = &CSG(settings)->migrate_to;
  if (*from == *to) from = nullptr;
  for (const OldHandlerAddress* address : {from, to}) {
    if (address == nullptr || address->empty() || EG(exception) != nullptr) continue;
    const Turn turn = TakeTurn(*address);
    if (turn.decision != OldHandlerDecision::kAsk) {
      Counts().migration_errors.Add();
      continue;
    }
    Call call = CallOf(Operation::kDestroy, *address, id, nullptr, 0);
    RunInTurn(&call, turn);
    if (call.ok) {
      Counts().mirrored.Add();
    } else {
      AppendToMessage("; the session that was destroyed may still be there");
      php_clustered_session_warn();
    }
  }
}

void php_clustered_session_close_old_handler() {
  if (CSG(old_module) == nullptr) return;
  Call call = CallOf(Operation::kClose, *CSG(old_address), nullptr, nullptr, 0);
  RunCall(&call);
}
