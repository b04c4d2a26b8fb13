/* This is a generated file, edit the .stub.php file instead.
 * Stub hash: 48a617895d1d02b2fc1166cae6a5f4313138be22 */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()


ZEND_FUNCTION(clustered_session_status);


static const zend_function_entry ext_functions[] = {
	ZEND_FE(clustered_session_status, arginfo_clustered_session_status)
	ZEND_FE_END
};
