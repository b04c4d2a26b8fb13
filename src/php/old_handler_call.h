// One call of the handler that sessions migrate from or to: PHP's surroundings of it, its lock, its failures. Layer:
// php.
//
// While the handler's code runs, PHP believes that it is the session's handler. Its warnings do not reach the script's
// error handler, its output goes nowhere, and $_SESSION and error_get_last() are afterwards as they were before.
#ifndef CLUSTERED_SESSION_PHP_OLD_HANDLER_CALL_H_
#define CLUSTERED_SESSION_PHP_OLD_HANDLER_CALL_H_

#include "src/php/module.h"

enum class OldHandlerOperation : uint8_t { kRead, kWrite, kDestroy, kClose };

// One call of the old handler. Without a destructor.
struct OldHandlerCall {
  OldHandlerOperation operation;
  const clustered_session::OldHandlerAddress* address;
  zend_string* id;
  zend_string* payload;  // to write; or what was read, of its own
  zend_long lifetime_s;
  clustered_session::OldHandlerHealth* health;  // null: the call is not judged
  int place;                                    // of the call, see OldHandlerHealth::Begin()
  bool ok;
  bool exists;
  bool answered;  // something in it has worked: what failed then is this session's matter
};

OldHandlerCall php_clustered_session_old_handler_call(OldHandlerOperation operation,
                                                      const clustered_session::OldHandlerAddress& address,
                                                      zend_string* id, zend_string* payload, zend_long lifetime_s);

// Null if PHP has no such handler.
const ps_module* php_clustered_session_old_module(const clustered_session::OldHandlerAddress& address);

// What failed is in CSG(message). REQUIRES: no exception is pending. Does not return after a fatal error.
void php_clustered_session_run_old_handler(OldHandlerCall* call);

// What is open after a failure is of no more use.
void php_clustered_session_close_failed_old_handler(const OldHandlerCall& failed);

#endif  // CLUSTERED_SESSION_PHP_OLD_HANDLER_CALL_H_
