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
  return clustered_session::Hash128({}, address.handler + ':' + address.save_path, id).Hash64();
}

// What precedes and follows a call, without the engine.
struct Turn {
  OldHandlerView* view;
  int call;
  OldHandlerDecision decision;
};

Turn TakeTurn(const OldHandlerAddress& address) {
  Turn turn{nullptr, -1, OldHandlerDecision::kLeaveAlone};
  Guarded([&] {
    turn.view = SharedByAll()->migration.ViewOf(address, NowHere());
    turn.decision = turn.view->health.Decide(NowHere(), CSG(settings)->retry_interval);
    if (turn.decision == OldHandlerDecision::kAsk) turn.call = turn.view->health.Begin(NowHere());
  });
  return turn;
}

// Once in each time that it fails the log has a line.
void EndTurn(const Turn& turn, const OldHandlerCall& call) {
  turn.view->health.End(turn.call);
  if (call.ok) {
    turn.view->health.NoteAnswer();
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
  if (begins) {
    php_clustered_session_log("%s; it is left alone for clustered_session.retry_interval each time [CS-MIGRATION]",
                              CSG(message));
  }
}

void RunInTurn(OldHandlerCall* call, const Turn& turn) {
  call->health = &turn.view->health;
  call->place = turn.call;
  php_clustered_session_run_old_handler(call);
  EndTurn(turn, *call);
  if (!call->ok) php_clustered_session_close_failed_old_handler(*call);
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
  if (address.empty() || EG(exception) != nullptr) return false;
  uint64_t session = 0;
  Guarded([&] { session = NameOf(address, View(id)); });
  const Turn turn = TakeTurn(address);
  if (turn.decision != OldHandlerDecision::kAsk) {
    Counts().migration_errors.Add();
    SharedByAll()->migration.unmirrored.Add(session, NowHere());
    return false;
  }
  OldHandlerCall call =
      php_clustered_session_old_handler_call(OldHandlerOperation::kWrite, address, id, payload, lifetime_s);
  RunInTurn(&call, turn);
  if (call.ok) {
    SharedByAll()->migration.unmirrored.Remove(session, NowHere());
    Counts().mirrored.Add();
    return true;
  }
  SharedByAll()->migration.unmirrored.Add(session, NowHere());
  AppendToMessage("; clustered_session.migrate_to: this session's changes are not there [CS-MIGRATE-TO]");
  php_clustered_session_warn();
  return false;
}

void php_clustered_session_mirror_destroy(zend_string* id) {
  const OldHandlerAddress* from = &CSG(settings)->migrate_from;
  const OldHandlerAddress* to = &CSG(settings)->migrate_to;
  if (*from == *to) from = nullptr;
  for (const OldHandlerAddress* address : {from, to}) {
    if (address == nullptr || address->empty() || EG(exception) != nullptr) continue;
    const Turn turn = TakeTurn(*address);
    if (turn.decision != OldHandlerDecision::kAsk) {
      Counts().migration_errors.Add();
      continue;
    }
    OldHandlerCall call =
        php_clustered_session_old_handler_call(OldHandlerOperation::kDestroy, *address, id, nullptr, 0);
    RunInTurn(&call, turn);
    if (call.ok) {
      Counts().mirrored.Add();
    } else {
      AppendToMessage("; the session that was destroyed may still be there [CS-MIGRATE-END]");
      php_clustered_session_warn();
    }
  }
}

void php_clustered_session_close_old_handler() {
  if (CSG(old_module) == nullptr) return;
  OldHandlerCall call =
      php_clustered_session_old_handler_call(OldHandlerOperation::kClose, *CSG(old_address), nullptr, nullptr, 0);
  php_clustered_session_run_old_handler(&call);
}
