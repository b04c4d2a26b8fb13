// What the core has to say, said through PHP: warnings to the script, notices to the error log. Layer: php.
#include <syslog.h>

#include <cstdarg>
#include <cstring>
#include <ctime>

#include "src/php/php_clustered_session.h"

using clustered_session::Notice;
using clustered_session::Session;

void php_clustered_session_keep_message(const std::string& text) noexcept {
  const size_t size = text.size() < sizeof CSG(message) ? text.size() : sizeof CSG(message) - 1;
  memcpy(CSG(message), text.data(), size);
  CSG(message)[size] = '\0';
}

void php_clustered_session_keep_notices(Session* session) noexcept {
  if (!session->HasNotices()) return;
  try {
    for (Notice& notice : session->TakeNotices()) CSG(notices)->push_back(std::move(notice));
  } catch (const std::exception&) {
    // Out of memory for a message: the session itself is well.
  }
}

void php_clustered_session_log(const char* format, ...) {
  char text[PHP_CLUSTERED_SESSION_MESSAGE_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  char line[sizeof text + sizeof "clustered_session: "];
  snprintf(line, sizeof line, "clustered_session: %s", text);
  php_log_err_with_severity(line, LOG_WARNING);
}

// Moves the next notice into the message buffer, so that nothing with a destructor is on the stack when PHP is called.
static bool NextNotice(bool* warning) noexcept {
  if (CSG(notices) == nullptr || CSG(notices)->empty()) return false;
  const Notice& next = CSG(notices)->front();
  *warning = next.warning;
  if (!Guarded([&] {
        php_clustered_session_keep_message(TextOf(next, php_clustered_session_clock()->Now(), time(nullptr)));
      })) {
    php_clustered_session_keep_message(next.text);  // out of memory: without its time
  }
  CSG(notices)->erase(CSG(notices)->begin());
  return true;
}

void php_clustered_session_emit_notices() {
  bool warning = false;
  while (NextNotice(&warning)) {
    if (warning) {
      php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
      continue;
    }
    php_clustered_session_log("%s", CSG(message));
  }
}
