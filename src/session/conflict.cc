#include "src/session/conflict.h"

#include <utility>

#include "src/record/merge.h"

namespace clustered_session {

std::optional<std::string> ResolveConflict(const SessionContext& context, std::string_view base, std::string_view mine,
                                           std::string_view theirs) {
  Counters& counters = context.store->counters();
  switch (context.settings.on_conflict) {
    case ConflictRule::kMine:
      return std::nullopt;
    case ConflictRule::kTheirs:
      return std::string(theirs);
    case ConflictRule::kMerge:
      break;
  }
  const TimePoint began = context.clock->Now();
  Result<MergeOutcome> merge = MergePayloads(context.settings.format, base, mine, theirs);
  AddTime(&counters.merge, context.clock->Now() - began);
  if (!merge.ok()) {
    counters.merge_collisions.Add();
    return std::nullopt;
  }
  counters.merges.Add();
  counters.merge_collisions.Add(merge->collisions);
  return std::move(merge->payload);
}

}  // namespace clustered_session
