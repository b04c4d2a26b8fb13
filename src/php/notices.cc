// What the core has to say, said through PHP: warnings to the script, notices to the error log. Layer: php.
#include <syslog.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstring>
#include <ctime>
#include <optional>

#include "src/base/process_number.h"
#include "src/base/session_key.h"
#include "src/php/module.h"

using clustered_session::Notice;
using clustered_session::Session;
using clustered_session::SharedEventLog;
using clustered_session::SharedState;

static SharedEventLog* Events() {
  return &static_cast<SharedState*>(php_clustered_session_made_store()->Extra())->events;
}

// Of the user, and of error_log as php.ini or the pool has it: what a script sets is not asked.
uint64_t php_clustered_session_log_id() {
  static std::atomic<uint64_t> known{0};
  static std::atomic<uint64_t> known_in{0};
  const uint64_t here = clustered_session::ProcessNumber() + 1;  // never 0; the kernel is asked by no request
  if (known_in.load() == here) return known.load();
  const char* error_log = zend_ini_string("error_log", sizeof "error_log" - 1, /*orig=*/1);
  const uid_t user = geteuid();
  const uint64_t id = clustered_session::Hash128({}, error_log == nullptr ? "" : error_log,
                                                 {reinterpret_cast<const char*>(&user), sizeof user})
                          .Hash64();
  known.store(id);
  known_in.store(here);
  return id;
}

static void LogEvent(const std::string& text) {
  Events()->Add(php_clustered_session_log_id(), php_clustered_session_clock()->Now(), text);
}

static void NoteWarning() noexcept {
  if (php_clustered_session_made_store() == nullptr) return;
  Guarded([] {
    Events()->NoteWarning(php_clustered_session_log_id(), php_clustered_session_clock()->Now(), CSG(message));
  });
}

void php_clustered_session_keep_message(const std::string& text) noexcept {
  const size_t size = text.size() < sizeof CSG(message) ? text.size() : sizeof CSG(message) - 1;
  memcpy(CSG(message), text.data(), size);
  CSG(message)[size] = '\0';
}

// Warnings wait for the second phase; lines for the log go to where those of all workers are in order.
void php_clustered_session_keep_notices(Session* session) noexcept {
  if (!session->HasNotices()) return;
  try {
    for (Notice& notice : session->TakeNotices()) {
      if (notice.warning) {
        CSG(notices)->push_back(std::move(notice));
      } else {
        LogEvent(notice.text);
      }
    }
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

void php_clustered_session_log_once(std::atomic<uint32_t>* told, const char* text) noexcept {
  if (told->load(std::memory_order_relaxed) != 0 || told->exchange(1) != 0) return;
  Guarded([&] { LogEvent(text); });
}

void php_clustered_session_log_warnings() noexcept {
  Guarded([] {
    for (const Notice& notice : std::exchange(*CSG(notices), {})) LogEvent(notice.text);
  });
}

// Each moves one line into the message buffer, so that nothing with a destructor is on the stack when PHP is called.
static bool NextWarning() noexcept {
  if (CSG(notices) == nullptr || CSG(notices)->empty()) return false;
  php_clustered_session_keep_message(CSG(notices)->front().text);
  CSG(notices)->erase(CSG(notices)->begin());
  return true;
}

static bool NextEvent() noexcept {
  if (php_clustered_session_made_store() == nullptr) return false;
  bool any = false;
  Guarded([&] {
    const std::optional<Notice> event = Events()->Take(php_clustered_session_log_id());
    if (!event) return;
    any = true;
    php_clustered_session_keep_message(event->text);  // without its time, if memory ends now
    php_clustered_session_keep_message(TextOf(*event, php_clustered_session_clock()->Now(), time(nullptr)));
  });
  return any;
}

void php_clustered_session_emit_events() {
  while (NextEvent()) php_clustered_session_log("%s", CSG(message));
}

void php_clustered_session_warn() {
  NoteWarning();
  php_error_docref(nullptr, E_WARNING, "%s", CSG(message));
}

// The events first: a warning's handler may not return.
void php_clustered_session_emit_notices() {
  php_clustered_session_emit_events();
  while (NextWarning()) php_clustered_session_warn();
}
