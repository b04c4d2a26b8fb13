// What the save handler's callbacks do for a migration: which ID PHP goes on with, what is taken over from the old
// handler, what is mirrored to it. Layer: php. Second phases, for save_handler.cc.
//
// Each comes after what it tells the old handler of has been done here. A warning's handler may end the open: the
// caller looks at StillOpen() before it touches its state again.
#ifndef CLUSTERED_SESSION_PHP_TAKEOVER_H_
#define CLUSTERED_SESSION_PHP_TAKEOVER_H_

#include "src/php/handler_state.h"

// Whether PHP may go on with the ID that came (strict mode). True as well where that cannot be known: the read that
// follows fails with the reason. False: PHP asks for a new ID, which may be the one that its session has now.
bool php_clustered_session_knows_id(HandlerState* state, zend_string* id);

// Whether the session of this ID has another one, which PHP gets when it asks for a new ID (without strict mode).
bool php_clustered_session_replaces_id(HandlerState* state, zend_string* id);

// Takes one session over from the old handler under its ID, or learns that it has none. False: it may have it and
// cannot be asked; CSG(message) says why.
bool php_clustered_session_take_over(HandlerState* state, zend_string* id, zend_long lifetime_s);

// Whether what PHP writes is an empty $_SESSION, for which each serialize handler has bytes of its own. What a user
// handler writes may be something else.
bool php_clustered_session_nothing_in_session();

// False: the open is over, by an error handler.
bool php_clustered_session_mirror_write_of(HandlerState* state, zend_string* id, zend_string* payload,
                                           zend_long lifetime_s);

// Of all sessions that have ended since.
void php_clustered_session_mirror_ends();

#endif  // CLUSTERED_SESSION_PHP_TAKEOVER_H_
