// clustered_session_inspect(): what each node holds of a session; clustered_session_examine(): how nodes hold many.
// Layer: php.
#include <cinttypes>

#include "src/base/session_id.h"
#include "src/php/facts.h"
#include "src/session/inspection.h"

using clustered_session::Examination;
using clustered_session::NodeHolding;
using clustered_session::SessionContext;

namespace {

const char* NameOf(NodeHolding::What what) {
  switch (what) {
    case NodeHolding::What::kNothing:
      return "nothing";
    case NodeHolding::What::kSession:
      return "session";
    case NodeHolding::What::kEnd:
      return "end";
    case NodeHolding::What::kMoved:
      return "moved";
    case NodeHolding::What::kUnknown:
      break;
  }
  return "unknown";
}

void AddHolding(zval* to, const SessionContext& context, const NodeHolding& holding, bool with_content) {
  zval node;
  array_init(&node);
  add_assoc_bool(&node, "should_hold", holding.should_hold);
  add_assoc_string(&node, "holds", NameOf(holding.what));
  if (holding.what == NodeHolding::What::kUnknown) add_assoc_string(&node, "error", holding.why.c_str());
  if (holding.what == NodeHolding::What::kSession) {
    char owner[17];
    snprintf(owner, sizeof owner, "%016" PRIx64, holding.owner);
    add_assoc_long(&node, "version", static_cast<zend_long>(holding.version));
    add_assoc_long(&node, "epoch", static_cast<zend_long>(holding.epoch));
    add_assoc_string(&node, "owner", owner);
    add_assoc_long(&node, "lifetime", holding.lifetime_s);
    add_assoc_long(&node, "bytes", static_cast<zend_long>(holding.bytes));
    if (with_content) add_assoc_stringl(&node, "content", holding.payload.data(), holding.payload.size());
  }
  add_assoc_zval(to, context.nodes->member(holding.node).node->name().c_str(), &node);
}

}  // namespace

PHP_FUNCTION(clustered_session_inspect) {
  zend_string* id = nullptr;
  bool with_content = false;
  ZEND_PARSE_PARAMETERS_START(1, 2)
  Z_PARAM_STR(id)
  Z_PARAM_OPTIONAL
  Z_PARAM_BOOL(with_content)
  ZEND_PARSE_PARAMETERS_END();
  if (!clustered_session::ValidSessionId(View(id))) {
    zend_argument_value_error(1, "must be a session ID");
    RETURN_THROWS();
  }
  const SessionContext* context = php_clustered_session_current_context();
  const bool asked = context != nullptr && Guarded([&] {
                       *CSG(inspected) = clustered_session::InspectSession(*context, View(id), with_content);
                     });
  if (!asked) {
    zend_throw_error(nullptr, "%s", CSG(message));
    RETURN_THROWS();
  }
  array_init(return_value);
  for (const NodeHolding& holding : *CSG(inspected)) AddHolding(return_value, *context, holding, with_content);
  CSG(inspected)->clear();  // contents are not kept
}

namespace {

void AddExamined(zval* to, const SessionContext& context, const Examination& examined) {
  add_assoc_long(to, "next", static_cast<zend_long>(examined.next));
  add_assoc_long(to, "sessions", static_cast<zend_long>(examined.sessions));
  add_assoc_long(to, "ends", static_cast<zend_long>(examined.ends));
  add_assoc_long(to, "incomplete", static_cast<zend_long>(examined.incomplete));
  add_assoc_long(to, "lost", static_cast<zend_long>(examined.lost));
  zval nodes;
  array_init(&nodes);
  for (uint32_t i = 0; i < examined.nodes.size(); ++i) {
    const Examination::OnNode& on = examined.nodes[i];
    zval node;
    array_init(&node);
    add_assoc_long(&node, "right", static_cast<zend_long>(on.right));
    add_assoc_long(&node, "missing", static_cast<zend_long>(on.missing));
    add_assoc_long(&node, "past", static_cast<zend_long>(on.past));
    add_assoc_long(&node, "later", static_cast<zend_long>(on.later));
    add_assoc_long(&node, "unreadable", static_cast<zend_long>(on.unreadable));
    add_assoc_long(&node, "unknown", static_cast<zend_long>(on.unknown));
    add_assoc_zval(&nodes, context.nodes->member(i).node->name().c_str(), &node);
  }
  add_assoc_zval(to, "nodes", &nodes);
  zval top;
  array_init(&top);
  for (const Examination::Large& large : examined.sessions_shown) {
    zval session;
    array_init(&session);
    add_assoc_string(&session, "key", large.key.c_str());
    add_assoc_long(&session, "bytes", static_cast<zend_long>(large.bytes));
    add_assoc_long(&session, "writes", static_cast<zend_long>(large.version));
    add_assoc_long(&session, "takeovers", static_cast<zend_long>(large.epoch));
    add_assoc_long(&session, "writers", static_cast<zend_long>(large.writers));
    add_next_index_zval(&top, &session);
  }
  add_assoc_zval(to, "top", &top);
}

}  // namespace

PHP_FUNCTION(clustered_session_examine) {
  zend_long cursor = 0;
  zend_long limit = 1000;
  bool asks = true;
  ZEND_PARSE_PARAMETERS_START(0, 3)
  Z_PARAM_OPTIONAL
  Z_PARAM_LONG(cursor)
  Z_PARAM_LONG(limit)
  Z_PARAM_BOOL(asks)
  ZEND_PARSE_PARAMETERS_END();
  if (limit < 1 || limit > 10000) {
    zend_argument_value_error(2, "must be 1 to 10000");
    RETURN_THROWS();
  }
  const SessionContext* context = php_clustered_session_current_context();
  const bool done = context != nullptr && Guarded([&] {
                      *CSG(examined) = clustered_session::ExamineEntries(*context, static_cast<uint64_t>(cursor),
                                                                         static_cast<size_t>(limit), asks);
                    });
  if (!done) {
    zend_throw_error(nullptr, "%s", CSG(message));
    RETURN_THROWS();
  }
  array_init(return_value);
  AddExamined(return_value, *context, *CSG(examined));
}
