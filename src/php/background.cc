// The thread that writes what no node has acknowledged: when it starts, what it says, and how it ends. Layer: php.
#include <unistd.h>

#include "src/base/units.h"
#include "src/php/php_clustered_session.h"
#include "src/session/background_flusher.h"

using clustered_session::BackgroundFlusher;
using clustered_session::LocalStore;
using clustered_session::Notice;
using clustered_session::SessionSettings;
using clustered_session::SharedState;

namespace {

// Of this process. A child made by fork() leaves its parent's copy alone, whose locks may be anybody's.
std::atomic<BackgroundFlusher*> current{nullptr};
pid_t finished_in = 0;
const SessionSettings* settings_at_start = nullptr;

BackgroundFlusher* FlusherOfThisProcess(const SessionSettings& own) {
  return OfThisProcess(&current, [&] {
    return std::make_unique<BackgroundFlusher>(php_clustered_session_store(), php_clustered_session_clock(), own);
  });
}

bool SomethingPending() {
  LocalStore* store = php_clustered_session_made_store();
  return store != nullptr && static_cast<SharedState*>(store->Extra())->flush.pending.load() != 0;
}

// Writes what is left within flush_timeout; the line to log if not all found a node.
bool Finish(const SessionSettings& own, char* line, size_t size) noexcept {
  bool said = false;
  try {
    BackgroundFlusher* flusher = current.load();
    const bool mine = flusher != nullptr && flusher->Mine();
    if (mine) flusher->Stop();
    if (finished_in == getpid()) return false;
    finished_in = getpid();
    if (!SomethingPending()) return false;
    if (!mine) flusher = FlusherOfThisProcess(own);
    const size_t left = flusher->FlushAll(php_clustered_session_clock()->Now() + own.flush_timeout);
    if (left == 0) return false;
    snprintf(line, size,
             "sessions that found no node within clustered_session.flush_timeout (%s), and are lost if this server "
             "stops now: %zu",
             clustered_session::FormatDuration(own.flush_timeout).c_str(), left);
    said = true;
  } catch (const std::exception&) {
    // Out of memory at the end of the process.
  }
  return said;
}

// The FPM parent ends with exit() and no MSHUTDOWN, after its workers: the last who can write anything. Where PHP
// unloads the module, this runs then, after MSHUTDOWN has done it.
struct AtExit {
  ~AtExit() {
    char line[PHP_CLUSTERED_SESSION_MESSAGE_MAX];
    if (settings_at_start == nullptr) return;
    if (Finish(*settings_at_start, line, sizeof line)) fprintf(stderr, "clustered_session: %s\n", line);
  }
};
const AtExit at_exit;

}  // namespace

void php_clustered_session_keep_start_settings() noexcept {
  finished_in = 0;  // Apache's parent starts anew at each restart
  Guarded([] {
    delete settings_at_start;
    settings_at_start = nullptr;
    settings_at_start = new SessionSettings(*CSG(settings));
  });
}

void php_clustered_session_wake_flusher() noexcept {
  BackgroundFlusher* flusher = current.load();
  const bool something_said = flusher != nullptr && flusher->HasNotices() && flusher->Mine();
  if (!something_said && !SomethingPending()) return;
  try {
    flusher = FlusherOfThisProcess(*CSG(settings));
    flusher->Wake();
    for (Notice& notice : flusher->TakeNotices()) CSG(notices)->push_back(std::move(notice));
  } catch (const std::exception&) {
    // Out of memory: the next request tries again.
  }
}

void php_clustered_session_stop_flusher() noexcept {
  char line[PHP_CLUSTERED_SESSION_MESSAGE_MAX];
  const bool said = Finish(*CSG(settings), line, sizeof line);
  DropObjectOfThisProcess(&current);  // it is of these settings and this store, and the next start may have others
  if (said) php_clustered_session_log("%s", line);
}
