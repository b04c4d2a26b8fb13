/* This is a generated file, edit the .stub.php file instead.
 * Stub hash: 201d2919e9b0db53b841b5d1433841140325063e */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_metrics, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()


ZEND_FUNCTION(clustered_session_status);
ZEND_FUNCTION(clustered_session_metrics);


static const zend_function_entry ext_functions[] = {
	ZEND_FE(clustered_session_status, arginfo_clustered_session_status)
	ZEND_FE(clustered_session_metrics, arginfo_clustered_session_metrics)
	ZEND_FE_END
};
