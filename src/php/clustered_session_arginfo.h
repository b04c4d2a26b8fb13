/* This is a generated file, edit the .stub.php file instead.
 * Stub hash: 9532d6e7690397d2c5075a34688e1caf803d3da8 */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_metrics, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_inspect, 0, 1, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, with_content, _IS_BOOL, 0, "false")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_examine, 0, 0, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, cursor, IS_LONG, 0, "0")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, limit, IS_LONG, 0, "1000")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, ask_nodes, _IS_BOOL, 0, "true")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_new_key, 0, 1, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
ZEND_END_ARG_INFO()


ZEND_FUNCTION(clustered_session_status);
ZEND_FUNCTION(clustered_session_metrics);
ZEND_FUNCTION(clustered_session_inspect);
ZEND_FUNCTION(clustered_session_examine);
ZEND_FUNCTION(clustered_session_new_key);


static const zend_function_entry ext_functions[] = {
	ZEND_FE(clustered_session_status, arginfo_clustered_session_status)
	ZEND_FE(clustered_session_metrics, arginfo_clustered_session_metrics)
	ZEND_FE(clustered_session_inspect, arginfo_clustered_session_inspect)
	ZEND_FE(clustered_session_examine, arginfo_clustered_session_examine)
	ZEND_FE(clustered_session_new_key, arginfo_clustered_session_new_key)
	ZEND_FE_END
};
