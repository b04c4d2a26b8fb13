/* A PHP module that plays the worker mode of an application server, such as FrankenPHP's: between two requests of one
   process it runs the request shutdown and startup of the session module and of no other, and replaces the cookies.
   Layer: tests. Built by worker_mode.phpt. */
#include "php.h"
// After php.h, which these need.
#include "SAPI.h"
#include "zend_exceptions.h"

static zend_module_entry* session_module(void) {
  return zend_hash_str_find_ptr(&module_registry, "session", sizeof "session" - 1);
}

static void import_cookies(zval* cookies) {
  zval* imported = &PG(http_globals)[TRACK_VARS_COOKIE];
  zval global;
  zval_ptr_dtor(imported);
  ZVAL_ARR(imported, zend_array_dup(Z_ARRVAL_P(cookies)));
  ZVAL_COPY(&global, imported);
  zend_hash_str_update(&EG(symbol_table), "_COOKIE", sizeof "_COOKIE" - 1, &global);
}

static void forget_response(void) {
  sapi_header_op(SAPI_HEADER_DELETE_ALL, NULL);
  SG(headers_sent) = 0;
}

/* worker_request(array $cookies, callable $page): array: what the page returns, then the lines of the response's head
 */
PHP_FUNCTION(worker_request) {
  zval* cookies;
  zval result;
  zend_fcall_info info;
  zend_fcall_info_cache cache;
  zend_llist_element* line;
  ZEND_PARSE_PARAMETERS_START(2, 2)
  Z_PARAM_ARRAY(cookies)
  Z_PARAM_FUNC(info, cache)
  ZEND_PARSE_PARAMETERS_END();

  forget_response();
  import_cookies(cookies);
  session_module()->request_startup_func(session_module()->type, session_module()->module_number);
  ZVAL_UNDEF(&result);
  info.retval = &result;
  zend_call_function(&info, &cache);
  if (EG(exception)) { /* the page's own affair, as it is for an application server */
    zend_clear_exception();
  }
  session_module()->request_shutdown_func(session_module()->type, session_module()->module_number);
  if (EG(exception)) {
    zend_clear_exception();
  }
  array_init(return_value);
  if (Z_TYPE(result) == IS_UNDEF) {
    ZVAL_NULL(&result);
  }
  add_next_index_zval(return_value, &result);
  for (line = SG(sapi_headers).headers.head; line; line = line->next) {
    add_next_index_string(return_value, ((sapi_header_struct*)line->data)->header);
  }
}

ZEND_BEGIN_ARG_INFO_EX(arginfo_worker_request, 0, 0, 2)
ZEND_ARG_TYPE_INFO(0, cookies, IS_ARRAY, 0)
ZEND_ARG_TYPE_INFO(0, page, IS_CALLABLE, 0)
ZEND_END_ARG_INFO()

static const zend_function_entry functions[] = {PHP_FE(worker_request, arginfo_worker_request) PHP_FE_END};

static const zend_module_dep depends_on[] = {ZEND_MOD_REQUIRED("session") ZEND_MOD_END};

zend_module_entry worker_mode_module_entry = {
    STANDARD_MODULE_HEADER_EX, NULL, depends_on, "worker_mode", functions, NULL, NULL, NULL, NULL, NULL, "0",
    STANDARD_MODULE_PROPERTIES};

ZEND_GET_MODULE(worker_mode)
