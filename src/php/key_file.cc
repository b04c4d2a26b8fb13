// The key file of php.ini is read when PHP starts, and clustered_session_new_key() makes lines for one. Layer: php.
#include "src/base/keyring.h"
#include "src/php/module.h"
#include "src/session/key_files.h"

extern "C" {
#include "zend_exceptions.h"
}

using clustered_session::Keyring;
using clustered_session::Status;

// Before workers are forked, which may be of users who cannot read it. A bad file is no reason not to start: sessions
// fail until it is good, or go on with the keys of the start before, where Apache has only restarted.
void php_clustered_session_read_key_file() {
  bool failed = false;
  const bool done = Guarded([&] {
    const std::string& path = CSG(settings)->key_file;
    if (path.empty()) return;
    const Status status = clustered_session::ReadKeyFileAnew(path);
    failed = !status.ok();
    if (failed) php_clustered_session_keep_message("clustered_session.key_file: " + status.error().message());
  });
  if (failed || !done) php_clustered_session_log("%s [CS-KEY-FILE]", CSG(message));
}

PHP_FUNCTION(clustered_session_new_key) {
  zend_string* name;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_STR(name)
  ZEND_PARSE_PARAMETERS_END();
  const std::string_view view = View(name);
  if (!clustered_session::ValidKeyName(view)) {
    zend_argument_value_error(1, "must be 1 to 32 of A-Z, a-z, 0-9, \"_\" and \"-\"");
    RETURN_THROWS();
  }
  zend_string* line = nullptr;
  const bool done = Guarded([&] {
    std::string made = clustered_session::NewKeyLine(view);
    line = zend_string_init(made.data(), made.size(), 0);
    sodium_memzero(made.data(), made.size());
  });
  if (!done) {
    zend_throw_error(nullptr, "%s", CSG(message));
    RETURN_THROWS();
  }
  RETURN_STR(line);
}
