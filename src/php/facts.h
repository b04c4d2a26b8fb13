// What the status, phpinfo() and the metrics say of the current pool: the same facts in three forms. Layer: php. First
// phases, which call no engine; but php_clustered_session_current_context() asks it for session.save_path.
#ifndef CLUSTERED_SESSION_PHP_FACTS_H_
#define CLUSTERED_SESSION_PHP_FACTS_H_

#include "src/cluster/node_code.h"
#include "src/php/module.h"

struct NodeFacts {
  char name[32];
  char address[256];
  char code[clustered_session::kNodeCodeLength + 1];
  zend_long weight;
  const char* state;  // untried, up, down, full
  bool fails;         // down or full
  zend_long operations;
  zend_long failures;
  zend_long retry_in_ms;
  const char* health;
};

// How many copies and tombstones of this server's sessions a node lacks, as far as they were counted.
struct MissingFacts {
  zend_long copies = 0;
  zend_long tombstones = 0;
};

// What a node has told of its memory, to this server's background; -1: it has not.
struct RoomFacts {
  zend_long evictions = -1;
  zend_long bytes = -1;
  zend_long limit = -1;
  zend_long evicted = 0;  // seen by this server since its start, also by samples of a node that tells nothing
};

// The current pool's nodes, kept in CSG(shown) while they are shown. Null and a message if session.save_path is not one
// of ours.
const clustered_session::SessionContext* php_clustered_session_current_context();

NodeFacts php_clustered_session_node_facts(const clustered_session::SessionContext& context, uint32_t node);
// Whether the node is still to get back what no server holds, and whether it lists no keys for that.
bool php_clustered_session_refilling(const clustered_session::SessionContext& context, uint32_t node);
bool php_clustered_session_unlisted(const clustered_session::SessionContext& context, uint32_t node);

MissingFacts php_clustered_session_missing_on(const clustered_session::SessionContext& context, uint32_t node);

RoomFacts php_clustered_session_room_of(const clustered_session::SessionContext& context, uint32_t node);

// How long no node has answered; -1 if one does.
zend_long php_clustered_session_alone_for_ms(const clustered_session::SessionContext* context);

#endif  // CLUSTERED_SESSION_PHP_FACTS_H_
