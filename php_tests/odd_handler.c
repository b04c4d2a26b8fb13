/* A PHP module with a save handler `odd` that misbehaves as its save_path says. Layer: tests. Built by
   migrate_odd.phpt.
     throw, fatal, warn, fail, hang, locked  in read
     output, session, garbage                what read does beside, or gives back
     write_throw, write_fail                 in write
   Everything else gives back a session with n = 1. */
#include "php.h"
// After php.h, which these need.
#include "ext/session/php_session.h"
#include "zend_exceptions.h"

static char path[64];

static zend_string* text(const char* from) { return zend_string_init(from, strlen(from), 0); }

PS_OPEN_FUNC(odd) {
#if PHP_VERSION_ID >= 80600
  snprintf(path, sizeof path, "%s", ZSTR_VAL(save_path));
#else
  snprintf(path, sizeof path, "%s", save_path);
#endif
  *mod_data = path;
  return SUCCESS;
}

PS_CLOSE_FUNC(odd) {
  *mod_data = NULL;
  return SUCCESS;
}

PS_READ_FUNC(odd) {
  if (strcmp(path, "throw") == 0) {
    zend_throw_exception(NULL, "secret", 0);
    return FAILURE;
  }
  if (strcmp(path, "fatal") == 0) {
    php_error_docref(NULL, E_ERROR, "odd gives up");
  }
  if (strcmp(path, "warn") == 0) {
    php_error_docref(NULL, E_WARNING, "odd does not find %s", ZSTR_VAL(key));
    return FAILURE;
  }
  if (strcmp(path, "locked") == 0) {
    php_error_docref(NULL, E_WARNING, "the lock is not to be had");
    return FAILURE;
  }
  if (strcmp(path, "fail") == 0) {
    return FAILURE;
  }
  if (strcmp(path, "hang") == 0) {
    sleep(1);
    return FAILURE;
  }
  if (strcmp(path, "output") == 0) {
    php_printf("odd output");
    php_error_docref(NULL, E_NOTICE, "odd notice");
  }
  if (strcmp(path, "session") == 0) {
    zval one;
    zend_string* name = text("odd");
    ZVAL_LONG(&one, 1);
    php_set_session_var(name, &one, NULL);
    zend_string_release_ex(name, 0);
  }
  *val = text(strcmp(path, "garbage") == 0 ? "n|i:1;x|garbage" : "n|i:1;");
  return SUCCESS;
}

PS_WRITE_FUNC(odd) {
  if (strcmp(path, "write_throw") == 0) {
    zend_throw_exception(NULL, "secret", 0);
  }
  return strcmp(path, "write_fail") == 0 ? FAILURE : SUCCESS;
}

PS_DESTROY_FUNC(odd) { return strcmp(path, "write_fail") == 0 ? FAILURE : SUCCESS; }
PS_GC_FUNC(odd) { return *nrdels = 0; }

static const ps_module ps_mod_odd = {"odd",
                                     ps_open_odd,
                                     ps_close_odd,
                                     ps_read_odd,
                                     ps_write_odd,
                                     ps_delete_odd,
                                     ps_gc_odd,
                                     php_session_create_id,
                                     php_session_validate_sid,
                                     php_session_update_timestamp};

static PHP_MINIT_FUNCTION(odd_handler) {
  php_session_register_module(&ps_mod_odd);
  return SUCCESS;
}

static const zend_module_dep depends_on[] = {ZEND_MOD_REQUIRED("session") ZEND_MOD_END};

zend_module_entry odd_handler_module_entry = {STANDARD_MODULE_HEADER_EX,
                                              NULL,
                                              depends_on,
                                              "odd_handler",
                                              NULL,
                                              PHP_MINIT(odd_handler),
                                              NULL,
                                              NULL,
                                              NULL,
                                              NULL,
                                              "0",
                                              STANDARD_MODULE_PROPERTIES};

ZEND_GET_MODULE(odd_handler)
