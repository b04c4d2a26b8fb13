// The handler that sessions migrate from or to, see migration.h. Layer: php.
#include "src/php/migration.h"

#include <sys/stat.h>

#include <ctime>

#include "src/base/session_id.h"
#include "src/php/cookie_header.h"
#include "src/php/old_handler_call.h"

extern "C" {
#include "main/php_open_temporary_file.h"
#include "zend_exceptions.h"
}

using clustered_session::OldHandlerAddress;
using clustered_session::OldHandlerDecision;
using clustered_session::OldHandlerHealth;
using clustered_session::OldHandlerView;
using clustered_session::SharedMigration;
using clustered_session::SharedState;
using clustered_session::TimePoint;

namespace {

SharedState* SharedByAll() { return static_cast<SharedState*>(php_clustered_session_made_store()->Extra()); }
clustered_session::Counters& Counts() { return php_clustered_session_made_store()->counters(); }
TimePoint NowHere() { return php_clustered_session_clock()->Now(); }

// PHP's files handler does not look at the time: what its garbage collection has not removed yet is read as well.
bool FileIsOver(std::string_view save_path, std::string_view id, zend_long lifetime_s) {
  size_t depth = 0;
  const size_t last = save_path.rfind(';');
  if (last != std::string_view::npos) {
    depth = static_cast<size_t>(strtoul(std::string(save_path.substr(0, last)).c_str(), nullptr, 10));
    save_path.remove_prefix(last + 1);
  }
  std::string path(save_path.empty() ? std::string_view(php_get_temporary_directory()) : save_path);
  for (size_t i = 0; i < depth && i < id.size(); ++i) path.append("/").append(1, id[i]);
  path.append("/sess_").append(id);
  struct stat file = {};
  return stat(path.c_str(), &file) == 0 && time(nullptr) - file.st_mtime > lifetime_s;
}

uint64_t NameOf(const OldHandlerAddress& address, std::string_view id) {
  const std::string space = CSG(settings)->prefix + '\n' + address.handler + ':' + address.save_path;
  return clustered_session::Hash128({}, space, id).Hash64();
}

OldHandlerView* ViewHere(const OldHandlerAddress& address) {
  return SharedByAll()->migration.ViewOf(address, CSG(settings)->prefix, NowHere());
}

// What precedes and follows a call, without the engine.
struct Turn {
  OldHandlerView* view;
  int call;
  OldHandlerDecision decision;
  bool failed;  // already before it, so that the log has a line of it
};

constexpr char kLeftAlone[] = "it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]";

Turn TakeTurn(const OldHandlerAddress& address) {
  Turn turn{nullptr, -1, OldHandlerDecision::kLeaveAlone, false};
  bool begins = false;
  Guarded([&] {
    turn.view = ViewHere(address);
    turn.decision = turn.view->health.Decide(NowHere(), CSG(settings)->retry_interval, &begins);
    turn.failed = turn.view->health.Fails();
    if (turn.decision == OldHandlerDecision::kAsk) turn.call = turn.view->health.Begin(NowHere());
  });
  if (begins) {
    php_clustered_session_log("the save handler \"%.64s\" hangs: %d requests wait in it; %s", address.handler.c_str(),
                              OldHandlerHealth::kCalls, kLeftAlone);
  }
  return turn;
}

// Each time that it begins to fail, and answers again, the log has a line.
void EndTurn(const Turn& turn, const OldHandlerCall& call) {
  turn.view->health.End(turn.call);
  if (call.ok) {
    if (!turn.view->health.NoteAnswer()) return;
    php_clustered_session_log(
        "the save handler \"%.64s\" answers again; writes and ends that did not reach it from this server: %u "
        "[CS-MIGRATION-UP]",
        call.address->handler.c_str(), static_cast<unsigned>(turn.view->unmirrored.exchange(0)));
    return;
  }
  Counts().migration_errors.Add();
  if (call.answered) return;  // a session that is too large, say, is no failure for other sessions
  const bool locked = call.id != nullptr && strstr(CSG(message), "lock") != nullptr;
  bool begins = false;
  Guarded([&] {
    OldHandlerHealth& health = turn.view->health;
    begins =
        locked ? health.NoteLocked(NameOf(*call.address, View(call.id)), NowHere()) : health.NoteFailure(NowHere());
  });
  if (begins) php_clustered_session_log("%s; %s", CSG(message), kLeftAlone);
}

void RunInTurn(OldHandlerCall* call, const Turn& turn) {
  call->health = &turn.view->health;
  call->place = turn.call;
  php_clustered_session_run_old_handler(call);
  EndTurn(turn, *call);
  if (!call->ok) php_clustered_session_close_failed_old_handler(*call);
}

// A call that is not made where it would be in vain, or with an exception pending: then it is not ok.
Turn Mirror(OldHandlerCall* call) {
  const Turn turn = TakeTurn(*call->address);
  if (turn.decision == OldHandlerDecision::kAsk && EG(exception) == nullptr) {
    RunInTurn(call, turn);
  } else {
    turn.view->health.End(turn.call);
    Counts().migration_errors.Add();
  }
  if (call->ok) {
    Counts().mirrored.Add();
  } else {
    turn.view->unmirrored.fetch_add(1, std::memory_order_relaxed);
  }
  return turn;
}

// Of a call that failed: once where the old handler begins to fail. Later ones only repeat what the log has said.
bool TellsScript(const Turn& turn) {
  return turn.decision == OldHandlerDecision::kAsk && !turn.failed && EG(exception) == nullptr;
}

// The handlers that hear of a session's end; null: none.
struct Mirrors {
  const OldHandlerAddress* addresses[2];
};
Mirrors MirroredTo() {
  const OldHandlerAddress* from = &CSG(settings)->migrate_from;
  const OldHandlerAddress* to = &CSG(settings)->migrate_to;
  return {{from->empty() || *from == *to ? nullptr : from, to->empty() ? nullptr : to}};
}

bool FailsNow(const OldHandlerAddress& address) {
  bool fails = true;
  Guarded([&] { fails = ViewHere(address)->health.Fails(); });
  return fails;
}

// A first phase. False: there is none.
bool TakeUntoldEnd(const OldHandlerAddress& address, char (&id)[clustered_session::kSessionIdLengthMax + 1]) {
  id[0] = '\0';
  Guarded([&] {
    const std::string taken = SharedByAll()->migration.untold.Take(ViewHere(address)->key);
    snprintf(id, sizeof id, "%s", taken.c_str());
  });
  return id[0] != '\0';
}

void AppendToMessage(const char* text) {
  const size_t length = strlen(CSG(message));
  snprintf(CSG(message) + length, sizeof CSG(message) - length, "%s", text);
}

void KeepLeftAlone(const OldHandlerAddress& address) {
  Guarded([&] {
    php_clustered_session_keep_message("the save handler \"" + address.handler + "\" fails and is left alone for now");
  });
}

}  // namespace

bool php_clustered_session_know_old_handlers() {
  for (const auto& [name, address] :
       {std::pair("migrate_from", &CSG(settings)->migrate_from), std::pair("migrate_to", &CSG(settings)->migrate_to)}) {
    if (address->empty() || php_clustered_session_old_module(*address) != nullptr) continue;
    snprintf(CSG(message), sizeof CSG(message),
             "clustered_session.%s: PHP has no save handler \"%.64s\": load the extension that registers it "
             "[CS-MIGRATE-SETTING]",
             name, address->handler.c_str());
    return false;
  }
  if (!CSG(settings)->migrate_shared || CSG(settings)->SharesWithOldHandler()) return true;
  snprintf(
      CSG(message), sizeof CSG(message),
      "clustered_session.migrate_shared needs migrate_from and migrate_to with the same value [CS-MIGRATE-SETTING]");
  return false;
}

OldAnswer php_clustered_session_ask_old_handler(zend_string* id, zend_long lifetime_s, zend_string** payload) {
  const OldHandlerAddress& address = CSG(settings)->migrate_from;
  uint64_t session = 0;
  bool missed = false;
  const bool shares = CSG(settings)->SharesWithOldHandler();
  Guarded([&] {
    session = NameOf(address, View(id));
    missed = !shares && SharedByAll()->migration.misses.Has(session, NowHere(), SharedMigration::kMissRemembered);
    missed =
        missed || SharedByAll()->migration.unmirrored.Has(session, NowHere(), SharedMigration::kUnmirroredRemembered);
    if (!missed && address.handler == "files") missed = FileIsOver(address.save_path, View(id), lifetime_s);
  });
  if (missed) return OldAnswer::kSkipped;
  const Turn turn = TakeTurn(address);
  if (turn.decision == OldHandlerDecision::kGone) return OldAnswer::kSkipped;
  if (turn.decision == OldHandlerDecision::kLeaveAlone) {
    KeepLeftAlone(address);
    return OldAnswer::kUnknown;
  }
  OldHandlerCall call =
      php_clustered_session_old_handler_call(OldHandlerOperation::kRead, address, id, nullptr, lifetime_s);
  RunInTurn(&call, turn);
  if (!call.ok) {
    if (call.payload != nullptr) zend_string_release_ex(call.payload, 0);
    return OldAnswer::kUnknown;
  }
  if (!shares) php_clustered_session_close_old_handler();
  if (!call.exists) {
    SharedByAll()->migration.misses.Add(session, NowHere());
    return OldAnswer::kNone;
  }
  turn.view->last_migrated_at_ns.store(clustered_session::ToNanos(NowHere()));
  *payload = call.payload;
  return OldAnswer::kHas;
}

bool php_clustered_session_mirror_write(zend_string* id, zend_string* payload, zend_long lifetime_s) {
  const OldHandlerAddress& address = CSG(settings)->migrate_to;
  if (address.empty()) return false;
  uint64_t session = 0;
  Guarded([&] { session = NameOf(address, View(id)); });
  OldHandlerCall call =
      php_clustered_session_old_handler_call(OldHandlerOperation::kWrite, address, id, payload, lifetime_s);
  const Turn turn = Mirror(&call);
  if (call.ok) {
    SharedByAll()->migration.unmirrored.Remove(session, NowHere());
    Guarded([&] { SharedByAll()->migration.untold.Remove(turn.view->key, View(id)); });
    return true;
  }
  SharedByAll()->migration.unmirrored.Add(session, NowHere());
  if (TellsScript(turn)) {
    AppendToMessage("; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]");
    php_clustered_session_warn();
  }
  return false;
}

void php_clustered_session_mirror_destroy(zend_string* id) {
  for (const OldHandlerAddress* address : MirroredTo().addresses) {
    if (address == nullptr) continue;
    OldHandlerCall call =
        php_clustered_session_old_handler_call(OldHandlerOperation::kDestroy, *address, id, nullptr, 0);
    const Turn turn = Mirror(&call);
    if (call.ok) continue;
    Guarded([&] { SharedByAll()->migration.untold.Add(turn.view->key, View(id)); });
    if (TellsScript(turn)) {
      AppendToMessage("; the session that was destroyed may still be there [CS-MIGRATE-END]");
      php_clustered_session_warn();
    }
  }
}

void php_clustered_session_mirror_untold_ends() {
  constexpr int kAtOnce = 8;  // for one request, after its own session's close
  for (const OldHandlerAddress* address : MirroredTo().addresses) {
    for (int i = 0; address != nullptr && i < kAtOnce && !FailsNow(*address); ++i) {
      char id[clustered_session::kSessionIdLengthMax + 1];
      if (!TakeUntoldEnd(*address, id)) break;
      zend_string* name = zend_string_init(id, strlen(id), 0);
      OldHandlerCall call =
          php_clustered_session_old_handler_call(OldHandlerOperation::kDestroy, *address, name, nullptr, 0);
      const Turn turn = Mirror(&call);
      if (!call.ok) Guarded([&] { SharedByAll()->migration.untold.Add(turn.view->key, View(name)); });
      zend_string_release_ex(name, 0);
      if (!call.ok) break;
    }
  }
  php_clustered_session_close_old_handler();
}

void php_clustered_session_close_old_handler() {
  if (CSG(old_module) == nullptr) return;
  OldHandlerCall call =
      php_clustered_session_old_handler_call(OldHandlerOperation::kClose, *CSG(old_address), nullptr, nullptr, 0);
  php_clustered_session_run_old_handler(&call);
}
