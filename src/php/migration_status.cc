// What the status says of a migration, see migration.h. Layer: php.
#include <algorithm>
#include <ctime>

#include "src/php/migration.h"

using clustered_session::OldHandlerAddress;
using clustered_session::OldHandlerView;
using clustered_session::SharedState;

namespace {

constexpr int64_t kLongUselessSeconds = 24 * 3600;

int64_t SecondsSince(int64_t then_ns) {
  return (clustered_session::ToNanos(php_clustered_session_clock()->Now()) - then_ns) / 1'000'000'000;
}

}  // namespace

void php_clustered_session_add_migration(zval* status) {
  const clustered_session::SessionSettings& settings = *CSG(settings);
  if (!settings.Migrates() || php_clustered_session_made_store() == nullptr) return;
  const bool asks = !settings.migrate_from.empty();
  const OldHandlerAddress& address = asks ? settings.migrate_from : settings.migrate_to;
  bool fails = false;
  int64_t last_ns = 0;
  int64_t began_ns = 0;
  Guarded([&] {
    auto* shared = static_cast<SharedState*>(php_clustered_session_made_store()->Extra());
    const OldHandlerView* view =
        shared->migration.ViewOf(address, settings.prefix, php_clustered_session_clock()->Now());
    fails = view->health.Fails();
    last_ns = view->last_migrated_at_ns.load();
    began_ns = view->began_at_ns.load();
  });
  zval migration;
  array_init(&migration);
  add_assoc_string(&migration, "from", settings.migrate_from.handler.c_str());
  add_assoc_string(&migration, "to", settings.migrate_to.handler.c_str());
  add_assoc_bool(&migration, "shared", settings.SharesWithOldHandler());
  add_assoc_bool(&migration, "fails", fails);
  add_assoc_long(&migration, "last_migrated",
                 last_ns == 0 ? 0 : static_cast<zend_long>(time(nullptr) - SecondsSince(last_ns)));
  const int64_t idle_s = SecondsSince(last_ns == 0 ? began_ns : last_ns);
  const bool useless = asks && !settings.SharesWithOldHandler() &&
                       idle_s > std::max<int64_t>(kLongUselessSeconds, static_cast<int64_t>(PS(gc_maxlifetime)));
  add_assoc_bool(&migration, "useless", useless);
  add_assoc_zval(status, "migration", &migration);
}
