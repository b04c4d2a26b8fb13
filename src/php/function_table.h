// The functions of the extension as Zend registers them, by hand after clustered_session.stub.php (a name of the form
// *_arginfo.h would make phpize generate it, with a parser that is not at hand). Layer: php.

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_clustered_session_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_FUNCTION(clustered_session_status);

static const zend_function_entry ext_functions[] = {ZEND_FE(clustered_session_status, arginfo_clustered_session_status)
                                                        ZEND_FE_END};
