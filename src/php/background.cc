// The threads that write what no node has acknowledged: when they start, what they say, and how they end. Layer: php.
// A process has one for each set of credentials that its requests have had, and one for pools that need none.
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "src/base/units.h"
#include "src/php/module.h"
#include "src/session/background_flusher.h"

extern "C" {
#include "SAPI.h"
}

using clustered_session::BackgroundFlusher;
using clustered_session::FlushSeat;
using clustered_session::LocalStore;
using clustered_session::SessionSettings;
using clustered_session::SharedPoolTable;
using clustered_session::SharedState;
using clustered_session::TimePoint;

namespace {

// Of this process, by their seats. A child made by fork() leaves its parent's copies alone, whose locks may be
// anybody's.
std::atomic<BackgroundFlusher*> current[SharedPoolTable::kSeats];
pid_t finished_in = 0;
bool php_runs = false;  // between MINIT and MSHUTDOWN
const SessionSettings* settings_at_start = nullptr;

SharedState* SharedOf(LocalStore* store) { return static_cast<SharedState*>(store->Extra()); }

bool SomethingPending() {
  LocalStore* store = php_clustered_session_made_store();
  return store != nullptr && SharedOf(store)->Pending();
}

// Whether this process lives on when its script has ended, so that it can watch over what nodes lack.
bool StaysAfterRequest() {
  const std::string_view sapi = sapi_module.name;
  const bool is_cgi_script = sapi == "cgi-fcgi" && getenv("REQUEST_METHOD") != nullptr;
  return sapi != "cli" && sapi != "phpdbg" && sapi != "embed" && !is_cgi_script;
}

// Whether a thread of this process may have to watch nodes. Asked for once in a while only.
bool WatchIsDue() {
  static std::atomic<int64_t> next_ns{0};
  const bool reads_news = CSG(settings)->news_interval > clustered_session::Duration::zero();
  if (CSG(settings)->repair_rate == 0 && !reads_news) return false;
  LocalStore* store = php_clustered_session_made_store();
  if (store == nullptr || (!reads_news && !SharedOf(store)->repair.AnyWatched())) return false;
  const int64_t now_ns = clustered_session::ToNanos(php_clustered_session_clock()->Now());
  int64_t due_ns = next_ns.load(std::memory_order_relaxed);
  return now_ns >= due_ns && next_ns.compare_exchange_strong(due_ns, now_ns + 1'000'000'000);
}

SessionSettings WithoutCredentials(SessionSettings settings) {
  settings.username = settings.password = settings.key_file = std::string();
  return settings;
}

// Null if nothing was ever left behind with these credentials.
BackgroundFlusher* FlusherOfThisProcess(LocalStore* store, const SessionSettings& own) {
  SharedPoolTable& pools = SharedOf(store)->pools;
  const FlushSeat* seat = pools.SeatOf(SharedPoolTable::CredentialsHash(own));
  if (seat == nullptr) return nullptr;
  std::atomic<BackgroundFlusher*>* place = &current[seat - pools.seats];
  // A seat that has been given to other credentials. Another thread may be about to wake the old flusher, so that
  // stays; its own thread has ended, or does so when it next looks.
  BackgroundFlusher* seen = place->load();
  if (seen != nullptr && seen->Mine() && !seen->IsOf(own)) place->compare_exchange_strong(seen, nullptr);
  return OfThisProcess(place, [&] {
    return std::make_unique<BackgroundFlusher>(store, php_clustered_session_clock(), own,
                                               php_clustered_session_log_id(), StaysAfterRequest());
  });
}

template <typename Do>
void ForEachOfThisProcess(const Do& what) {
  for (std::atomic<BackgroundFlusher*>& place : current) {
    BackgroundFlusher* flusher = place.load();
    if (flusher != nullptr && flusher->Mine()) what(flusher);
  }
}

// Writes what is left within flush_timeout: of all pools whose credentials this process has.
void FlushRest(LocalStore* store, const SessionSettings& own, TimePoint deadline) {
  (void)FlusherOfThisProcess(store, own);
  (void)FlusherOfThisProcess(store, WithoutCredentials(own));
  ForEachOfThisProcess([&](BackgroundFlusher* flusher) { flusher->FlushAll(deadline); });
}

// The line to log if not all found a node. What another process has at hand is that one's to tell.
bool TellRest(LocalStore* store, const SessionSettings& own, TimePoint deadline, char* line, size_t size) {
  const size_t left = store->UnreplicatedCount();
  if (left == 0) return false;
  bool ours = false;
  ForEachOfThisProcess([&](BackgroundFlusher* flusher) { ours = ours || flusher->AnyOfOurs(); });
  if (ours && php_clustered_session_clock()->Now() < deadline) return false;
  if (ours) {
    snprintf(
        line, size,
        "unwritten sessions: %zu; no node took them within clustered_session.flush_timeout (%s), and they are lost if "
        "this server stops now [CS-UNWRITTEN]",
        left, clustered_session::FormatDuration(own.flush_timeout).c_str());
  } else {
    snprintf(
        line, size,
        "unwritten sessions: %zu; only pools with other credentials can write them, and they are lost if this server "
        "stops before that [CS-UNWRITTEN]",
        left);
  }
  return true;
}

bool Finish(const SessionSettings& own, char* line, size_t size) noexcept {
  LocalStore* store = php_clustered_session_made_store();
  try {
    ForEachOfThisProcess([](BackgroundFlusher* flusher) { flusher->Stop(); });
    if (store == nullptr || finished_in == getpid()) return false;
    finished_in = getpid();
    if (store->UnreplicatedCount() == 0) return false;
    const TimePoint deadline = php_clustered_session_clock()->Now() + own.flush_timeout;
    FlushRest(store, own, deadline);
    return TellRest(store, own, deadline, line, size);
  } catch (const std::exception&) {
    const size_t left = store->UnreplicatedCount();
    snprintf(line, size,
             "unwritten sessions: %zu; there is no memory to write them, and they are lost if this server stops now "
             "[CS-UNWRITTEN]",
             left);
    return left != 0;
  }
}

// The FPM parent ends with exit() and no MSHUTDOWN, after its workers: the last who can write anything. PHP is whole
// then, and has a log. Elsewhere MSHUTDOWN has done it.
struct AtExit {
  ~AtExit() {
    char line[PHP_CLUSTERED_SESSION_MESSAGE_MAX];
    if (settings_at_start == nullptr) return;
    const bool said = Finish(*settings_at_start, line, sizeof line);
    if (php_runs) php_clustered_session_emit_events();
    if (!said) return;
    if (php_runs) {
      php_clustered_session_log("%s", line);
    } else {
      fprintf(stderr, "clustered_session: %s\n", line);
    }
  }
};
const AtExit at_exit;

}  // namespace

void php_clustered_session_keep_start_settings() noexcept {
  finished_in = 0;  // Apache's parent starts anew at each restart
  php_runs = true;
  Guarded([] {
    delete settings_at_start;
    settings_at_start = nullptr;
    settings_at_start = new SessionSettings(*CSG(settings));
  });
}

void php_clustered_session_wake_flusher() noexcept {
  if (!SomethingPending() && !WatchIsDue()) return;
  try {
    LocalStore* store = php_clustered_session_made_store();
    if (BackgroundFlusher* flusher = FlusherOfThisProcess(store, *CSG(settings)); flusher != nullptr) flusher->Wake();
    if (BackgroundFlusher* flusher = FlusherOfThisProcess(store, WithoutCredentials(*CSG(settings)))) flusher->Wake();
  } catch (const std::exception&) {
    // Out of memory: the next request tries again.
  }
}

void php_clustered_session_stop_flusher() noexcept {
  char line[PHP_CLUSTERED_SESSION_MESSAGE_MAX];
  const bool said = Finish(*CSG(settings), line, sizeof line);
  // They are of these settings and this store, and the next start may have others.
  for (std::atomic<BackgroundFlusher*>& place : current) DropObjectOfThisProcess(&place);
  php_clustered_session_emit_events();
  if (said) php_clustered_session_log("%s", line);
  php_runs = false;
}
