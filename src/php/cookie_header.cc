// Writes the header as php_session_send_cookie() of PHP's session module does. php_setcookie() would not do: it throws
// for settings that the session module lets pass, such as the path "/; SameSite=None". Layer: php.
#include "src/php/cookie_header.h"

#include <cctype>
#include <cstring>
#include <ctime>

#include "src/php/module.h"

extern "C" {
#include "SAPI.h"
#include "ext/date/php_date.h"
#include "ext/standard/head.h"
#include "zend_smart_str.h"
}

namespace {

constexpr char kHeader[] = "Set-Cookie: ";
constexpr char kForbiddenInName[] = "=,;.[ \t\r\n\013\014";  // as in a session.name that PHP sends no cookie for
constexpr char kDateFormat[] = "D, d M Y H:i:s \\G\\M\\T";

// The cookie's value and attributes, if the header sets the cookie `name`; else null.
const char* AfterName(const sapi_header_struct& header, const char* name) {
  constexpr size_t kHeaderSize = sizeof kHeader - 1;
  const size_t size = strlen(name);
  if (header.header_len <= kHeaderSize + size || strncmp(header.header, kHeader, kHeaderSize) != 0 ||
      strncmp(header.header + kHeaderSize, name, size) != 0 || header.header[kHeaderSize + size] != '=') {
    return nullptr;
  }
  return header.header + kHeaderSize + size + 1;
}

// A response has one cookie of a name: the last that was sent.
void RemoveSentCookie(const char* name) {
  zend_llist* headers = &SG(sapi_headers).headers;
  for (zend_llist_element *element = headers->head, *next = nullptr; element != nullptr; element = next) {
    next = element->next;
    auto* header = reinterpret_cast<sapi_header_struct*>(element->data);
    if (AfterName(*header, name) == nullptr) continue;
    (element->prev != nullptr ? element->prev->next : headers->head) = element->next;
    (element->next != nullptr ? element->next->prev : headers->tail) = element->prev;
    sapi_free_header(header);
    efree(element);
    --headers->count;
  }
}

void AppendText(smart_str* line, const char* attribute, const char* value) {
  if (value[0] == '\0') return;
  smart_str_appends(line, attribute);
  smart_str_appends(line, value);
}

void AppendLifetime(smart_str* line, zend_long lifetime_s) {
  time_t expires = 0;
  if (lifetime_s <= 0 || __builtin_add_overflow(time(nullptr), lifetime_s, &expires)) return;
  zend_string* date = php_format_date(kDateFormat, sizeof kDateFormat - 1, expires, /*localtime=*/false);
  smart_str_appends(line, COOKIE_EXPIRES);
  smart_str_append(line, date);
  zend_string_release(date);
  smart_str_appends(line, COOKIE_MAX_AGE);
  smart_str_append_long(line, lifetime_s);
}

void AppendAttributes(smart_str* line) {
  AppendLifetime(line, PS(cookie_lifetime));
  AppendText(line, COOKIE_PATH, php_clustered_session_c_string(PS(cookie_path)));
  AppendText(line, COOKIE_DOMAIN, php_clustered_session_c_string(PS(cookie_domain)));
  if (PS(cookie_secure)) smart_str_appends(line, COOKIE_SECURE);
#if PHP_VERSION_ID >= 80500
  if (PS(cookie_partitioned)) smart_str_appends(line, COOKIE_PARTITIONED);
#endif
  if (PS(cookie_httponly)) smart_str_appends(line, COOKIE_HTTPONLY);
  AppendText(line, COOKIE_SAMESITE, php_clustered_session_c_string(PS(cookie_samesite)));
}

bool IsOneHeader(const zend_string* line) {
  size_t size = ZSTR_LEN(line);
  while (size > 0 && isspace(static_cast<unsigned char>(ZSTR_VAL(line)[size - 1])) != 0) --size;  // as PHP cuts it
  return memchr(ZSTR_VAL(line), '\r', size) == nullptr && memchr(ZSTR_VAL(line), '\n', size) == nullptr;
}

bool MaySend(const char* name) {
  if (SG(headers_sent) || strpbrk(name, kForbiddenInName) != nullptr) return false;
#if PHP_VERSION_ID >= 80500
  if (PS(cookie_partitioned) && !PS(cookie_secure)) return false;
#endif
  return true;
}

}  // namespace

std::optional<std::string_view> php_clustered_session_sent_cookie(const char* name) noexcept {
  for (zend_llist_element* element = SG(sapi_headers).headers.tail; element != nullptr; element = element->prev) {
    if (const char* value = AfterName(*reinterpret_cast<sapi_header_struct*>(element->data), name)) {
      return std::string_view(value, strcspn(value, ";"));
    }
  }
  return std::nullopt;
}

void php_clustered_session_send_cookie(const char* name, const char* value) {
  if (!MaySend(name)) return;
  smart_str line = {};
  smart_str_appends(&line, kHeader);
  smart_str_appends(&line, name);
  smart_str_appendc(&line, '=');
  smart_str_appends(&line, value);
  AppendAttributes(&line);
  smart_str_0(&line);
  if (IsOneHeader(line.s)) {
    RemoveSentCookie(name);
    sapi_add_header_ex(estrndup(ZSTR_VAL(line.s), ZSTR_LEN(line.s)), ZSTR_LEN(line.s), /*duplicate=*/0, /*replace=*/0);
  }
  smart_str_free(&line);
}
