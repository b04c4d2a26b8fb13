// The affinity cookie `<session name>_AT`: which server served this client's session last. Layer: php.
// It has the session cookie's attributes and is sent only when it changes. The balancer may route by it.
//
// The cookie speaks for one session: the one whose ID came in the session cookie of the same name, or for which this
// response has sent it. A script can open other sessions in the same request. For those it says nothing.
#include <cstring>

#include "src/php/cookie_header.h"
#include "src/php/module.h"

extern "C" {
#include "SAPI.h"
}

using clustered_session::AffinityCookie;

namespace {

constexpr char kSuffix[] = "_AT";

const char* SessionName() { return php_clustered_session_c_string(PS(session_name)); }

// The cookie's name in `name`. False for a session name that is too long: it gets no affinity cookie.
bool CookieName(char (&name)[PHP_CLUSTERED_SESSION_COOKIE_NAME_MAX]) {
  const size_t length = strlen(SessionName());
  if (length + sizeof kSuffix > sizeof name) return false;
  memcpy(name, SessionName(), length);
  memcpy(name + length, kSuffix, sizeof kSuffix);
  return true;
}

// What the client has sent under this name; empty if nothing.
std::string_view ReceivedCookie(const char* name) {
  const zval* cookies = &PG(http_globals)[TRACK_VARS_COOKIE];
  if (Z_TYPE_P(cookies) != IS_ARRAY) return {};
  const zval* cookie = zend_hash_str_find(Z_ARRVAL_P(cookies), name, strlen(name));
  if (cookie == nullptr || Z_TYPE_P(cookie) != IS_STRING) return {};
  return {Z_STRVAL_P(cookie), Z_STRLEN_P(cookie)};
}

// The claim for the session `id`. A worker mode keeps CSG(sent_affinity) over requests, hence the look at the response.
std::string_view ClaimFor(std::string_view id, const char* cookie_name) {
  const SentAffinity& sent = *CSG(sent_affinity);
  const std::optional<std::string_view> in_response = php_clustered_session_sent_cookie(cookie_name);
  if (in_response && *in_response == sent.value && sent.session_id == id) return *in_response;
  return ReceivedCookie(SessionName()) == id ? ReceivedCookie(cookie_name) : std::string_view();
}

}  // namespace

void php_clustered_session_show_claim(clustered_session::Session* session, std::string_view id) {
  char name[PHP_CLUSTERED_SESSION_COOKIE_NAME_MAX];
  std::optional<AffinityCookie> claim;
  if (PS(use_cookies) && CookieName(name)) claim = clustered_session::ParseAffinity(ClaimFor(id, name));
  session->SetClaim(std::move(claim));
}

bool php_clustered_session_due_affinity(const clustered_session::Session& session, std::string_view id,
                                        AffinityHeader* due) {
  if (!PS(use_cookies) || SG(headers_sent) || !CookieName(due->name)) return false;
  const std::optional<AffinityCookie> cookie = session.Affinity();
  if (!cookie) return false;
  std::string value = clustered_session::FormatAffinity(*cookie);
  // What the client will have if nothing is sent.
  const std::optional<std::string_view> in_response = php_clustered_session_sent_cookie(due->name);
  const std::string_view otherwise = in_response ? *in_response : ReceivedCookie(due->name);
  if (value.size() >= sizeof due->value) return false;
  const bool changes = otherwise != value;
  memcpy(due->value, value.c_str(), value.size() + 1);
  if (changes || in_response) *CSG(sent_affinity) = {std::string(id), std::move(value)};
  return changes;
}
