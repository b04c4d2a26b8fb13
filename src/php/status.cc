// clustered_session_status() and the phpinfo() section: the same facts, for programs and for people. Layer: php.
#include <cinttypes>
#include <ctime>

#include "src/memcached/tls_stream.h"
#include "src/php/facts.h"
#include "src/php/migration.h"
#include "src/session/repairer.h"

extern "C" {
#include "ext/standard/info.h"
#include "php_ini.h"
}

using clustered_session::LocalStore;
using clustered_session::RepairView;
using clustered_session::SessionContext;
using clustered_session::SessionLocks;

namespace {

const char* ModeOf(const SessionContext* context) {
  if (context == nullptr) return "unusable";
  return context->nodes->empty() ? "single-server" : "cluster";
}

void AddNodes(zval* to, const SessionContext* context) {
  array_init(to);
  for (uint32_t i = 0; context != nullptr && i < context->nodes->size(); ++i) {
    const NodeFacts facts = php_clustered_session_node_facts(*context, i);
    zval node;
    array_init(&node);
    add_assoc_string(&node, "address", facts.address);
    add_assoc_string(&node, "code", facts.code);
    add_assoc_long(&node, "weight", facts.weight);
    add_assoc_string(&node, "state", facts.state);
    add_assoc_long(&node, "operations", facts.operations);
    add_assoc_long(&node, "failures", facts.failures);
    add_assoc_long(&node, "retry_in_ms", facts.retry_in_ms);
    add_assoc_string(&node, "health", facts.health);
    const RoomFacts room = php_clustered_session_room_of(*context, i);
    add_assoc_long(&node, "evicted", room.evicted);
    if (room.limit >= 0) {
      add_assoc_long(&node, "evictions", room.evictions);
      add_assoc_long(&node, "used_bytes", room.bytes);
      add_assoc_long(&node, "limit_bytes", room.limit);
    }
    add_assoc_zval(to, facts.name, &node);
  }
}

// Without nodes there is nothing to bring back. Where a part of the store is held by a stopped worker, what it has
// cannot be told.
bool Whole(const SessionContext* context, const LocalStore::Usage& usage) {
  bool whole = false;
  Guarded([&] {
    whole = usage.busy_parts == 0 && context != nullptr &&
            (context->nodes->empty() || clustered_session::IsWhole(*context));
  });
  return whole;
}

// Of the last hour, the latest first. Read in the first phase into the globals: what builds the array may longjmp.
void AddWarnings(zval* to, LocalStore* store) {
  array_init(to);
  const clustered_session::TimePoint now = php_clustered_session_clock()->Now();
  Guarded([&] {
    auto* shared = static_cast<clustered_session::SharedState*>(store->Extra());
    *CSG(recent) = shared->events.RecentLines(php_clustered_session_log_id(), now - std::chrono::hours(1));
  });
  for (const clustered_session::SharedEventLog::Recent& recent : *CSG(recent)) {
    const int64_t ago_ns = clustered_session::ToNanos(now) - clustered_session::ToNanos(recent.at);
    zval line;
    array_init(&line);
    add_assoc_long(&line, "time", static_cast<zend_long>(time(nullptr) - ago_ns / 1'000'000'000));
    add_assoc_long(&line, "times", recent.times);
    add_assoc_stringl(&line, "text", recent.text.data(), recent.text.size());
    add_next_index_zval(to, &line);
  }
}

// The names of those nodes of which it is so.
void AddNodesThat(bool (*is_so)(const SessionContext&, uint32_t), const char* name, const SessionContext* context,
                  zval* to) {
  zval names;
  array_init(&names);
  for (uint32_t i = 0; context != nullptr && i < context->nodes->size(); ++i) {
    if (is_so(*context, i)) add_next_index_string(&names, context->nodes->member(i).node->name().c_str());
  }
  add_assoc_zval(to, name, &names);
}

void AddRepair(zval* to, const SessionContext* context, const LocalStore::Usage& usage) {
  array_init(to);
  const bool whole = Whole(context, usage);
  RepairView* view = context == nullptr || context->nodes->empty()
                         ? nullptr
                         : context->shared->repair.ViewOf(context->pool, context->pool_hash);
  add_assoc_bool(to, "whole", whole);
  zval missing;
  array_init(&missing);
  for (uint32_t i = 0; view != nullptr && i < context->nodes->size(); ++i) {
    const MissingFacts on = php_clustered_session_missing_on(*context, i);
    zval node;
    array_init(&node);
    add_assoc_long(&node, "copies", on.copies);
    add_assoc_long(&node, "tombstones", on.tombstones);
    add_assoc_zval(&missing, context->nodes->member(i).node->name().c_str(), &node);
  }
  add_assoc_zval(to, "missing", &missing);
  AddNodesThat(php_clustered_session_refilling, "refilling", context, to);
  AddNodesThat(php_clustered_session_unlisted, "unlisted", context, to);
  zval repaired;
  array_init(&repaired);
  add_assoc_long(&repaired, "copies", view == nullptr ? 0 : static_cast<zend_long>(view->copies.load()));
  add_assoc_long(&repaired, "tombstones", view == nullptr ? 0 : static_cast<zend_long>(view->tombstones.load()));
  add_assoc_zval(to, "repaired", &repaired);
  const int64_t since_ns = view == nullptr ? 0 : view->since_ns.load();
  const int64_t ago_ns = clustered_session::ToNanos(php_clustered_session_clock()->Now()) - since_ns;
  add_assoc_long(to, "since", since_ns == 0 ? 0 : static_cast<zend_long>(time(nullptr) - ago_ns / 1'000'000'000));
}

void AddCounters(zval* to, const clustered_session::Counters& counters) {
  array_init(to);
#define X(name, help) add_assoc_long(to, #name, static_cast<zend_long>(counters.name.Get()));
  CLUSTERED_SESSION_COUNTERS(X)
#undef X
}

}  // namespace

PHP_FUNCTION(clustered_session_status) {
  ZEND_PARSE_PARAMETERS_NONE();
  LocalStore* store = php_clustered_session_store();
  const SessionContext* context = php_clustered_session_current_context();
  array_init(return_value);
  add_assoc_string(return_value, "version", PHP_CLUSTERED_SESSION_VERSION);
  add_assoc_string(return_value, "mode", ModeOf(context));
  add_assoc_string(return_value, "server_id", CSG(settings)->server_id.c_str());
  char instance[17];
  snprintf(instance, sizeof instance, "%016" PRIx64, store == nullptr ? 0 : store->instance());
  add_assoc_string(return_value, "instance", instance);
  if (context == nullptr) add_assoc_string(return_value, "error", CSG(message));

  zval nodes;
  AddNodes(&nodes, context);
  add_assoc_zval(return_value, "nodes", &nodes);
  const zend_long alone_for_ms = php_clustered_session_alone_for_ms(context);
  add_assoc_bool(return_value, "alone", alone_for_ms >= 0);
  add_assoc_long(return_value, "alone_for_ms", alone_for_ms >= 0 ? alone_for_ms : 0);
  if (store == nullptr) return;

  zval counters;
  AddCounters(&counters, store->counters());
  add_assoc_zval(return_value, "counters", &counters);

  const LocalStore::Usage usage = store->GetUsage();
  zval memory;
  array_init(&memory);
  add_assoc_long(&memory, "bytes", static_cast<zend_long>(usage.memory));
  add_assoc_long(&memory, "payload_bytes", static_cast<zend_long>(usage.payload_memory));
  add_assoc_long(&memory, "payload_used", static_cast<zend_long>(usage.payload_used));
  add_assoc_long(&memory, "entries", static_cast<zend_long>(usage.entries));
  add_assoc_long(&memory, "entries_max", static_cast<zend_long>(usage.entries_max));
  add_assoc_long(&memory, "unreplicated", static_cast<zend_long>(usage.unreplicated));
  add_assoc_long(&memory, "busy_parts", static_cast<zend_long>(usage.busy_parts));
  add_assoc_zval(return_value, "memory", &memory);

  const auto* shared = static_cast<const clustered_session::SharedState*>(store->Extra());
  zval table;
  array_init(&table);
  add_assoc_long(&table, "used", shared->nodes.InUse(php_clustered_session_clock()->Now()));
  add_assoc_long(&table, "capacity", clustered_session::HealthTable::kSlots);
  add_assoc_zval(return_value, "node_table", &table);

  zval flush;
  array_init(&flush);
  add_assoc_bool(&flush, "pending", shared->Pending());
  add_assoc_double(&flush, "longest_lag_ms",
                   static_cast<double>(shared->longest_lag_ns.load(std::memory_order_relaxed)) / 1e6);
  add_assoc_zval(return_value, "flush", &flush);

  zval warnings;
  AddWarnings(&warnings, store);
  add_assoc_zval(return_value, "warnings", &warnings);

  zval repair;
  AddRepair(&repair, context, usage);
  add_assoc_zval(return_value, "repair", &repair);

  const SessionLocks::Usage lock_usage = store->locks().GetUsage();
  zval locks;
  array_init(&locks);
  add_assoc_long(&locks, "held", lock_usage.held);
  add_assoc_long(&locks, "waiting", lock_usage.waiting);
  add_assoc_long(&locks, "capacity", lock_usage.capacity);
  add_assoc_double(&locks, "longest_wait_ms", static_cast<double>(lock_usage.longest_wait_ns) / 1e6);
  add_assoc_zval(return_value, "locks", &locks);
  php_clustered_session_add_migration(return_value);
}

PHP_MINFO_FUNCTION(clustered_session) {
  LocalStore* store = php_clustered_session_store();
  const SessionContext* context = php_clustered_session_current_context();
  char text[512];
  php_info_print_table_start();
  php_info_print_table_row(2, "clustered_session", "enabled");
  php_info_print_table_row(2, "Version", PHP_CLUSTERED_SESSION_VERSION);
  php_info_print_table_row(2, "Mode", ModeOf(context));
  if (context == nullptr) php_info_print_table_row(2, "session.save_path", CSG(message));
  if (context != nullptr && context->nodes->empty()) {
    php_info_print_table_row(2, "Note", "session.save_path is empty: sessions live on this server only");
  }
  php_info_print_table_row(2, "Server", CSG(settings)->server_id.c_str());
  snprintf(text, sizeof text, "%s%s",
           clustered_session::TlsBuiltIn() ? clustered_session::TlsLibraryVersion() : "not built in",
           CSG(settings)->tls.verifies ? "" : "; NODES ARE NOT CHECKED (clustered_session.tls_verify = insecure)");
  php_info_print_table_row(2, "TLS to nodes", text);
  if (const zend_long alone_for_ms = php_clustered_session_alone_for_ms(context); alone_for_ms >= 0) {
    snprintf(text, sizeof text, "no node answers since " ZEND_LONG_FMT " s: changes stay on this server only",
             alone_for_ms / 1000);
    php_info_print_table_row(2, "Alone", text);
  }
  if (store != nullptr) {
    const LocalStore::Usage usage = store->GetUsage();
    snprintf(text, sizeof text, "%zu of %zu bytes, %zu of %zu entries, %zu unreplicated", usage.payload_used,
             usage.payload_memory, usage.entries, usage.entries_max, usage.unreplicated);
    php_info_print_table_row(2, "Local memory", text);
    snprintf(text, sizeof text, "%zu bytes", store->HugeMemory());
    php_info_print_table_row(2, "In huge pages", text);
    if (context != nullptr && !context->nodes->empty()) {
      MissingFacts all;
      for (uint32_t i = 0; i < context->nodes->size(); ++i) {
        const MissingFacts on = php_clustered_session_missing_on(*context, i);
        all.copies += on.copies;
        all.tombstones += on.tombstones;
      }
      snprintf(text, sizeof text, "%s; " ZEND_LONG_FMT " copies and " ZEND_LONG_FMT " tombstones are missing",
               Whole(context, usage) ? "whole" : "not whole", all.copies, all.tombstones);
      php_info_print_table_row(2, "Repair", text);
    }
    const SessionLocks::Usage locks = store->locks().GetUsage();
    snprintf(text, sizeof text, "%u held, %u waiting, longest wait %.3f ms", locks.held, locks.waiting,
             static_cast<double>(locks.longest_wait_ns) / 1e6);
    php_info_print_table_row(2, "Session locks", text);
  }
  php_info_print_table_end();

  if (context != nullptr && !context->nodes->empty()) {
    php_info_print_table_start();
    php_info_print_table_header(5, "Node", "Address", "Code in IDs", "State", "Operations (failed)");
    for (uint32_t i = 0; i < context->nodes->size(); ++i) {
      const NodeFacts facts = php_clustered_session_node_facts(*context, i);
      snprintf(text, sizeof text, ZEND_LONG_FMT " (" ZEND_LONG_FMT ")", facts.operations, facts.failures);
      php_info_print_table_row(5, facts.name, facts.address, facts.code, facts.state, text);
    }
    php_info_print_table_end();
  }
  if (store != nullptr) {
    const clustered_session::Counters& counters = store->counters();
    php_info_print_table_start();
    php_info_print_table_header(2, "Counter", "Since this server's start");
#define X(name, help)                                           \
  snprintf(text, sizeof text, "%" PRIu64, counters.name.Get()); \
  php_info_print_table_row(2, #name, text);
    CLUSTERED_SESSION_COUNTERS(X)
#undef X
    php_info_print_table_end();
  }
  display_ini_entries(zend_module);
}
