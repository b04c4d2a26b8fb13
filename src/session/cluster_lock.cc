// The item of a cluster lock, see cluster_lock.h. Layer: session. Pure.
#include "src/session/cluster_lock.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>

#include "src/base/session_id.h"

namespace clustered_session {
namespace {

constexpr std::string_view kMagic = "CSL1 ";
constexpr size_t kHexDigits = 16;
constexpr Duration kPauseMax = std::chrono::milliseconds(100);

// Takes a number of `digits` digits, or up to the next space, and the space behind it off the front of *text.
template <typename Number>
bool TakeNumber(std::string_view* text, int base, size_t digits, Number* number) {
  const size_t size = digits != 0 ? digits : std::min(text->find(' '), text->size());
  if (size == 0 || text->size() <= size || (*text)[size] != ' ') return false;
  const char* end = text->data() + size;
  const auto [stop, error] = std::from_chars(text->data(), end, *number, base);
  if (error != std::errc() || stop != end) return false;
  text->remove_prefix(size + 1);
  return true;
}

}  // namespace

std::string LockKey(std::string_view storage_key) { return std::string(storage_key) + ":lock"; }

std::string LockHolder::Format() const {
  char numbers[64];
  snprintf(numbers, sizeof numbers, "%016" PRIx64 " %016" PRIx64 " %" PRIu32 " ", realm, number, process);
  return std::string(kMagic) + numbers + (ValidServerId(server_id) ? server_id : SanitizeServerId(server_id));
}

std::optional<LockHolder> LockHolder::Parse(std::string_view text) {
  if (!text.starts_with(kMagic)) return std::nullopt;
  text.remove_prefix(kMagic.size());
  LockHolder holder;
  if (!TakeNumber(&text, 16, kHexDigits, &holder.realm) || !TakeNumber(&text, 16, kHexDigits, &holder.number) ||
      !TakeNumber(&text, 10, 0, &holder.process) || !ValidServerId(text)) {
    return std::nullopt;
  }
  holder.server_id = text;
  return holder;
}

std::string LockHolder::ToString() const { return "process " + std::to_string(process) + " of server " + server_id; }

Duration LockPauses::Next() {
  const Duration longest = longest_;
  longest_ = std::min(2 * longest_, kPauseMax);
  return longest / 2 + longest / 2 * static_cast<int64_t>(random_() % 1024) / 1024;
}

}  // namespace clustered_session
