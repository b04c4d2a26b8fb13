// HandlerState: what the save handler's callbacks know of one open, beside the session itself. Layer: php.
#ifndef CLUSTERED_SESSION_PHP_HANDLER_STATE_H_
#define CLUSTERED_SESSION_PHP_HANDLER_STATE_H_

#include "src/php/module.h"

struct HandlerState {
  HandlerState(std::shared_ptr<const clustered_session::SessionContext> context, uint64_t open_number)
      : session(std::move(context)), number(open_number) {}
  clustered_session::Session session;
  const uint64_t number;  // of the open
  // The session whose payload PHP has got whole. A bailout before that leaves PHP with an active, empty session that
  // its shutdown would write over good data (G8): no other ID is written unless a user handler wraps this one.
  std::string delivered_id;
  std::string old_asked_id;  // the session for which the old handler was asked before the read
  std::string old_failure;   // why it did not answer
  std::string taken_id;      // the session that was taken over from it, until it is written
  std::string next_id;       // what PHP gets when it asks for a new ID; empty: a random one
};

inline HandlerState* StateOf(void** mod_data) { return static_cast<HandlerState*>(*mod_data); }

// Whether the open of this number is still the one that PHP has.
inline bool StillOpen(uint64_t number) { return CSG(open) != nullptr && CSG(open)->number == number; }

inline uint32_t SessionLifetime(zend_long maxlifetime) {
  constexpr zend_long kLifetimeMax = 10LL * 365 * 24 * 3600;
  return static_cast<uint32_t>(maxlifetime < 1 ? 1 : maxlifetime > kLifetimeMax ? kLifetimeMax : maxlifetime);
}

// takeover.cc: of what this session ended, for the handler of before, whose turn comes in a second phase; may throw.
void php_clustered_session_keep_ended(HandlerState* state);

// A first phase. False: CSG(message) says why.
template <typename Operation>
bool RunOn(HandlerState* state, const Operation& operation) {
  bool ok = false;
  Guarded([&] {
    clustered_session::Status status = operation(state->session);
    php_clustered_session_keep_ended(state);
    ok = status.ok();
    if (!ok) php_clustered_session_keep_message(status.error().message());
  });
  php_clustered_session_keep_notices(&state->session);
  return ok;
}

#endif  // CLUSTERED_SESSION_PHP_HANDLER_STATE_H_
