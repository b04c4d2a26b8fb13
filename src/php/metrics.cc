// clustered_session_metrics(): what the status says, for Prometheus, as OpenMetrics text. Layer: php.
// The text is made in the first phase and kept in the module globals: what hands it to PHP may longjmp.
#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdarg>
#include <cstring>
#include <string>
#include <string_view>

#include "src/php/facts.h"

using clustered_session::Histogram;
using clustered_session::LocalStore;
using clustered_session::NodeHealth;
using clustered_session::PoolNews;
using clustered_session::RepairView;
using clustered_session::SessionContext;
using clustered_session::SessionLocks;

namespace {

// Appends to a text. Names come from here, label values from settings, which allow no quotes in the names of nodes and
// servers; they are escaped all the same.
class Exposition {
 public:
  explicit Exposition(std::string* text) : text_(text) {}

  // Begins a family of metrics: all its samples follow. `name` without clustered_session_ and without _total.
  void Family(const char* name, const char* type, const char* help) {
    name_ = name;
    counter_ = strcmp(type, "counter") == 0;
    Print("# TYPE clustered_session_%s %s\n", name, type);
    if (const char* unit = UnitOf(name)) Print("# UNIT clustered_session_%s %s\n", name, unit);
    Print("# HELP clustered_session_%s %s\n", name, help);
  }
  void Sample(double value, const std::string& labels = {}) {
    Print("clustered_session_%s%s%s %s\n", name_, counter_ ? "_total" : "", Braces(labels).c_str(),
          Number(value).c_str());
  }
  void Sample(uint64_t value, const std::string& labels = {}) {
    Print("clustered_session_%s%s%s %" PRIu64 "\n", name_, counter_ ? "_total" : "", Braces(labels).c_str(), value);
  }
  void One(const char* name, const char* type, const char* help, uint64_t value) {
    Family(name, type, help);
    Sample(value);
  }
  // `per_unit`: how many of the histogram's units are one of the metric's.
  template <uint32_t kFirst, uint32_t kBounds>
  void Distribution(const Histogram<kFirst, kBounds>& histogram, double per_unit, const std::string& labels = {}) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < kBounds; ++i) {
      count += histogram.Count(i);
      const std::string bound = Number(static_cast<double>(histogram.Bound(i)) / per_unit);
      Print("clustered_session_%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name_, labels.c_str(),
            labels.empty() ? "" : ",", bound.c_str(), count);
    }
    count += histogram.Count(kBounds);
    Print("clustered_session_%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name_, labels.c_str(),
          labels.empty() ? "" : ",", count);
    Print("clustered_session_%s_sum%s %s\n", name_, Braces(labels).c_str(),
          Number(static_cast<double>(histogram.Sum()) / per_unit).c_str());
    Print("clustered_session_%s_count%s %" PRIu64 "\n", name_, Braces(labels).c_str(), count);
  }
  void End() { *text_ += "# EOF\n"; }

 private:
  static const char* UnitOf(const std::string& name) {
    for (const char* unit : {"seconds", "bytes"}) {
      const size_t length = strlen(unit);
      if (name.size() > length && name.compare(name.size() - length, length, unit) == 0) return unit;
    }
    return nullptr;
  }
  // Whatever the locale of the script.
  static std::string Number(double value) {
    char digits[32];
    const std::to_chars_result end = std::to_chars(digits, digits + sizeof digits, value);
    return std::string(digits, end.ptr);
  }
  static std::string Braces(const std::string& labels) { return labels.empty() ? labels : '{' + labels + '}'; }

  void Print(const char* format, ...) PHP_ATTRIBUTE_FORMAT(printf, 2, 3) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0) text_->append(line, std::min<size_t>(static_cast<size_t>(length), sizeof line - 1));
  }

  std::string* text_;
  const char* name_ = "";
  bool counter_ = false;
};

std::string Label(const char* name, std::string_view value) {
  std::string label = std::string(name) + "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') label += '\\';
    if (c == '\n') {
      label += "\\n";
    } else {
      label += c;
    }
  }
  return label + '"';
}

// By NodeFailure.
constexpr const char* kReasons[] = {"unknown", "refused", "connect_timeout", "permission", "resolve", "credentials",
                                    "timeout", "closed",  "error_answer",    "garbage",    "tls",     "local"};
static_assert(std::size(kReasons) == clustered_session::kNodeFailures);

// One family after the other, each with all nodes.
void ShowNodes(Exposition* to, const SessionContext& context) {
  const uint32_t count = static_cast<uint32_t>(context.nodes->size());
  if (count == 0) return;
  const auto health = [&](uint32_t node) -> const NodeHealth& { return *context.nodes->member(node).health.get(); };
  const auto each = [&](const auto& add) {
    for (uint32_t i = 0; i < count; ++i) add(i, Label("node", context.nodes->member(i).node->name()));
  };
  to->Family("node_up", "gauge", "1 unless the node fails, or takes no new connections; 1 also before it was asked.");
  each([&](uint32_t i, const std::string& node) {
    to->Sample(uint64_t{php_clustered_session_node_facts(context, i).fails ? 0u : 1u}, node);
  });
  to->Family("node_full", "gauge", "1 if the node answers on open connections and takes no new ones.");
  each([&](uint32_t i, const std::string& node) { to->Sample(uint64_t{IsFull(health(i)) ? 1u : 0u}, node); });
  to->Family("node_operations", "counter", "Operations that the node was asked for.");
  each([&](uint32_t i, const std::string& node) { to->Sample(health(i).operations.load(), node); });
  to->Family("node_failures", "counter", "Operations that brought no answer, by reason.");
  each([&](uint32_t i, const std::string& node) {
    for (size_t reason = 0; reason < std::size(kReasons); ++reason) {
      to->Sample(uint64_t{health(i).failed_by[reason].load()}, node + ',' + Label("reason", kReasons[reason]));
    }
  });
  to->Family("node_operation_seconds", "histogram", "Time of the node's operations that requests waited for.");
  each([&](uint32_t i, const std::string& node) { to->Distribution(health(i).time, 1e6, node); });
  to->Family("repair_missing_copies", "gauge", "Copies of this server's sessions that the node may lack.");
  each([&](uint32_t i, const std::string& node) {
    to->Sample(static_cast<uint64_t>(php_clustered_session_missing_on(context, i).copies), node);
  });
  to->Family("repair_missing_tombstones", "gauge", "Tombstones of this server's sessions that the node may lack.");
  each([&](uint32_t i, const std::string& node) {
    to->Sample(static_cast<uint64_t>(php_clustered_session_missing_on(context, i).tombstones), node);
  });
}

// What nodes have told of their memory; nothing of a node that tells none.
void ShowRooms(Exposition* to, const SessionContext& context) {
  const auto each = [&](zend_long RoomFacts::*figure) {
    for (uint32_t i = 0; i < context.nodes->size(); ++i) {
      const zend_long value = php_clustered_session_room_of(context, i).*figure;
      if (value >= 0) {
        to->Sample(static_cast<uint64_t>(value), Label("node", context.nodes->member(i).node->name()));
      }
    }
  };
  if (context.nodes->empty()) return;
  to->Family("node_evicted", "counter", "Items that the node threw away for want of memory, as this server has seen.");
  each(&RoomFacts::evicted);
  to->Family("node_memory_used_bytes", "gauge", "Memory that the node has in use, as it tells.");
  each(&RoomFacts::bytes);
  to->Family("node_memory_limit_bytes", "gauge", "The most that the node takes (-m), as it tells.");
  each(&RoomFacts::limit);
}

// Asks no node, unlike the status: a scrape waits for no network.
void ShowPool(Exposition* to, const SessionContext* context) {
  to->One("pool_usable", "gauge", "1 if session.save_path can be used; PHP's log says why not.", context != nullptr);
  if (context == nullptr) return;
  to->One("pool_nodes", "gauge", "Nodes of session.save_path; 0: sessions live on this server only.",
          context->nodes->size());
  const zend_long alone_for_ms = php_clustered_session_alone_for_ms(context);
  to->One("alone", "gauge", "1 if no node can be asked: changes exist on this server only.", alone_for_ms >= 0);
  ShowNodes(to, *context);
  ShowRooms(to, *context);
  if (context->nodes->empty()) return;
  const clustered_session::TimePoint now = php_clustered_session_clock()->Now();
  const PoolNews* news = context->shared->news.ViewOf(context->pool, context->pool_hash);
  to->Family("news_age_seconds", "gauge", "Time since other servers' news were read; missing while nobody needs them.");
  if (news != nullptr && news->Wanted(now) && news->looked_at_ns.load() != 0) {
    to->Sample(std::max(0.0, static_cast<double>(clustered_session::ToNanos(now) - news->looked_at_ns.load()) / 1e9));
  }
  RepairView* view = context->shared->repair.ViewOf(context->pool, context->pool_hash);
  to->One("repair_whole", "gauge", "1 if every node held all of this server's sessions when that was last looked at.",
          view != nullptr && view->whole.load() != 0);
  to->One("repair_copies", "counter", "Copies that the background has brought to nodes.",
          view == nullptr ? 0 : view->copies.load());
  to->One("repair_tombstones", "counter", "Tombstones that the background has brought to nodes.",
          view == nullptr ? 0 : view->tombstones.load());
}

void ShowMemory(Exposition* to, const LocalStore::Usage& usage) {
  to->One("local_memory_bytes", "gauge", "Shared memory of this server, all of it.", usage.memory);
  to->One("local_memory_room_bytes", "gauge", "Shared memory that can hold sessions.", usage.payload_memory);
  // Not a number that lacks something: a graph would show memory coming free.
  to->Family("local_memory_used_bytes", "gauge", "Shared memory that holds sessions; missing while a part is busy.");
  if (usage.busy_parts == 0) to->Sample(static_cast<uint64_t>(usage.payload_used));
  to->One("local_memory_busy_parts", "gauge", "Parts of the shared memory that a stopped worker seems to hold.",
          usage.busy_parts);
  to->One("local_entries", "gauge", "Sessions, and ends of sessions, that this server has a local copy of.",
          usage.entries);
  to->One("local_entries_limit", "gauge", "The most that local memory can hold.", usage.entries_max);
  to->One("local_unreplicated_entries", "gauge", "Entries that no node has acknowledged yet.", usage.unreplicated);
}

void ShowLocks(Exposition* to, const SessionLocks::Usage& usage) {
  to->One("locks_held", "gauge", "Session locks that requests hold now.", usage.held);
  to->One("locks_waiting", "gauge", "Requests that wait for a session lock now.", usage.waiting);
  to->One("locks_limit", "gauge", "The most session locks that can be held or waited for at once.", usage.capacity);
  to->Family("lock_longest_wait_seconds", "gauge", "The longest wait for a session lock since PHP's start.");
  to->Sample(static_cast<double>(usage.longest_wait_ns) / 1e9);
}

void ShowCounters(Exposition* to, const clustered_session::Counters& counters) {
#define X(name, help) to->One(#name, "counter", "Number of " help ".", counters.name.Get());
  CLUSTERED_SESSION_COUNTERS(X)
#undef X
  to->Family("lock_wait_seconds", "histogram", "Time of the requests that had to wait for a session lock.");
  to->Distribution(counters.lock_wait, 1e6);
  to->Family("merge_seconds", "histogram", "Time that putting together two branches of a session took, key by key.");
  to->Distribution(counters.merge, 1e6);
  to->Family("session_size_bytes", "histogram", "Size of the sessions that were written, as PHP serialized them.");
  to->Distribution(counters.session_size, 1);
}

void Build(const SessionContext* context, std::string* text) {
  text->clear();
  Exposition to(text);
  to.Family("build_info", "gauge", "1, with the version of the extension.");
  to.Sample(uint64_t{1}, Label("version", PHP_CLUSTERED_SESSION_VERSION));
  ShowPool(&to, context);
  if (LocalStore* store = php_clustered_session_made_store(); store != nullptr) {
    ShowMemory(&to, store->GetUsage());
    ShowLocks(&to, store->locks().GetUsage());
    const auto* shared = static_cast<const clustered_session::SharedState*>(store->Extra());
    to.One("flush_pending", "gauge", "1 if the background has yet to try entries that no node has acknowledged.",
           shared->Pending());
    to.Family("flush_longest_lag_seconds", "gauge",
              "The longest time between a session's use and its write by the background.");
    to.Sample(static_cast<double>(shared->longest_lag_ns.load(std::memory_order_relaxed)) / 1e9);
    to.One("node_table_used", "gauge", "Places in use of the table that shares what is known of nodes.",
           shared->nodes.InUse(php_clustered_session_clock()->Now()));
    to.One("node_table_limit", "gauge", "Places of this table.", clustered_session::HealthTable::kSlots);
    ShowCounters(&to, store->counters());
  }
  to.End();
}

}  // namespace

PHP_FUNCTION(clustered_session_metrics) {
  ZEND_PARSE_PARAMETERS_NONE();
  const SessionContext* context = php_clustered_session_current_context();
  if (!Guarded([&] { Build(context, CSG(metrics)); })) {
    zend_throw_error(nullptr, "%s", CSG(message));
    return;
  }
  RETVAL_STRINGL(CSG(metrics)->data(), CSG(metrics)->size());
}
