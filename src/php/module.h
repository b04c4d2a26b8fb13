// The Zend side of the extension: module globals and what its files share. Layer: php, the only one with Zend headers.
//
// The rule of this folder: a callback has two phases. First C++ only: no engine call, nothing thrown out (Guarded()).
// Then engine calls only, with nothing on the stack that needs a destructor, as the engine may longjmp out of any of
// them. What the first phase has to say waits in the module globals (notices, message) until the second.
#ifndef CLUSTERED_SESSION_PHP_MODULE_H_
#define CLUSTERED_SESSION_PHP_MODULE_H_

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

extern "C" {
#include "php.h"
// After php.h, which it needs.
#include "ext/session/php_session.h"
}

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "php_clustered_session.h"
#include "src/base/session_id.h"
#include "src/local/local_store.h"
#include "src/session/event_log.h"
#include "src/session/examination.h"
#include "src/session/inspection.h"
#include "src/session/session.h"
#include "src/session/shared_state.h"
#include "src/session/worker.h"

#define PHP_CLUSTERED_SESSION_MESSAGE_MAX 512
#define PHP_CLUSTERED_SESSION_COOKIE_NAME_MAX 256  // bytes with the zero at the end

extern "C" const ps_module ps_mod_clustered;

struct HandlerState;  // save_handler.cc

// The affinity cookie that a response has and the session it is for.
struct SentAffinity {
  std::string session_id;
  std::string value;
};

// One affinity cookie to be sent, without a destructor.
struct AffinityHeader {
  char name[PHP_CLUSTERED_SESSION_COOKIE_NAME_MAX];
  char value[128];
};

ZEND_BEGIN_MODULE_GLOBALS(clustered_session)
clustered_session::SessionSettings* settings;  // as the INI entries have it now
uint64_t settings_generation;                  // of *settings; a change makes contexts copy it again
size_t local_memory;                           // bytes; read in MINIT, parsed again when a thread starts
const void* serializer;                        // PS(serializer) that settings->format was made from
clustered_session::Worker* worker;
HandlerState* open;           // what mod_data points to; here as well, since PHP can forget it
uint64_t opens;               // how many there were; names each of them
bool used;                    // in this request
const ps_module* old_module;  // migration.cc: the handler that is open beside ours; null: none
const clustered_session::OldHandlerAddress* old_address;  // that it was opened with
void* old_mod_data;
char old_read[clustered_session::kSessionIdLengthMax + 1];  // the session that it has read, and perhaps locked
zend_string* old_payload;         // what it has read, where only a write of it gives the lock back
std::vector<std::string>* ended;  // sessions whose end the old handler is still to be told
std::vector<clustered_session::ReplacedSession>* replaced;  // from a close to the open of the successor
SentAffinity* sent_affinity;                                // by the response that sets such a cookie
std::vector<clustered_session::Notice>* notices;
std::shared_ptr<const clustered_session::SessionContext>* shown;  // by clustered_session_status() and phpinfo() last
std::string* metrics;                                             // the text of clustered_session_metrics()
std::vector<clustered_session::NodeHolding>* inspected;           // by clustered_session_inspect() last
clustered_session::Examination* examined;                         // by clustered_session_examine() last
std::vector<clustered_session::SharedEventLog::Recent>* recent;   // by clustered_session_status() last
char message[PHP_CLUSTERED_SESSION_MESSAGE_MAX];                  // one line for the second phase
ZEND_END_MODULE_GLOBALS(clustered_session)

ZEND_EXTERN_MODULE_GLOBALS(clustered_session)
#define CSG(v) ZEND_MODULE_GLOBALS_ACCESSOR(clustered_session, v)
#if defined(ZTS) && defined(COMPILE_DL_CLUSTERED_SESSION)
ZEND_TSRMLS_CACHE_EXTERN()
#endif

const clustered_session::Clock* php_clustered_session_clock();

// store.cc: the store of the whole server.
void php_clustered_session_start_store();                               // in MINIT, before workers are forked
clustered_session::LocalStore* php_clustered_session_store() noexcept;  // a first phase; null: `message` says why
clustered_session::LocalStore* php_clustered_session_made_store();      // null, too, while nobody has needed it

// ini.cc
void php_clustered_session_register_ini(int type, int module_number);
void php_clustered_session_unregister_ini(int type, int module_number);

// save_handler.cc
void php_clustered_session_abandon() noexcept;  // a first phase: gives up the session that PHP has left open, if any
void php_clustered_session_delete_open(HandlerState* open) noexcept;

// affinity.cc; first phases, may throw
void php_clustered_session_show_claim(clustered_session::Session* session, std::string_view id);
// Whether `due` is to be sent with this response, for the session `id` that was read.
bool php_clustered_session_due_affinity(const clustered_session::Session& session, std::string_view id,
                                        AffinityHeader* due);

// key_file.cc
void php_clustered_session_read_key_file();  // in MINIT, as the user who starts PHP
PHP_FUNCTION(clustered_session_new_key);

// status.cc
PHP_FUNCTION(clustered_session_status);
PHP_FUNCTION(clustered_session_metrics);  // metrics.cc
PHP_FUNCTION(clustered_session_inspect);  // inspect.cc
PHP_FUNCTION(clustered_session_examine);  // inspect.cc
PHP_MINFO_FUNCTION(clustered_session);

// notices.cc
void php_clustered_session_keep_message(const std::string& text) noexcept;
void php_clustered_session_keep_notices(clustered_session::Session* session) noexcept;
void php_clustered_session_warn();  // warns the script of what `message` says; it is among the status's recent lines
// One line for the log, which *told has seen; in shared memory, so that one worker of a server says it.
void php_clustered_session_log_once(std::atomic<uint32_t>* told, const char* text) noexcept;
void php_clustered_session_log_warnings() noexcept;  // what waits for a script goes to the log
void php_clustered_session_emit_notices();           // all that waits
void php_clustered_session_emit_events();            // lines for the log, also of other workers and of threads
uint64_t php_clustered_session_log_id();  // of the log of this process, see event_log.h; calls nothing that fails
void php_clustered_session_log(const char* format, ...) PHP_ATTRIBUTE_FORMAT(printf, 1, 2);  // a warning in PHP's log

// background.cc
void php_clustered_session_keep_start_settings() noexcept;  // at the end of MINIT
void php_clustered_session_wake_flusher() noexcept;         // a first phase; cheap if nothing waits to be written
void php_clustered_session_stop_flusher() noexcept;         // in MSHUTDOWN, while there are INI settings

// renewal.cc
clustered_session::Worker* php_clustered_session_worker();  // of this thread; a first phase, may throw
void php_clustered_session_stop_renewal() noexcept;         // in MSHUTDOWN

// The object of this process in `current`: where that is none, or its parent's, whose locks may be anybody's, `make`'s,
// unless another thread was first. Deleted by DropObjectOfThisProcess() only.
template <typename T, typename Make>
T* OfThisProcess(std::atomic<T*>* current, const Make& make) {
  T* seen = current->load();
  if (seen != nullptr && seen->Mine()) return seen;
  std::unique_ptr<T> made = make();
  return current->compare_exchange_strong(seen, made.get()) ? made.release() : seen;
}

// REQUIRES: no thread uses it. A parent's object is left alone.
template <typename T>
void DropObjectOfThisProcess(std::atomic<T*>* current) noexcept {
  try {
    T* seen = current->load();
    if (seen == nullptr || !seen->Mine()) return;
    current->store(nullptr);
    delete seen;
  } catch (const std::exception&) {
    // Nothing to be done about a thread that cannot be joined.
  }
}

// Of the string's bytes, which stay its owner's.
inline std::string_view View(const zend_string* text) { return {ZSTR_VAL(text), ZSTR_LEN(text)}; }

// Runs the first phase. False if it threw, which is out of memory in practice; the message says so.
template <typename Phase>
bool Guarded(const Phase& phase) noexcept {
  try {
    phase();
    return true;
  } catch (const std::exception& exception) {
    snprintf(CSG(message), sizeof CSG(message), "clustered_session failed: %s [CS-FAILED]", exception.what());
    return false;
  }
}

#endif  // CLUSTERED_SESSION_PHP_MODULE_H_
