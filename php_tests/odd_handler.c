/* A PHP module with a save handler `odd` that misbehaves as its save_path says. Layer: tests. Built by odd_handler.inc.
     throw, exit, fatal, warn, fail, locked  in read
     hang, gone                              read lasts until $ODD_FOLDER/go is there; gone: and finds nothing
     output, session, settings, garbage      what read does beside, or gives back
     write_throw, write_fail                 in write
     open_throw, close_throw                 in open and close
     switch                                  all fails while $ODD_FOLDER/down is there
   Everything else gives back a session with n = 1. Calls are noted in $ODD_FOLDER/calls, if there is such a folder. */
#include "php.h"
// After php.h, which says what the system's headers have, and which the others need.
#include <fcntl.h>
#include <unistd.h>

#include "ext/session/php_session.h"
#include "zend_exceptions.h"

static char path[64];

static int is(const char* how) { return strcmp(path, how) == 0; }

static const char* in_folder(const char* name) {
  static char file[4096];
  const char* folder = getenv("ODD_FOLDER");
  snprintf(file, sizeof file, "%s/%s", folder == NULL ? "/nowhere" : folder, name);
  return file;
}

static int is_down(void) { return is("switch") && access(in_folder("down"), F_OK) == 0; }

static void note(const char* what, const zend_string* id) {
  char line[512];
  const int size = snprintf(line, sizeof line, "%s %.32s\n", what, ZSTR_VAL(id));
  const int file = open(in_folder("calls"), O_WRONLY | O_APPEND | O_CREAT, 0666);
  if (file < 0 || write(file, line, (size_t)size) != size) return;
  close(file);
}

static zend_string* text(const char* from) { return zend_string_init(from, strlen(from), 0); }

PS_OPEN_FUNC(odd) {
#if PHP_VERSION_ID >= 80600
  snprintf(path, sizeof path, "%s", ZSTR_VAL(save_path));
#else
  snprintf(path, sizeof path, "%s", save_path);
#endif
  if (is("open_throw")) {
    zend_throw_exception(NULL, "secret", 0);
    return FAILURE;
  }
  *mod_data = path;
  return SUCCESS;
}

PS_CLOSE_FUNC(odd) {
  *mod_data = NULL;
  if (is("close_throw")) zend_throw_exception(NULL, "secret", 0);
  return SUCCESS;
}

PS_READ_FUNC(odd) {
  note("read", key);
  if (is_down()) return FAILURE;
  if (is("exit")) {
    zend_throw_unwind_exit();
    return FAILURE;
  }
  if (is("throw")) {
    zend_throw_exception(NULL, "secret", 0);
    return FAILURE;
  }
  if (is("fatal")) {
    php_error_docref(NULL, E_ERROR, "odd gives up");
  }
  if (is("warn")) {
    php_error_docref(NULL, E_WARNING, "odd does not find %s", ZSTR_VAL(key));
    return FAILURE;
  }
  if (is("locked")) {
    php_error_docref(NULL, E_WARNING, "the lock is not to be had");
    return FAILURE;
  }
  if (is("fail")) {
    return FAILURE;
  }
  if (is("hang")) {
    while (access(in_folder("go"), F_OK) != 0) usleep(1000);
  }
  if (is("gone")) {
    while (access(in_folder("go"), F_OK) != 0) usleep(1000);
    *val = ZSTR_EMPTY_ALLOC();
    return SUCCESS;
  }
  if (is("output")) {
    php_printf("odd output");
    php_error_docref(NULL, E_NOTICE, "odd notice");
  }
  if (is("session")) {
    zval one;
    zend_string* name = text("odd");
    ZVAL_LONG(&one, 1);
    php_set_session_var(name, &one, NULL);
    zend_string_release_ex(name, 0);
  }
  if (is("settings")) {
    static const char* const names[] = {"session.save_path", "session.name", "session.gc_maxlifetime"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
      zend_string* name = text(names[i]);
      zend_alter_ini_entry_chars(name, "7", 1, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
      zend_string_release_ex(name, 0);
    }
  }
  *val = text(is("garbage") ? "n|i:1;x|garbage" : "n|i:1;");
  return SUCCESS;
}

PS_WRITE_FUNC(odd) {
  if (is("write_throw")) {
    zend_throw_exception(NULL, "secret", 0);
  }
  note("write", key);
  return is("write_fail") || is_down() ? FAILURE : SUCCESS;
}

PS_DESTROY_FUNC(odd) {
  note("destroy", key);
  return is("write_fail") || is_down() ? FAILURE : SUCCESS;
}
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
