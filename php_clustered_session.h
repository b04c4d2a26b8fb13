/* What PHP itself knows of the extension: where it is built into PHP, main/internal_functions.c includes this file and
 * lists the pointer. A header in C, since that file is; the extension's own one is src/php/module.h. */
#ifndef PHP_CLUSTERED_SESSION_H
#define PHP_CLUSTERED_SESSION_H

#define PHP_CLUSTERED_SESSION_VERSION "0.2.0"

#ifdef __cplusplus
extern "C" {
#endif

extern zend_module_entry clustered_session_module_entry;
#define phpext_clustered_session_ptr &clustered_session_module_entry

#ifdef __cplusplus
}
#endif

#endif
