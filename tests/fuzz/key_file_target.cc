// Fuzz target: the parser of key files. See tests/fuzz/targets.h.
#include "src/base/keyring.h"
#include "tests/fuzz/targets.h"

namespace clustered_session {

FuzzFinding FuzzKeyFile(std::string_view input) {
  const Result<std::shared_ptr<const Keyring>> keys = Keyring::Parse(input);
  if (!keys.ok()) {
    FUZZ_CHECK(keys.error().message().size() < 200);
    FUZZ_CHECK(keys.error().message().find('\n') == std::string::npos);
    return {};
  }
  FUZZ_CHECK((*keys)->size() >= 1 && (*keys)->size() <= Keyring::kKeysMax);
  for (size_t i = 0; i < (*keys)->size(); ++i) {
    FUZZ_CHECK(ValidKeyName((*keys)->name(i)));
    for (size_t before = 0; before < i; ++before) FUZZ_CHECK((*keys)->name(i) != (*keys)->name(before));
  }
  return {};
}

}  // namespace clustered_session
