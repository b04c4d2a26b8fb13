// What requests show of the setup, see setup_watch.h. Layer: session.
#include "src/session/setup_watch.h"

#include <string>

#include "src/session/loaded_session.h"
#include "src/session/open_scope.h"
#include "src/session/shared_state.h"

namespace clustered_session {
namespace {

std::string TextOf(SetupMistake mistake, const SessionSettings& settings) {
  switch (mistake) {
    case SetupMistake::kNone:
      break;
    case SetupMistake::kRouting:
      return std::to_string(SetupWatch::kTakeovers) +
             " sessions in a row were taken over from other servers: the balancer does not send a session to the "
             "server that served it last [CS-ROUTING]";
    case SetupMistake::kNamesake:
      return "another server has the server_id " + settings.server_id +
             ", too: give each server a clustered_session.server_id of its own [CS-SERVER-ID]";
    case SetupMistake::kNothingFound:
      return std::to_string(SetupWatch::kUnknown) +
             " sessions in a row of other servers were found on no node: check that session.save_path and "
             "clustered_session.prefix are the same on all servers [CS-NOT-FOUND]";
  }
  return {};
}

}  // namespace

SetupMistake SetupWatch::Tell(SetupMistake mistake) {
  const auto bit = static_cast<uint32_t>(mistake);
  if ((told.load(std::memory_order_relaxed) & bit) != 0) return SetupMistake::kNone;
  return (told.fetch_or(bit) & bit) == 0 ? mistake : SetupMistake::kNone;
}

SetupMistake SetupWatch::NoteLoad(const LoadSign& sign, TimePoint now) {
  if (sign.taken_over) {
    if (unknown.load(std::memory_order_relaxed) != 0) unknown.store(0, std::memory_order_relaxed);
    if (sign.of_namesake && namesakes.fetch_add(1) + 1 >= kNamesakes) return Tell(SetupMistake::kNamesake);
    const uint32_t row = takeovers.fetch_add(1) + 1;
    if (row == 1) takeovers_at_ns.store(ToNanos(now), std::memory_order_relaxed);
    const bool over_time = now - FromNanos(takeovers_at_ns.load(std::memory_order_relaxed)) >= kTakeoversTime;
    if (row >= kTakeovers && over_time) return Tell(SetupMistake::kRouting);
    return SetupMistake::kNone;
  }
  if (sign.exists) {
    // The usual case writes nothing.
    if (sign.had_copy && takeovers.load(std::memory_order_relaxed) != 0) takeovers.store(0, std::memory_order_relaxed);
    return SetupMistake::kNone;
  }
  if (sign.gone) gone_ids.fetch_add(1, std::memory_order_relaxed);
  if (sign.of_other && unknown.fetch_add(1) + 1 >= kUnknown) return Tell(SetupMistake::kNothingFound);
  return SetupMistake::kNone;
}

bool SetupWatch::CheckDue(TimePoint now) {
  int64_t at_ns = check_at_ns.load(std::memory_order_relaxed);
  if (at_ns != 0 && ToNanos(now) < at_ns) return false;
  const Duration next = at_ns == 0 ? kFirstCheck : kCheckInterval;
  return check_at_ns.compare_exchange_strong(at_ns, ToNanos(now + next)) && next == kCheckInterval;
}

void SetupWatch::Clear() {
  takeovers.store(0);
  namesakes.store(0);
  unknown.store(0);
  told.store(0);
  check_at_ns.store(0);
  told_list.store(0);
  check_pool.store(0);
  gone_ids.store(0);
}

namespace {

// Made by a server of this pool, as far as an ID tells: signed, or with the code of a node.
bool OfOurMaking(const SessionContext& context, const SessionAddress& address) {
  if (context.codec.keys != nullptr && context.settings.signed_ids != SignedIds::kOff) {
    return IsSigned(*context.codec.keys, address.id());
  }
  return !address.home().empty();
}

}  // namespace

void WatchSetup(OpenScope* open, const LoadedSession& loaded) {
  const SessionContext& context = open->context;
  if (open->SingleServer() || context.shared == nullptr || open->created.Has(loaded.address().id())) return;
  SetupWatch* watch = context.shared->WatchOf(context.pool, context.pool_hash);
  if (watch == nullptr) return;
  const std::optional<AffinityCookie>& claim = open->claim;
  const bool ours = claim && claim->server_id == context.settings.server_id;
  LoadSign sign;
  sign.had_copy = loaded.had_entry;
  sign.taken_over = loaded.taken_over;
  sign.exists = loaded.version() != 0;
  sign.of_other = claim && !ours;
  sign.of_namesake = ours && loaded.had_entry && loaded.taken_over && claim->epoch == loaded.taken_epoch;
  sign.gone =
      !sign.exists && !loaded.had_entry && !loaded.Is(kEntryTombstone) && OfOurMaking(context, loaded.address());
  if (sign.gone) context.store->counters().gone_ids.Add();
  const SetupMistake mistake = watch->NoteLoad(sign, context.clock->Now());
  if (mistake != SetupMistake::kNone) open->notices.push_back({false, TextOf(mistake, context.settings)});
}

}  // namespace clustered_session
