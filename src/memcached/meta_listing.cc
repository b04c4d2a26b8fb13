// A node lists its keys, see meta_listing.h. Layer: memcached.
#include "src/memcached/meta_listing.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "src/cluster/sentinel.h"

namespace clustered_session {
namespace {

constexpr Duration kSilenceMax = std::chrono::seconds(2);     // at least: a node may be at another list first
constexpr Duration kListTimeMax = std::chrono::hours(1);      // of one list
constexpr Duration kWaitMax = std::chrono::milliseconds(50);  // for the kernel, at a time

}  // namespace

MetaListing::MetaListing(const NodeTarget& target, const std::string& host)
    : target_(target), host_(host), connection_(target) {
  Connect(std::chrono::steady_clock::now());
}

void MetaListing::Connect(TimePoint now) {
  const MetaCommand command{MetaCommand::Kind::kLook, kSentinelKey, {}, 0, 0, 0};
  heard_at_ = left_at_ = now;
  asked_ = false;
  connection_.Open({host_}, now, now + std::max<Duration>(target_.timeouts.connect, kSilenceMax));
  connection_.Ask({&command, 1}, now + kListTimeMax);
}

void MetaListing::Ask(TimePoint now) {
  const MetaCommand command{MetaCommand::Kind::kList, by_table_ ? "hash" : "all", {}, 0, 0, 0};
  heard_at_ = now;
  asked_ = true;
  end_ = ListedKey::Line::kKey;
  connection_.Ask({&command, 1}, now + kListTimeMax);
}

// The time between two steps is nobody's silence.
KeyListing::State MetaListing::Step(Duration wait, const Take& take) {
  TimePoint now = std::chrono::steady_clock::now();
  const TimePoint until = now + wait;
  heard_at_ += now - left_at_;
  for (;;) {
    connection_.TakeArrived(now);
    if (Drain(take)) heard_at_ = now;
    if (!connection_.under_way()) {
      const State state = TakeEnd(now);
      if (state != State::kUnderWay) return state;
    }
    if (now >= until) break;
    if (now - heard_at_ > std::max<Duration>(target_.timeouts.operation, kSilenceMax)) return State::kFailed;
    pollfd waits = connection_.Wanted();
    const Duration left = std::min<Duration>(until - now, kWaitMax);
    (void)poll(&waits, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
    now = std::chrono::steady_clock::now();
    connection_.Advance(waits, now);
  }
  left_at_ = now;
  return State::kUnderWay;
}

// Shows the keys that have come. Whether anything has.
bool MetaListing::Drain(const Take& take) {
  const std::string lines = connection_.TakeLines();
  std::string_view rest = lines;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const ListedKey listed = ScanListed(line);
    if (listed.line == ListedKey::Line::kKey) {
      take(listed.key, listed.size);
    } else if (listed.line != ListedKey::Line::kBegin && end_ != ListedKey::Line::kGarbage) {
      end_ = listed.line;
    }
  }
  return !lines.empty();
}

KeyListing::State MetaListing::TakeEnd(TimePoint now) {
  if (connection_.failed()) return State::kFailed;
  if (!asked_) {
    Ask(now);
    return State::kUnderWay;
  }
  switch (end_) {
    case ListedKey::Line::kEnd:
      return State::kWhole;
    case ListedKey::Line::kBusy:
      return State::kBusy;
    case ListedKey::Line::kNotThis:
      if (!by_table_) return State::kNone;
      by_table_ = false;
      Connect(now);
      return State::kUnderWay;
    case ListedKey::Line::kNone:
      return State::kNone;
    case ListedKey::Line::kBegin:
    case ListedKey::Line::kKey:
    case ListedKey::Line::kGarbage:
      break;
  }
  return State::kFailed;
}

}  // namespace clustered_session
