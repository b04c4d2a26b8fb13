// The settings clustered_session.*: registered with their scopes, checked when they are set, kept parsed. Layer: php.
// A bad value is refused with a line that names the setting, the value and what is used instead: the value before.
#include <cstring>

#include "src/base/quote.h"
#include "src/php/module.h"
#include "src/php/setting_parsers.h"

extern "C" {
#include "php_ini.h"
}

using clustered_session::kMigrateFromName;
using clustered_session::kMigrateToName;
using clustered_session::kPasswordName;

static const char* Parse(std::string_view name, std::string_view text) {
  const char* wrong = nullptr;
  const bool done = Guarded([&] { wrong = clustered_session::ParseSetting(name, text, CSG(settings)); });
  return done ? wrong : "out of memory";
}

// A script is warned of what it sets itself. All else is for the log: what PHP shows before a script runs would be in
// the output of a cron job.
static void Refuse(int stage, const char* line) {
  if (stage == ZEND_INI_STAGE_RUNTIME) {
    zend_error(E_WARNING, "%s", line);
  } else {
    php_clustered_session_log("%s [CS-SETTING]", line);
  }
}

static std::string_view ValueInUse(const zend_ini_entry* entry);

// What is wrong with a value and which one is used instead, in one line.
static std::string Refusal(const zend_ini_entry* entry, std::string_view text, const char* wrong) {
  const std::string_view name = View(entry->name);
  const bool secret = name == kPasswordName || name == kMigrateFromName || name == kMigrateToName;
  std::string_view used = ValueInUse(entry);
  if (used.empty()) {
    used = name == "clustered_session.server_id" ? "the host's name" : "none";
  } else if (secret) {
    used = "the one before";
  }
  std::string line(name);
  line.append(": invalid value");
  if (!secret) line.append(" ").append(clustered_session::Quote(text));
  return line.append(": ").append(wrong).append("; using ").append(used);
}

static PHP_INI_MH(OnUpdateSetting) {
  (void)mh_arg1;
  (void)mh_arg2;
  (void)mh_arg3;
  const std::string_view name = View(entry->name);
  const std::string_view text = new_value == nullptr ? std::string_view() : View(new_value);
  const bool late = stage != ZEND_INI_STAGE_STARTUP && stage != ZEND_INI_STAGE_SHUTDOWN;
  const char* wrong = late && name == "clustered_session.local_memory"
                          ? "all pools share it, so it can only be set in php.ini"
                          : Parse(name, text);
  if (wrong == nullptr) {
    ++CSG(settings_generation);
    return SUCCESS;
  }
  Guarded([&] { php_clustered_session_keep_message(Refusal(entry, text, wrong)); });
  Refuse(stage, CSG(message));
  return FAILURE;
}

// phpinfo() shows whether there is a password, and no more.
static ZEND_INI_DISP(DisplayPassword) {
  const zend_string* value =
      type == ZEND_INI_DISPLAY_ORIG && ini_entry->modified ? ini_entry->orig_value : ini_entry->value;
  php_printf("%s", value != nullptr && ZSTR_LEN(value) > 0 ? "********" : "no value");
}

// Of "<handler>:<save_path>" the handler, as the path may have a password.
static ZEND_INI_DISP(DisplayHandler) {
  const zend_string* value =
      type == ZEND_INI_DISPLAY_ORIG && ini_entry->modified ? ini_entry->orig_value : ini_entry->value;
  if (value == nullptr || ZSTR_LEN(value) == 0) {
    php_printf("no value");
  } else {
    php_printf("%.*s:********", static_cast<int>(strcspn(ZSTR_VAL(value), ":")), ZSTR_VAL(value));
  }
}

#define SETTING(name, default_value, scope) \
  PHP_INI_ENTRY("clustered_session." name, default_value, scope, OnUpdateSetting)

// Scopes. PHP_INI_SYSTEM: what the server has once. PHP_INI_PERDIR: what scripts of one pool have to agree on, or what
// takes something from others: waits at nodes and their memory, shared memory. PHP_INI_ALL: what a script decides for
// its own session and its own worker's time.
PHP_INI_BEGIN()
SETTING("server_id", "", PHP_INI_SYSTEM)
SETTING("copies", "2", PHP_INI_PERDIR)
SETTING("local_memory", "64M", PHP_INI_SYSTEM)
SETTING("local_trust", "10s", PHP_INI_ALL)
SETTING("takeover_grace", "60s", PHP_INI_ALL)
SETTING("affinity", "cookie", PHP_INI_PERDIR)
SETTING("lock", "local", PHP_INI_ALL)
SETTING("lock_wait", "30s", PHP_INI_ALL)
SETTING("lock_waiters_max", "32", PHP_INI_ALL)
SETTING("connect_timeout", "100ms", PHP_INI_PERDIR)
SETTING("operation_timeout", "250ms", PHP_INI_PERDIR)
SETTING("retry_interval", "2s", PHP_INI_PERDIR)
SETTING("write", "through", PHP_INI_ALL)
SETTING("behind_max", "10000", PHP_INI_PERDIR)
SETTING("flush_timeout", "5s", PHP_INI_SYSTEM)
SETTING("repair_rate", "2000", PHP_INI_SYSTEM)
SETTING("repair_listing", "1", PHP_INI_SYSTEM)
SETTING("news_interval", "500ms", PHP_INI_SYSTEM)
SETTING("on_conflict", "merge", PHP_INI_ALL)
SETTING("prefix", "cs:", PHP_INI_PERDIR)
SETTING("authentication", "text", PHP_INI_PERDIR)
SETTING("username", "", PHP_INI_PERDIR)
SETTING("password", "", PHP_INI_PERDIR)
SETTING("key_file", "", PHP_INI_PERDIR)
SETTING("encryption", "require", PHP_INI_PERDIR)
SETTING("cipher", "auto", PHP_INI_PERDIR)
SETTING("signed_ids", "make", PHP_INI_PERDIR)
SETTING("compression_level", "0", PHP_INI_PERDIR)
SETTING("compression_threshold", "2K", PHP_INI_PERDIR)
SETTING("migrate_from", "", PHP_INI_PERDIR)
SETTING("migrate_to", "", PHP_INI_PERDIR)
SETTING("migrate_shared", "off", PHP_INI_PERDIR)
SETTING("migrate_id", "same", PHP_INI_PERDIR)
SETTING("tls_ca_file", "", PHP_INI_PERDIR)
SETTING("tls_certificate", "", PHP_INI_PERDIR)
SETTING("tls_key", "", PHP_INI_PERDIR)
SETTING("tls_server_name", "", PHP_INI_PERDIR)
SETTING("tls_verify", "full", PHP_INI_PERDIR)
PHP_INI_END()

// While PHP starts, an entry has no value yet: then it is the default's turn.
static std::string_view ValueInUse(const zend_ini_entry* entry) {
  if (entry->value != nullptr) return View(entry->value);
  for (const zend_ini_entry_def* each = ini_entries; each->name != nullptr; ++each) {
    if (std::string_view(each->name, each->name_length) == std::string_view(ZSTR_VAL(entry->name))) {
      return {each->value, each->value_length};
    }
  }
  return {};
}

void php_clustered_session_register_ini(int type, int module_number) {
  (void)type;
  zend_register_ini_entries(ini_entries, module_number);
  zend_ini_register_displayer(kPasswordName, strlen(kPasswordName), DisplayPassword);
  for (const char* name : {kMigrateFromName, kMigrateToName}) {
    zend_ini_register_displayer(name, strlen(name), DisplayHandler);
  }
}

void php_clustered_session_unregister_ini(int type, int module_number) {
  (void)type;
  zend_unregister_ini_entries(module_number);
}
