// The save handler that sessions migrate from or to, called as PHP calls it: through the module that its extension has
// registered. Layer: php. See docs/migration.md.
//
// All but OldHandlerOpen are second phases: they call the engine and another extension, keep nothing that needs a
// destructor, and may longjmp after a fatal error in the old handler. What it leaves open is in the module globals.
#ifndef CLUSTERED_SESSION_PHP_MIGRATION_H_
#define CLUSTERED_SESSION_PHP_MIGRATION_H_

#include "src/php/module.h"

enum class OldAnswer : uint8_t {
  kNone,     // it has no such session
  kHas,      // the payload is in *payload, which the caller releases
  kUnknown,  // it could not be asked, and may have it; CSG(message) says why
  kSkipped,  // not asked, or it does not count: it said no lately, is gone, or lacks this session's last write
};

// Whether PHP has the handlers of both settings, and they go together. Else CSG(message) says what is wrong.
bool php_clustered_session_know_old_handlers();

// Asks the handler of migrate_from. Where it is shared, it stays open, and its lock is held, until the close.
OldAnswer php_clustered_session_ask_old_handler(zend_string* id, zend_long lifetime_s, zend_string** payload);

// Mirrors to the handler of migrate_to; nothing without one. What does not get there is counted; a failure is a
// warning, unless the log has said already that the handler fails.
bool php_clustered_session_mirror_write(zend_string* id, zend_string* payload, zend_long lifetime_s);

// Ends the session in the handlers of both settings. What cannot be told now is told later.
void php_clustered_session_mirror_destroy(zend_string* id);

// Tells some of what could not be told before. For a close: it opens the old handler anew.
void php_clustered_session_mirror_untold_ends();

// Closes what a call before has left open.
void php_clustered_session_close_old_handler();

// The status' key `migration`, if a setting migrates.
void php_clustered_session_add_migration(zval* status);

#endif  // CLUSTERED_SESSION_PHP_MIGRATION_H_
