// The affinity cookie `<session name>_AT`: which server served this client last. Layer: php.
// It has the session cookie's attributes and is sent only when the server changes. The balancer may route by it.
#include <cstring>
#include <ctime>

#include "src/php/php_clustered_session.h"

extern "C" {
#include "SAPI.h"
#include "ext/standard/head.h"
}

using clustered_session::AffinityCookie;

namespace {

constexpr char kSuffix[] = "_AT";
constexpr size_t kNameMax = 256;   // bytes with the zero at the end; a longer session name gets no affinity cookie
constexpr size_t kValueMax = 128;  // bytes

// PHP before 8.5 keeps these as C strings, later as zend_string.
[[maybe_unused]] zend_string* NewString(const char* text) {
  return zend_string_init(text == nullptr ? "" : text, text == nullptr ? 0 : strlen(text), 0);
}
[[maybe_unused]] zend_string* NewString(zend_string* text) {
  return text == nullptr ? ZSTR_EMPTY_ALLOC() : zend_string_copy(text);
}
[[maybe_unused]] const char* CString(const char* text) { return text; }
[[maybe_unused]] const char* CString(const zend_string* text) { return ZSTR_VAL(text); }

// The cookie's name in `name`, of kNameMax bytes; its length, or 0 for a session name that is too long.
size_t CookieName(const char* session_name, char* name) {
  const size_t length = strlen(session_name);
  if (length + sizeof kSuffix > kNameMax) return 0;
  memcpy(name, session_name, length);
  memcpy(name + length, kSuffix, sizeof kSuffix);
  return length + sizeof kSuffix - 1;
}

// A request that starts, regenerates or takes over more than once says only the last.
void RemoveSentCookie(const char* name) {
  char prefix[kNameMax + sizeof "Set-Cookie: ="];
  const int length = snprintf(prefix, sizeof prefix, "Set-Cookie: %s=", name);
  zend_llist* headers = &SG(sapi_headers).headers;
  for (zend_llist_element *element = headers->head, *next = nullptr; element != nullptr; element = next) {
    next = element->next;
    auto* header = reinterpret_cast<sapi_header_struct*>(element->data);
    if (header->header_len <= static_cast<size_t>(length) || strncmp(header->header, prefix, length) != 0) continue;
    (element->prev != nullptr ? element->prev->next : headers->head) = element->next;
    (element->next != nullptr ? element->next->prev : headers->tail) = element->prev;
    sapi_free_header(header);
    efree(element);
    --headers->count;
  }
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
  const size_t length = CookieName(CString(PS(session_name)), name);
  if (length == 0 || strpbrk(name, "=,; \t\r\n\013\014") != nullptr) return;

  RemoveSentCookie(name);
  const time_t expires = PS(cookie_lifetime) > 0 ? time(nullptr) + PS(cookie_lifetime) : 0;
  zend_string* cookie_name = zend_string_init(name, length, 0);
  zend_string* cookie_value = zend_string_init(value, strlen(value), 0);
  zend_string* path = NewString(PS(cookie_path));
  zend_string* domain = NewString(PS(cookie_domain));
  zend_string* samesite = NewString(PS(cookie_samesite));
  php_setcookie(cookie_name, cookie_value, expires, path, domain, PS(cookie_secure), PS(cookie_httponly), samesite,
#if PHP_VERSION_ID >= 80500
                PS(cookie_partitioned),
#endif
                /*url_encode=*/0);
  zend_string_release(samesite);
  zend_string_release(domain);
  zend_string_release(path);
  zend_string_release(cookie_value);
  zend_string_release(cookie_name);
}
