/* The floor of every figure: a session save handler, "bare", that does nothing but keep payloads in memory that all
   workers share and hand back a copy. No lock, no system call. With bare_handler.node, a port on 127.0.0.1, a changed
   session is also written there by one memcached_set(), and that is all. Built and loaded by scripts/bench only. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <libmemcached/memcached.h>
#include <sys/mman.h>

#include "php.h"
// After php.h, which these need.
#include "ext/session/php_session.h"
#include "php_ini.h"

enum { SLOTS = 256, ID_MAX = 64, BYTES_MAX = 1 << 20, EXPIRATION_S = 1440 };
struct slot {
  char id[ID_MAX];
  size_t size;
  char bytes[BYTES_MAX];
};
static struct slot* slots;
static zend_long node_port;
static memcached_st* node;

/* This ID's slot; the one after the last it could have for all that have none. */
static struct slot* slot_of(const zend_string* id) {
  const zend_ulong from = zend_string_hash_val((zend_string*)id);
  for (int i = 0; i < SLOTS; ++i) {
    struct slot* slot = &slots[(from + i) % SLOTS];
    if (slot->id[0] == '\0') strncpy(slot->id, ZSTR_VAL(id), ID_MAX - 1);
    if (strcmp(slot->id, ZSTR_VAL(id)) == 0) return slot;
  }
  return &slots[SLOTS];
}

static bool set_on_node(const zend_string* id, const zend_string* value) {
  if (node == NULL) {
    node = memcached_create(NULL);
    memcached_behavior_set(node, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_server_add(node, "127.0.0.1", (in_port_t)node_port);
  }
  return memcached_set(node, ZSTR_VAL(id), ZSTR_LEN(id), ZSTR_VAL(value), ZSTR_LEN(value), EXPIRATION_S, 0) ==
         MEMCACHED_SUCCESS;
}

PS_OPEN_FUNC(bare) {
  PS_SET_MOD_DATA((void*)1);
  return SUCCESS;
}
PS_CLOSE_FUNC(bare) {
  PS_SET_MOD_DATA(NULL);
  return SUCCESS;
}
PS_READ_FUNC(bare) {
  const struct slot* slot = slot_of(key);
  *val = slot->size == 0 ? ZSTR_EMPTY_ALLOC() : zend_string_init(slot->bytes, slot->size, 0);
  return SUCCESS;
}
PS_WRITE_FUNC(bare) {
  struct slot* slot = slot_of(key);
  if (ZSTR_LEN(val) > BYTES_MAX) return FAILURE;
  slot->size = ZSTR_LEN(val);
  memcpy(slot->bytes, ZSTR_VAL(val), slot->size);
  return node_port == 0 || set_on_node(key, val) ? SUCCESS : FAILURE;
}
PS_DESTROY_FUNC(bare) { return SUCCESS; }
PS_GC_FUNC(bare) { return 0; }
PS_CREATE_SID_FUNC(bare) { return php_session_create_id(mod_data); }
PS_VALIDATE_SID_FUNC(bare) { return SUCCESS; }
PS_UPDATE_TIMESTAMP_FUNC(bare) { return SUCCESS; }

static const ps_module handler = {PS_MOD_UPDATE_TIMESTAMP(bare)};

static PHP_INI_MH(set_node) {
  node_port = ZEND_STRTOL(ZSTR_VAL(new_value), NULL, 10);
  return SUCCESS;
}

PHP_INI_BEGIN()
PHP_INI_ENTRY("bare_handler.node", "0", PHP_INI_SYSTEM, set_node)
PHP_INI_END()

static PHP_MINIT_FUNCTION(bare_handler) {
  REGISTER_INI_ENTRIES();
  /* Pages that nobody touches take no memory. */
  slots = mmap(NULL, (SLOTS + 1) * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
  if (slots == MAP_FAILED) return FAILURE;
  php_session_register_module(&handler);
  return SUCCESS;
}

static const zend_module_dep dependencies[] = {ZEND_MOD_REQUIRED("session") ZEND_MOD_END};

zend_module_entry bare_handler_module_entry = {STANDARD_MODULE_HEADER_EX,
                                               NULL,
                                               dependencies,
                                               "bare_handler",
                                               NULL,
                                               PHP_MINIT(bare_handler),
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL,
                                               "1",
                                               STANDARD_MODULE_PROPERTIES};
ZEND_GET_MODULE(bare_handler)
