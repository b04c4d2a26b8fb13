// Fuzz target: session IDs, the affinity cookie, server names and settings with units. See tests/fuzz/targets.h.
#include <algorithm>
#include <chrono>

#include "src/base/save_path.h"
#include "src/base/session_id.h"
#include "src/base/session_key.h"
#include "src/base/units.h"
#include "src/cluster/node_code.h"
#include "src/session/signed_id.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {
namespace {

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

FuzzFinding CheckSessionId(std::string_view input) {
  static const auto kNodes = ParseNodeList("m1=10.0.0.1,m2=10.0.0.2").value();
  const std::string_view name = NodeNameOf(input);
  FUZZ_CHECK(name.size() <= kNodeNameLengthMax);
  if (!name.empty()) {
    FUZZ_CHECK(name.size() + 2 <= input.size());
    FUZZ_CHECK(input.ends_with("-" + std::string(name)));
  }
  if (ValidSessionId(input)) {
    FUZZ_CHECK(!input.empty() && input.size() <= kSessionIdLengthMax);
    FUZZ_CHECK(input.find_first_of(std::string_view("\0/.\\ \r\n;=%|", 11)) == std::string_view::npos);
    FUZZ_CHECK(NodeNameOf(std::string(input) + "-m1") == "m1");
    const std::string created = NameNode(kNodes, 1, input);
    FUZZ_CHECK(ValidSessionId(created) && created.size() == input.size());
    FUZZ_CHECK(input.size() <= kNodeCodeLength || NodeNamedBy(kNodes, created) == "m2");
  }
  const std::string redacted = RedactSessionId(input);
  FUZZ_CHECK(redacted.size() <= 4 * 4 + 3);
  FUZZ_CHECK(IsPrintable(redacted));
  FUZZ_CHECK(input.size() >= 4 || redacted == "...");
  static const PoolKeys keys(**Keyring::Parse(kFuzzKeyLine), "cs:");
  const SessionKey plain = SessionKeyOf(nullptr, "cs:", input);
  const auto tag = TagOfId(keys, input);
  FUZZ_CHECK((SessionKeyOf(&keys, "cs:", input) == plain) == (!tag || tag->kind == TagKind::kPlain));
  for (const TagKind kind : {TagKind::kPlain, TagKind::kKeyed}) {
    const std::string made = SignId(keys, kind, input, 4, kNodes, 1);
    FUZZ_CHECK(made.empty() == (input.size() < 32));
    FUZZ_CHECK(made.empty() || (TagOfId(keys, made) && TagOfId(keys, made)->kind == kind));
    FUZZ_CHECK(made.size() < 36 || NodeNamedBy(kNodes, made) == "m2");
  }
  return {};
}

FuzzFinding CheckAffinity(std::string_view input) {
  const auto cookie = ParseAffinity(input);
  if (cookie) {
    FUZZ_CHECK(ValidServerId(cookie->server_id));
    FUZZ_CHECK(FormatAffinity(*cookie) == input);
  }
  const std::string server_id = SanitizeServerId(input);
  FUZZ_CHECK(ValidServerId(server_id));
  FUZZ_CHECK(SanitizeServerId(server_id) == server_id);
  return {};
}

FuzzFinding CheckUnits(std::string_view input) {
  const auto duration = ParseDuration(input);
  if (duration.ok()) {
    FUZZ_CHECK(*duration >= Duration::zero());
    FUZZ_CHECK(*duration % std::chrono::milliseconds(1) == Duration::zero());
    const auto again = ParseDuration(FormatDuration(*duration));
    FUZZ_CHECK(again.ok() && *again == *duration);
  } else {
    FUZZ_CHECK(IsPrintable(duration.error().message()) && duration.error().message().size() < 500);
  }
  const auto size = ParseSize(input);
  if (size.ok()) {
    const auto again = ParseSize(std::to_string(*size));
    FUZZ_CHECK(again.ok() && *again == *size);
  } else {
    FUZZ_CHECK(IsPrintable(size.error().message()) && size.error().message().size() < 500);
  }
  return {};
}

}  // namespace

FuzzFinding FuzzClientInput(std::string_view input) {
  for (FuzzFinding (*check)(std::string_view) : {CheckSessionId, CheckAffinity, CheckUnits}) {
    if (FuzzFinding finding = check(input); !finding.empty()) return finding;
  }
  return {};
}

}  // namespace clustered_session
