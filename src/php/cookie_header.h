// A cookie beside PHP's session cookie, with the same attributes. Layer: php; engine calls, so for second phases only.
#ifndef CLUSTERED_SESSION_PHP_COOKIE_HEADER_H
#define CLUSTERED_SESSION_PHP_COOKIE_HEADER_H

extern "C" {
#include "php.h"
}

#include <optional>
#include <string_view>

// Adds the header "Set-Cookie: <name>=<value>" to the response, in place of an earlier one of that name. The attributes
// are those that PHP's session module writes from session.cookie_*, byte for byte. Nothing is sent, and nothing said,
// where PHP would not send the session cookie: after the headers, or with settings that no header can hold.
// REQUIRES: `value` has only characters that a cookie needs not encode.
void php_clustered_session_send_cookie(const char* name, const char* value);

// The value of the cookie `name` that this response sets so far; none if it sets no such cookie. The view holds until
// the next header is added. For first phases as well.
std::optional<std::string_view> php_clustered_session_sent_cookie(const char* name) noexcept;

// PHP before 8.5 keeps the strings of session settings as C strings, later as zend_string.
inline const char* php_clustered_session_c_string(const char* text) { return text == nullptr ? "" : text; }
inline const char* php_clustered_session_c_string(const zend_string* text) {
  return text == nullptr ? "" : ZSTR_VAL(text);
}

#endif
