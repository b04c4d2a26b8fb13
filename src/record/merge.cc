// The three-way merge over the fields that payload_split.h finds. Layer: record. Pure; thread-safe.
#include "src/record/merge.h"

#include <algorithm>
#include <vector>

namespace clustered_session {
namespace {

// A side's fields in order of their keys. Sorted rather than hashed: what the keys are must not decide what it costs.
class Side {
 public:
  // `fields` must outlive this.
  explicit Side(const std::vector<PayloadField>& fields) {
    sorted_.reserve(fields.size());
    for (const PayloadField& field : fields) sorted_.push_back(&field);
    std::sort(sorted_.begin(), sorted_.end(), [](const auto* a, const auto* b) { return a->key < b->key; });
  }

  // Null if this side has no such key.
  const PayloadField* Find(std::string_view key) const {
    const auto less = [](const PayloadField* field, std::string_view wanted) { return field->key < wanted; };
    const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), key, less);
    return found != sorted_.end() && (*found)->key == key ? *found : nullptr;
  }

 private:
  std::vector<const PayloadField*> sorted_;
};

// Equal values, or both without the key.
bool Same(const PayloadField* a, const PayloadField* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->value == b->value;
}

// What the merged session has under a key; null: nothing.
const PayloadField* MergeField(const PayloadField* base, const PayloadField* mine, const PayloadField* theirs,
                               uint32_t* collisions) {
  if (Same(base, theirs) || Same(mine, theirs)) return mine;
  if (Same(base, mine)) return theirs;
  (*collisions)++;
  return mine;
}

}  // namespace

Result<MergeOutcome> MergePayloads(PayloadFormat format, std::string_view base, std::string_view mine,
                                   std::string_view theirs) {
  if (base == theirs || mine == theirs) return MergeOutcome{std::string(mine), 0};
  if (base == mine) return MergeOutcome{std::string(theirs), 0};

  const auto base_fields = SplitPayload(format, base);
  if (!base_fields.ok()) return base_fields.error();
  const auto my_fields = SplitPayload(format, mine);
  if (!my_fields.ok()) return my_fields.error();
  const auto their_fields = SplitPayload(format, theirs);
  if (!their_fields.ok()) return their_fields.error();
  const Side base_side(*base_fields);
  const Side my_side(*my_fields);
  const Side their_side(*their_fields);

  MergeOutcome outcome;
  std::vector<PayloadField> merged;
  const auto merge_key = [&](std::string_view key) {
    const PayloadField* field =
        MergeField(base_side.Find(key), my_side.Find(key), their_side.Find(key), &outcome.collisions);
    if (field != nullptr) merged.push_back(*field);
  };
  for (const PayloadField& field : *my_fields) merge_key(field.key);
  for (const PayloadField& field : *their_fields) {
    if (my_side.Find(field.key) == nullptr) merge_key(field.key);
  }
  outcome.payload = JoinPayload(format, merged);
  return outcome;
}

}  // namespace clustered_session
