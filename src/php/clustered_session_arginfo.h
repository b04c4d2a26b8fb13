/* This is a generated file, edit the .stub.php file instead.
 * Stub hash: 728733546297d32742945e3b138b0c371ea9cfa4 */

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()


ZEND_FUNCTION(clustered_session_status);


static const zend_function_entry ext_functions[] = {
	ZEND_FE(clustered_session_status, arginfo_clustered_session_status)
	ZEND_FE_END
};
