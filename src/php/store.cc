// The server's segment: when it is made, and what becomes of it when PHP stops and starts within a process. Layer: php.
//
// Whoever forks workers has it at its start, so that they share it. A command line is a server only if it wants to: its
// segment is made at its first session, at the status, or when it forks, whichever comes first. Until then it maps
// nothing.
//
// Apache's parent runs MSHUTDOWN and MINIT at each restart, graceful or not. The module stays loaded (-z nodelete), and
// so does the segment: old and new workers share sessions, locks and what is still to be written. Only another
// local_memory takes a new one; old workers then keep theirs, and write what is left in it as they end.
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <mutex>

#include "src/php/module.h"

extern "C" {
#include "SAPI.h"
}

using clustered_session::LocalStore;
using clustered_session::Result;
using clustered_session::SharedState;

namespace {

std::mutex making;  // of all that follows, while it changes
std::atomic<LocalStore*> local_store{nullptr};
size_t wanted_memory = 0;                         // bytes: local_memory as it was at the start
size_t made_memory = 0;                           // what local_store was made with
char failure[PHP_CLUSTERED_SESSION_MESSAGE_MAX];  // why there is none; empty: nobody has tried

void Fail(const char* why) { snprintf(failure, sizeof failure, "%s", why); }

// REQUIRES: `making` is held. Uses nothing of PHP: a thread of any kind may fork.
void Make() noexcept {
  try {
    Result<std::unique_ptr<LocalStore>> made = LocalStore::Create(wanted_memory, sizeof(SharedState));
    if (!made.ok()) return Fail(made.error().message().c_str());
    if (!static_cast<SharedState*>((*made)->Extra())->Init()) {
      return Fail("this system has no robust mutexes between processes");
    }
    made_memory = wanted_memory;
    local_store.store(std::move(*made).release());
  } catch (const std::exception& exception) {
    Fail(exception.what());
  }
}

// Once made it stays, so a child never waits for `making`, which another thread of its parent may have held.
void MakeOnce() {
  if (local_store.load() != nullptr) return;
  const std::lock_guard<std::mutex> guard(making);
  if (local_store.load() == nullptr && failure[0] == '\0') Make();
}

bool IsCommandLine() { return strcmp(sapi_module.name, "cli") == 0; }

void MakeBeforeFork() {
  static bool registered = false;
  if (!registered) registered = pthread_atfork(MakeOnce, nullptr, nullptr) == 0;
}

}  // namespace

LocalStore* php_clustered_session_made_store() { return local_store.load(); }

LocalStore* php_clustered_session_store() noexcept {
  MakeOnce();
  if (local_store.load() == nullptr) {
    snprintf(CSG(message), sizeof CSG(message),
             "no shared memory for local copies: %.400s; lower clustered_session.local_memory [CS-MEMORY]", failure);
  }
  return local_store.load();
}

void php_clustered_session_start_store() {
  wanted_memory = CSG(local_memory);
  failure[0] = '\0';
  if (local_store.load() != nullptr && made_memory != wanted_memory) delete local_store.exchange(nullptr);
  if (IsCommandLine()) {
    MakeBeforeFork();
  } else if (php_clustered_session_store() == nullptr) {
    php_clustered_session_log("%s", CSG(message));
  }
}
