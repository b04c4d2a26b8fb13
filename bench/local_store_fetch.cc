// A PHP extension for bench/local_fetch.php alone: functions that ask the local store as directly as APCu's ask APCu.
// Layer: bench, above local/; the one place with PHP's headers outside of src/php.
extern "C" {
#include "php.h"
}

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

#include "src/base/session_key.h"
#include "src/local/local_store.h"

namespace {

using namespace clustered_session;

std::unique_ptr<LocalStore> store;

TimePoint Now() { return std::chrono::steady_clock::now(); }

SessionKey KeyOf(const zend_string* id) { return Hash128({}, "cs:", {ZSTR_VAL(id), ZSTR_LEN(id)}); }

// The caller's string when the key was made before, as it is once in a request.
SessionKey ReadyKey(const zend_string* key_bytes) {
  SessionKey key;
  memcpy(key.bytes.data(), ZSTR_VAL(key_bytes), std::min(ZSTR_LEN(key_bytes), key.bytes.size()));
  return key;
}

void Fetch(const SessionKey& key, zval* return_value) {
  Entry entry;
  static std::string payload;
  if (!store->Lookup(key, Now(), &entry, &payload)) RETURN_FALSE;
  RETURN_STRINGL(payload.data(), payload.size());
}

}  // namespace

extern "C" {

// local_store_key(string $id): string, what a session ID is hashed to.
PHP_FUNCTION(local_store_key) {
  zend_string* id;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_STR(id)
  ZEND_PARSE_PARAMETERS_END();
  const SessionKey key = KeyOf(id);
  RETURN_STRINGL(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
}

// local_store_put(string $key, string $payload): bool
PHP_FUNCTION(local_store_put) {
  zend_string* key;
  zend_string* payload;
  ZEND_PARSE_PARAMETERS_START(2, 2)
  Z_PARAM_STR(key)
  Z_PARAM_STR(payload)
  ZEND_PARSE_PARAMETERS_END();
  Entry entry;
  entry.version = 1;
  entry.expires_at_ns = ToNanos(Now() + std::chrono::hours(1));
  RETURN_BOOL(store->Put(ReadyKey(key), entry, {ZSTR_VAL(payload), ZSTR_LEN(payload)}, Now()).ok());
}

// local_store_fetch(string $key): string|false. The clock is read and the bytes come into a PHP string, as for a
// session.
PHP_FUNCTION(local_store_fetch) {
  zend_string* key;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_STR(key)
  ZEND_PARSE_PARAMETERS_END();
  Fetch(ReadyKey(key), return_value);
}

// local_store_hash_and_fetch(string $id): string|false
PHP_FUNCTION(local_store_hash_and_fetch) {
  zend_string* id;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_STR(id)
  ZEND_PARSE_PARAMETERS_END();
  Fetch(KeyOf(id), return_value);
}

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_key, 0, 1, IS_STRING, 0)
ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_put, 0, 2, _IS_BOOL, 0)
ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_ARG_TYPE_INFO(0, payload, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_fetch, 0, 1, MAY_BE_STRING | MAY_BE_FALSE)
ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry functions[] = {
    PHP_FE(local_store_key, arginfo_key) PHP_FE(local_store_put, arginfo_put) PHP_FE(local_store_fetch, arginfo_fetch)
        PHP_FE(local_store_hash_and_fetch, arginfo_fetch) PHP_FE_END};

static PHP_MINIT_FUNCTION(local_store_fetch) {
  (void)type;
  (void)module_number;
  Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(64u << 20, 0);
  if (!made.ok()) return FAILURE;
  store = std::move(made.value());
  return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(local_store_fetch) {
  (void)type;
  (void)module_number;
  store.reset();
  return SUCCESS;
}

static zend_module_entry local_store_fetch_module_entry = {
    STANDARD_MODULE_HEADER,
    "local_store_fetch",
    functions,
    PHP_MINIT(local_store_fetch),
    PHP_MSHUTDOWN(local_store_fetch),
    nullptr,
    nullptr,
    nullptr,
    "0",
    STANDARD_MODULE_PROPERTIES,
};

ZEND_GET_MODULE(local_store_fetch)

}  // extern "C"
