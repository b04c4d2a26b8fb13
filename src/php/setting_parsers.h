// The values that the settings clustered_session.* may have. Layer: php.
#ifndef CLUSTERED_SESSION_PHP_SETTING_PARSERS_H_
#define CLUSTERED_SESSION_PHP_SETTING_PARSERS_H_

#include <string_view>

#include "src/session/context.h"

namespace clustered_session {

// Settings whose values are in no message: the old handler's save_path may have a password.
inline constexpr const char* kPasswordName = "clustered_session.password";
inline constexpr const char* kMigrateFromName = "clustered_session.migrate_from";
inline constexpr const char* kMigrateToName = "clustered_session.migrate_to";

// Takes the value of the setting `name`, with its prefix, over into `settings`;
// local_memory, which is none of a pool, into the module's globals. Returns null, or what is wrong with the
// value: static text; then all is as before. Out of memory it throws std::bad_alloc.
const char* ParseSetting(std::string_view name, std::string_view text, SessionSettings* settings);

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_PHP_SETTING_PARSERS_H_
