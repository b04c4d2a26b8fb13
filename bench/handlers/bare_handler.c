/* The floor of every figure: a session save handler, "bare", that does nothing but keep a few payloads in this
   process and hand back a copy. No lock, no system call. Built and loaded by scripts/bench only. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "php.h"
#include "ext/session/php_session.h"

enum { SLOTS = 8, ID_MAX = 64 };
static struct {
  char id[ID_MAX];
  zend_string *payload;
} slots[SLOTS];
static int used;

/* This ID's slot; the last one for all that have none. */
static int slot_of(const zend_string *id) {
  for (int i = 0; i < used; ++i) {
    if (strcmp(slots[i].id, ZSTR_VAL(id)) == 0) return i;
  }
  if (used < SLOTS) ++used;
  strncpy(slots[used - 1].id, ZSTR_VAL(id), ID_MAX - 1);
  return used - 1;
}

PS_OPEN_FUNC(bare) {
  PS_SET_MOD_DATA((void *)1);
  return SUCCESS;
}
PS_CLOSE_FUNC(bare) {
  PS_SET_MOD_DATA(NULL);
  return SUCCESS;
}
PS_READ_FUNC(bare) {
  zend_string *payload = slots[slot_of(key)].payload;
  *val = payload == NULL ? ZSTR_EMPTY_ALLOC() : zend_string_init(ZSTR_VAL(payload), ZSTR_LEN(payload), 0);
  return SUCCESS;
}
PS_WRITE_FUNC(bare) {
  zend_string **payload = &slots[slot_of(key)].payload;
  if (*payload == NULL || ZSTR_LEN(*payload) != ZSTR_LEN(val)) {
    if (*payload != NULL) pefree(*payload, 1);
    *payload = zend_string_alloc(ZSTR_LEN(val), 1);
  }
  memcpy(ZSTR_VAL(*payload), ZSTR_VAL(val), ZSTR_LEN(val) + 1);
  return SUCCESS;
}
PS_DESTROY_FUNC(bare) { return SUCCESS; }
PS_GC_FUNC(bare) { return 0; }
PS_CREATE_SID_FUNC(bare) { return php_session_create_id(mod_data); }
PS_VALIDATE_SID_FUNC(bare) { return SUCCESS; }
PS_UPDATE_TIMESTAMP_FUNC(bare) { return SUCCESS; }

static const ps_module handler = {PS_MOD_UPDATE_TIMESTAMP(bare)};

static PHP_MINIT_FUNCTION(bare_handler) {
  php_session_register_module(&handler);
  return SUCCESS;
}

static const zend_module_dep dependencies[] = {ZEND_MOD_REQUIRED("session") ZEND_MOD_END};

zend_module_entry bare_handler_module_entry = {
    STANDARD_MODULE_HEADER_EX, NULL, dependencies, "bare_handler", NULL, PHP_MINIT(bare_handler), NULL, NULL, NULL,
    NULL, "1", STANDARD_MODULE_PROPERTIES};
ZEND_GET_MODULE(bare_handler)
