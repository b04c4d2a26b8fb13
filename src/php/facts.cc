// What is known of the current pool, see facts.h. Layer: php.
#include "src/php/facts.h"

#include <algorithm>

#include "src/session/refiller.h"

extern "C" {
#include "php_ini.h"
}

using clustered_session::Duration;
using clustered_session::NodeHealth;
using clustered_session::NodeMemory;
using clustered_session::NodeSet;
using clustered_session::Result;
using clustered_session::SessionContext;

namespace {

// How long callers of this retry interval still leave the node alone.
int64_t RetryInNanos(const clustered_session::Suspicion& suspicion, Duration retry_interval) {
  if (!clustered_session::Fails(suspicion)) return 0;
  const int64_t now_ns = clustered_session::ToNanos(php_clustered_session_clock()->Now());
  return suspicion.tried_at_ns.load(std::memory_order_relaxed) + std::chrono::nanoseconds(retry_interval).count() -
         now_ns;
}

}  // namespace

const SessionContext* php_clustered_session_current_context() {
  const char* save_path = zend_ini_string(const_cast<char*>("session.save_path"), sizeof("session.save_path") - 1, 0);
  Guarded([&] {
    CSG(used) = true;
    CSG(shown)->reset();
    if (php_clustered_session_store() == nullptr) return;
    Result<std::shared_ptr<const SessionContext>> context = php_clustered_session_worker()->ContextFor(
        save_path == nullptr ? "" : save_path, *CSG(settings), CSG(settings_generation));
    if (context.ok()) {
      *CSG(shown) = std::move(*context);
    } else {
      php_clustered_session_keep_message(context.error().message());
    }
  });
  return CSG(shown)->get();
}

NodeFacts php_clustered_session_node_facts(const SessionContext& context, uint32_t node) {
  const NodeSet::Member& member = context.nodes->member(node);
  const Duration retry_interval = context.settings.retry_interval;
  NodeFacts facts = {};
  snprintf(facts.name, sizeof facts.name, "%s", member.node->name().c_str());
  snprintf(facts.address, sizeof facts.address, "%s", member.node->address().c_str());
  snprintf(facts.code, sizeof facts.code, "%s", clustered_session::NodeCode(member.address.name).c_str());
  facts.weight = member.address.weight;
  const NodeHealth& health = *member.health.get();
  facts.health = member.health.shared() && member.health.holds() ? "shared" : "private";
  facts.operations = static_cast<zend_long>(health.operations.load(std::memory_order_relaxed));
  facts.failures = static_cast<zend_long>(health.failures.load(std::memory_order_relaxed));
  const bool down = clustered_session::Fails(health, /*connected=*/false);
  const bool full = IsFull(health);
  facts.state = full ? "full" : down ? "down" : facts.operations == 0 ? "untried" : "up";
  facts.fails = full || down;
  const int64_t left_ns =
      std::max(RetryInNanos(health.answers, retry_interval), RetryInNanos(health.connects, retry_interval));
  facts.retry_in_ms = left_ns > 0 ? static_cast<zend_long>(left_ns / 1'000'000) : 0;
  return facts;
}

MissingFacts php_clustered_session_missing_on(const SessionContext& context, uint32_t node) {
  const NodeMemory* memory = context.shared->repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
  if (memory == nullptr) return {};
  return {static_cast<zend_long>(memory->copies_missing.load()),
          static_cast<zend_long>(memory->tombstones_missing.load())};
}

bool php_clustered_session_refilling(const SessionContext& context, uint32_t node) {
  return clustered_session::NeedsRefill(context, node);
}

bool php_clustered_session_unlisted(const SessionContext& context, uint32_t node) {
  const NodeMemory* memory = context.shared->repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
  return memory != nullptr && memory->lists.load() == NodeMemory::kRefused;
}

RoomFacts php_clustered_session_room_of(const SessionContext& context, uint32_t node) {
  RoomFacts facts;
  const NodeMemory* memory = context.shared->repair.FindMemoryOf(context.pool_hash, context.nodes->member(node).hash);
  if (memory == nullptr) return facts;
  facts.evicted = static_cast<zend_long>(memory->evictions_seen.load());
  if (memory->room.load() != NodeMemory::kTold) return facts;
  facts.evictions = static_cast<zend_long>(memory->evictions.load());
  facts.bytes = static_cast<zend_long>(memory->room_bytes.load());
  facts.limit = static_cast<zend_long>(memory->room_limit.load());
  return facts;
}

zend_long php_clustered_session_alone_for_ms(const SessionContext* context) {
  clustered_session::TimePoint since;
  if (context == nullptr || !context->nodes->Alone(&since)) return -1;
  return static_cast<zend_long>(
      std::chrono::duration_cast<std::chrono::milliseconds>(php_clustered_session_clock()->Now() - since).count());
}
