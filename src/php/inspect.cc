// clustered_session_inspect(): what each node holds of a session, but its content. Layer: php.
#include <cinttypes>

#include "src/base/session_id.h"
#include "src/php/facts.h"
#include "src/session/inspection.h"

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
    case NodeHolding::What::kUnknown:
      break;
  }
  return "unknown";
}

void AddHolding(zval* to, const SessionContext& context, const NodeHolding& holding) {
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
  }
  add_assoc_zval(to, context.nodes->member(holding.node).node->name().c_str(), &node);
}

}  // namespace

PHP_FUNCTION(clustered_session_inspect) {
  zend_string* id = nullptr;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_STR(id)
  ZEND_PARSE_PARAMETERS_END();
  if (!clustered_session::ValidSessionId({ZSTR_VAL(id), ZSTR_LEN(id)})) {
    zend_argument_value_error(1, "must be a session ID");
    RETURN_THROWS();
  }
  const SessionContext* context = php_clustered_session_current_context();
  const bool asked = context != nullptr && Guarded([&] {
                       *CSG(inspected) = clustered_session::InspectSession(*context, {ZSTR_VAL(id), ZSTR_LEN(id)});
                     });
  if (!asked) {
    zend_throw_error(nullptr, "%s", CSG(message));
    RETURN_THROWS();
  }
  array_init(return_value);
  for (const NodeHolding& holding : *CSG(inspected)) AddHolding(return_value, *context, holding);
}
