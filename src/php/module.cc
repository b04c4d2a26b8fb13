// The module: start, stop, and what each request leaves behind. Layer: php.
// MINIT runs in the parent before FPM and Apache fork, and in Apache's at each restart: it opens nothing. What it has
// to say goes to the log: what PHP shows at its start would be in the output of a cron job.
#include "src/php/module.h"

#include <sodium.h>

#include <memory>

#include "src/memcached/classic_connection.h"

extern "C" {
#include "ext/standard/info.h"
}

#include "src/php/clustered_session_arginfo.h"  // needs php.h

ZEND_DECLARE_MODULE_GLOBALS(clustered_session)

namespace {

const clustered_session::SystemClock system_clock;

}  // namespace

const clustered_session::Clock* php_clustered_session_clock() { return &system_clock; }

static PHP_GINIT_FUNCTION(clustered_session) {
#if defined(COMPILE_DL_CLUSTERED_SESSION) && defined(ZTS)
  ZEND_TSRMLS_CACHE_UPDATE();
#endif
  memset(clustered_session_globals, 0, sizeof *clustered_session_globals);
  clustered_session_globals->settings = new clustered_session::SessionSettings();
  clustered_session_globals->notices = new std::vector<clustered_session::Notice>();
  clustered_session_globals->replaced = new std::vector<clustered_session::ReplacedSession>();
  clustered_session_globals->ended = new std::vector<std::string>();
  clustered_session_globals->shown = new std::shared_ptr<const clustered_session::SessionContext>();
  clustered_session_globals->sent_affinity = new SentAffinity();
  clustered_session_globals->metrics = new std::string();
  clustered_session_globals->inspected = new std::vector<clustered_session::NodeHolding>();
  clustered_session_globals->recent = new std::vector<clustered_session::SharedEventLog::Recent>();
  clustered_session_globals->examined = new clustered_session::Examination();
}

static PHP_GSHUTDOWN_FUNCTION(clustered_session) {
  php_clustered_session_delete_open(clustered_session_globals->open);
  delete clustered_session_globals->replaced;
  delete clustered_session_globals->ended;
  delete clustered_session_globals->shown;
  delete clustered_session_globals->sent_affinity;
  delete clustered_session_globals->metrics;
  delete clustered_session_globals->inspected;
  delete clustered_session_globals->examined;
  delete clustered_session_globals->recent;
  delete clustered_session_globals->worker;
  delete clustered_session_globals->notices;
  delete clustered_session_globals->settings;
}

static PHP_MINIT_FUNCTION(clustered_session) {
  php_clustered_session_register_ini(type, module_number);
  const char* version = nullptr;
  if (!clustered_session::LibmemcachedUsable(&version)) {
    php_clustered_session_log(
        "needs libmemcached 1.1.4 or later, this is %s: older ones can return another key's value "
        "after a timeout; the save handler is not registered [CS-LIBMEMCACHED]",
        version);
    return SUCCESS;
  }
  if (sodium_init() < 0) {
    php_clustered_session_log("libsodium finds no random numbers; the save handler is not registered [CS-RANDOM]");
    return SUCCESS;
  }
  php_clustered_session_read_key_file();
  php_clustered_session_start_store();
  // Where dl() loads the module at each request of a process, PHP still knows the handler of the one before.
  if (_php_find_ps_module("clustered") != &ps_mod_clustered &&
      php_session_register_module(&ps_mod_clustered) == FAILURE) {
    php_clustered_session_log(
        "PHP has no room for another save handler: load fewer extensions that register one [CS-HANDLER]");
  }
  php_clustered_session_keep_start_settings();
  return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(clustered_session) {
  // For what has still to be logged: where PHP has threads, it opens error_log's file from the request's folder, which
  // is gone by now. PHP releases this one once all modules are down.
  virtual_cwd_activate();
  php_clustered_session_stop_renewal();
  php_clustered_session_stop_flusher();
  php_clustered_session_unregister_ini(type, module_number);
  return SUCCESS;
}

// After the session module's own write and close, which run later than any RSHUTDOWN of ours. Not in worker modes:
// there the next open comes first.
static ZEND_MODULE_POST_ZEND_DEACTIVATE_D(clustered_session) {
  if (!CSG(used)) return SUCCESS;
  CSG(used) = false;
  php_clustered_session_abandon();
  CSG(old_module) = nullptr;  // of a request whose memory is gone
  CSG(old_payload) = nullptr;
  Guarded([] {
    CSG(replaced)->clear();
    CSG(ended)->clear();
    CSG(shown)->reset();
    std::string().swap(*CSG(metrics));
    CSG(inspected)->clear();
    CSG(recent)->clear();
    *CSG(examined) = clustered_session::Examination();
    *CSG(sent_affinity) = SentAffinity();
  });
  php_clustered_session_log_warnings();  // no script is left to warn
  php_clustered_session_wake_flusher();
  php_clustered_session_emit_events();
  return SUCCESS;
}

static const zend_module_dep clustered_session_deps[] = {ZEND_MOD_REQUIRED("session") ZEND_MOD_END};

zend_module_entry clustered_session_module_entry = {
    STANDARD_MODULE_HEADER_EX,
    nullptr,
    clustered_session_deps,
    "clustered_session",
    ext_functions,
    PHP_MINIT(clustered_session),
    PHP_MSHUTDOWN(clustered_session),
    nullptr,
    nullptr,
    PHP_MINFO(clustered_session),
    PHP_CLUSTERED_SESSION_VERSION,
    PHP_MODULE_GLOBALS(clustered_session),
    PHP_GINIT(clustered_session),
    PHP_GSHUTDOWN(clustered_session),
    ZEND_MODULE_POST_ZEND_DEACTIVATE_N(clustered_session),
    STANDARD_MODULE_PROPERTIES_EX,
};

#ifdef COMPILE_DL_CLUSTERED_SESSION
#ifdef ZTS
ZEND_TSRMLS_CACHE_DEFINE()
#endif
extern "C" {
ZEND_GET_MODULE(clustered_session)
}
#endif
