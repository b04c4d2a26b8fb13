// What a server knows of the handler that sessions migrate from or to, see old_handler.h. Layer: session.
#include "src/session/old_handler.h"

#include <algorithm>

#include "src/base/session_id.h"

namespace clustered_session {
namespace {

constexpr size_t kReasonMax = 160;  // bytes

bool HasSecret(std::string_view text) {
  return text.find("auth") != std::string_view::npos || text.find("pass") != std::string_view::npos ||
         text.find("://") != std::string_view::npos;
}

}  // namespace

const char* ParseOldHandler(std::string_view text, OldHandlerAddress* address) {
  const size_t colon = text.find(':');
  const std::string_view handler = text.substr(0, colon);
  if (text.empty()) {
    *address = {};
    return nullptr;
  }
  const bool named =
      colon != std::string_view::npos && !handler.empty() && handler.find_first_of(" \t\n") == std::string_view::npos;
  if (!named) return "must be a save handler, a colon and its save_path, such as \"files:/var/lib/php/sessions\"";
  if (handler == "clustered") return "must be another save handler than clustered";
  if (handler == "user") return "must be a save handler that an extension registers, not user";
  if (text.find('\0') != std::string_view::npos) return "must be without zero bytes";
  address->handler = handler;
  address->save_path = text.substr(colon + 1);
  return nullptr;
}

std::string ReasonToTell(std::string_view warning, std::string_view session_id) {
  if (HasSecret(warning)) return {};
  std::string reason(warning);
  if (!session_id.empty()) {
    for (size_t at = 0; (at = reason.find(session_id, at)) != std::string::npos;) {
      const std::string shown = RedactSessionId(session_id);
      reason.replace(at, session_id.size(), shown);
      at += shown.size();
    }
  }
  reason = reason.substr(0, kReasonMax);
  std::replace_if(
      reason.begin(), reason.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return reason;
}

OldHandlerDecision OldHandlerHealth::Decide(TimePoint now, Duration interval, bool* begins) {
  *begins = Hangs(now) && NoteFailure(now);
  const int64_t failed_since_ns = failed_since_ns_.load(std::memory_order_relaxed);
  if (failed_since_ns == 0) return OldHandlerDecision::kAsk;
  int64_t tried_at_ns = tried_at_ns_.load(std::memory_order_relaxed);
  const bool due = now - FromNanos(tried_at_ns) >= interval;
  if (due && tried_at_ns_.compare_exchange_strong(tried_at_ns, ToNanos(now))) return OldHandlerDecision::kAsk;
  return now - FromNanos(failed_since_ns) < kExpectedBack ? OldHandlerDecision::kLeaveAlone : OldHandlerDecision::kGone;
}

int OldHandlerHealth::Begin(TimePoint now) {
  for (int i = 0; i < kCalls; ++i) {
    int64_t began_ns = calls_ns_[i].load(std::memory_order_relaxed);
    const bool free = began_ns == 0 || now - FromNanos(began_ns) > kCallMax;
    if (free && calls_ns_[i].compare_exchange_strong(began_ns, ToNanos(now))) return i;
  }
  return -1;
}

void OldHandlerHealth::End(int call) {
  if (call >= 0) calls_ns_[call].store(0, std::memory_order_relaxed);
}

bool OldHandlerHealth::NoteFailure(TimePoint now) {
  int64_t none = 0;
  const bool first = failed_since_ns_.compare_exchange_strong(none, ToNanos(now));
  if (first || !Hangs(now)) tried_at_ns_.store(ToNanos(now), std::memory_order_relaxed);
  return first;
}

bool OldHandlerHealth::NoteLocked(uint64_t session, TimePoint now) {
  const uint64_t before = locked_.exchange(session | 1, std::memory_order_relaxed);
  return before != 0 && before != (session | 1) && NoteFailure(now);
}

// Whether as many calls are under way as may be, and all for longer than a node would be given.
bool OldHandlerHealth::Hangs(TimePoint now) const {
  return std::all_of(std::begin(calls_ns_), std::end(calls_ns_), [now](const std::atomic<int64_t>& call) {
    const int64_t began_ns = call.load(std::memory_order_relaxed);
    const Duration since = now - FromNanos(began_ns);
    return began_ns != 0 && since >= kHangs && since <= kCallMax;
  });
}

OldHandlerView* SharedMigration::ViewOf(const OldHandlerAddress& address, std::string_view prefix, TimePoint now) {
  // Without memory of its own: so there is a view also where memory has ended.
  const uint64_t site = Hash128({}, "prefix", prefix).Hash64();
  const uint64_t key = (Hash128({}, address.handler, address.save_path).Hash64() ^ site) | 1;
  for (OldHandlerView& view : views) {
    uint64_t seen = view.key.load(std::memory_order_relaxed);
    if (seen == 0 && view.key.compare_exchange_strong(seen, key)) {
      view.began_at_ns.store(ToNanos(now));
      return &view;
    }
    if (seen == key) return &view;
  }
  return &views[kViews - 1];
}

bool RememberedSessions::Has(uint64_t session, TimePoint now, Duration age_max) const {
  const uint64_t value = places_[session % kPlaces].load(std::memory_order_relaxed);
  if (value == 0 || (value | kSecondsMask) != (session | kSecondsMask)) return false;
  return std::chrono::seconds((Value(session, now) - value) & kSecondsMask) < age_max;
}

void RememberedSessions::Remove(uint64_t session, TimePoint now) {
  if (Has(session, now, std::chrono::hours(24 * 365))) places_[session % kPlaces].store(0);
}

// The session's upper bits, and the time in seconds below.
uint64_t RememberedSessions::Value(uint64_t session, TimePoint now) {
  const auto seconds = static_cast<uint64_t>(ToNanos(now) / 1'000'000'000);
  return (session & ~kSecondsMask) | (seconds & kSecondsMask);
}

}  // namespace clustered_session
