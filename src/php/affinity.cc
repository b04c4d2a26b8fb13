// The affinity cookie `<session name>_AT`: which server served this client last. Layer: php.
// It has the session cookie's attributes and is sent only when the server changes. The balancer may route by it.
#include <cstring>

#include "src/php/cookie_header.h"
#include "src/php/php_clustered_session.h"

extern "C" {
#include "SAPI.h"
}

using clustered_session::AffinityCookie;

namespace {

constexpr char kSuffix[] = "_AT";
constexpr size_t kNameMax = 256;   // bytes with the zero at the end; a longer session name gets no affinity cookie
constexpr size_t kValueMax = 128;  // bytes

// The cookie's name in `name`, of kNameMax bytes; its length, or 0 for a session name that is too long.
size_t CookieName(const char* session_name, char* name) {
  const size_t length = strlen(session_name);
  if (length + sizeof kSuffix > kNameMax) return 0;
  memcpy(name, session_name, length);
  memcpy(name + length, kSuffix, sizeof kSuffix);
  return length + sizeof kSuffix - 1;
}

bool TakeCookie(clustered_session::Session* session, char* value, size_t size) {
  bool send = false;
  Guarded([&] {
    if (std::optional<AffinityCookie> cookie = session->TakeAffinityToSend()) {
      const std::string text = clustered_session::FormatAffinity(*cookie);
      send = text.size() < size;
      if (send) memcpy(value, text.c_str(), text.size() + 1);
    }
  });
  return send;
}

}  // namespace

// Keeps what the client showed, once per request; what was sent since counts as shown.
void php_clustered_session_read_affinity(const char* session_name) {
  if (!PS(use_cookies) || CSG(request)->claim.has_value() || Z_TYPE(PG(http_globals)[TRACK_VARS_COOKIE]) != IS_ARRAY) {
    return;
  }
  char name[kNameMax];
  const size_t length = CookieName(session_name, name);
  if (length == 0) return;
  const zval* cookie = zend_hash_str_find(Z_ARRVAL(PG(http_globals)[TRACK_VARS_COOKIE]), name, length);
  if (cookie == nullptr || Z_TYPE_P(cookie) != IS_STRING) return;
  Guarded([&] { CSG(request)->claim = clustered_session::ParseAffinity({Z_STRVAL_P(cookie), Z_STRLEN_P(cookie)}); });
}

// REQUIRES: the session was read
void php_clustered_session_send_affinity(clustered_session::Session* session) {
  char value[kValueMax];
  char name[kNameMax];
  if (!PS(use_cookies) || SG(headers_sent)) return;
  if (!TakeCookie(session, value, sizeof value)) return;
  // A request that starts, regenerates or takes over more than once says only the last.
  if (CookieName(php_clustered_session_c_string(PS(session_name)), name) != 0) {
    php_clustered_session_send_cookie(name, value);
  }
}
