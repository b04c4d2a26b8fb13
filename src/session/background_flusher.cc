// The thread that writes what requests have left behind, see background_flusher.h. Layer: session.
#include "src/session/background_flusher.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "src/base/quote.h"
#include "src/base/session_key.h"
#include "src/session/flush_path.h"
#include "src/session/news.h"
#include "src/session/node_list.h"
#include "src/session/repairer.h"
#include "src/session/room_watch.h"
#include "src/session/worker.h"

namespace clustered_session {
namespace {

constexpr Duration kStepTime = std::chrono::seconds(1);
constexpr Duration kIdle = std::chrono::seconds(5);         // without work, after which the thread ends
constexpr Duration kStandBy = std::chrono::seconds(1);      // while another worker has the seat
constexpr Duration kRetry = std::chrono::milliseconds(50);  // while nodes fail: health lets few of these through
constexpr Duration kMemoryRetry = std::chrono::milliseconds(100);
constexpr Duration kBusyRetry = std::chrono::milliseconds(2);  // while requests have the entries

// A seat that was taken, until the end of a scope.
class SeatHold {
 public:
  explicit SeatHold(FlushSeat* seat) : seat_(seat) {}
  ~SeatHold() { seat_->taken.Unlock(); }
  SeatHold(const SeatHold&) = delete;
  SeatHold& operator=(const SeatHold&) = delete;

 private:
  FlushSeat* seat_;
};

}  // namespace

BackgroundFlusher::BackgroundFlusher(LocalStore* store, const Clock* clock, SessionSettings own, uint64_t log,
                                     bool watches)
    : store_(store),
      clock_(clock),
      own_(std::move(own)),
      credentials_(SharedPoolTable::CredentialsHash(own_)),
      log_(log),
      watches_(watches),
      thread_([this] { ServeWhilePending(); },
              [this] {
                if (FlushSeat* seat = pools().SeatOf(credentials_); seat != nullptr) seat->Wake();
              }) {}

Flusher::ContextOf BackgroundFlusher::MakeContextOf() const {
  // Kept by the function: connections live as long as that.
  auto worker = std::make_shared<Worker>(store_, clock_, log_);
  return [this, worker](uint8_t pool) -> std::shared_ptr<const SessionContext> {
    SessionSettings settings = own_;
    std::string save_path;
    if (!pools().IsOf(pool, credentials_) || !pools().Load(pool, &save_path, &settings)) return nullptr;
    settings.write = WriteMode::kThrough;
    auto context = worker->ContextFor(save_path, settings, pool);
    return context.ok() ? *context : nullptr;
  };
}

bool BackgroundFlusher::AnyOfOurs() const {
  const std::bitset<256> used = store_->PoolsInUse();
  for (size_t number = 1; number < used.size(); ++number) {
    if (used[number] && pools().IsOf(static_cast<uint8_t>(number), credentials_)) return true;
  }
  return false;
}

bool BackgroundFlusher::Watches() const {
  if (!watches_) return false;
  const bool repairs = own_.repair_rate != 0 && shared().repair.AnyWatched();
  const bool reads_news = own_.news_interval > Duration::zero();
  if (!repairs && !reads_news) return false;
  const TimePoint now = clock_->Now();
  const std::vector<uint8_t> numbers = pools().NumbersOf(credentials_);
  return std::any_of(numbers.begin(), numbers.end(), [&](uint8_t number) {
    const uint32_t place = (number - 1u) % SharedPoolTable::kSlots;
    if (repairs && shared().repair.pools[place].watched.load() != RepairView::kNo) return true;
    return reads_news && shared().news.pools[place].Wanted(now);
  });
}

// Null, too, if the seat has been given to other credentials meanwhile: nobody needs this one any more.
FlushSeat* BackgroundFlusher::TakeSeat() {
  FlushSeat* seat = pools().SeatOf(credentials_);
  if (seat == nullptr || !seat->Take()) return nullptr;
  if (seat->credentials.load() == credentials_) return seat;
  seat->taken.Unlock();
  return nullptr;
}

void BackgroundFlusher::Wake() {
  FlushSeat* seat = pools().SeatOf(credentials_);
  if (seat == nullptr) return;
  const bool pending = seat->pending.load() != FlushSeat::kNothing;
  const bool running = thread_.running();
  if (!pending && (running || !Watches())) return;
  if (!running) {
    // A mutex belongs to its thread, so this one only looks whether it is free.
    if (seat->Take()) {
      seat->taken.Unlock();
    } else if (!Watches()) {
      return;
    }
  }
  (void)thread_.Start();  // else the next request tries again
}

void BackgroundFlusher::ServeWhilePending() {
  FlushSeat* seat = pools().SeatOf(credentials_);
  // Again after the seat was given back: who left something behind a moment ago may have seen it taken.
  while (seat != nullptr && !thread_.stopping() && (seat->pending.load() != FlushSeat::kNothing || Watches())) {
    FlushSeat* taken = TakeSeat();
    if (taken == nullptr && !Watches()) return;
    if (taken == nullptr) {
      thread_.Pause(kStandBy);
      seat = pools().SeatOf(credentials_);
      continue;
    }
    const SeatHold hold(seat);
    Serve(seat);
  }
}

// Where memory ends, what was allocated is given back, and the thread tries again: another one would find no more.
void BackgroundFlusher::Serve(FlushSeat* seat) noexcept {
  while (!thread_.stopping()) {
    try {
      ServeUntilIdle(seat);
      return;
    } catch (const std::exception&) {
      seat->pending.store(FlushSeat::kPending);
      WaitOnSeat(seat, kMemoryRetry);
    }
  }
}

// Until nothing has come for a while, or the process ends.
void BackgroundFlusher::ServeUntilIdle(FlushSeat* seat) {
  const Flusher::ContextOf context_of = MakeContextOf();
  Flusher flusher(store_, clock_, context_of);
  Repairer repairer(
      store_, clock_, context_of, [this] { return pools().NumbersOf(credentials_); }, watches_ ? own_.repair_rate : 0);
  NewsReader news(
      store_, clock_, context_of, [this] { return pools().NumbersOf(credentials_); },
      watches_ ? own_.news_interval : Duration::zero());
  RoomWatch rooms(clock_, context_of, [this] { return pools().NumbersOf(credentials_); });
  TimePoint rooms_at = watches_ ? clock_->Now() : TimePoint::max();
  TimePoint idle_until = clock_->Now() + kIdle;
  TimePoint repair_at = clock_->Now();
  while (!thread_.stopping()) {
    const TimePoint news_at = news.Step();
    if (clock_->Now() >= repair_at) {
      repair_at = repairer.Step();
      LogNotices(repairer.TakeNotices());
    }
    if (clock_->Now() >= rooms_at) {
      rooms_at = rooms.Step();
      LogNotices(rooms.TakeNotices());
    }
    if (seat->pending.load() == FlushSeat::kNothing) {
      const TimePoint now = clock_->Now();
      const bool watches = Watches();
      if (now >= idle_until && !watches) return;
      const TimePoint until = std::min({news_at, rooms_at, watches ? repair_at : idle_until});
      if (until > now) seat->Wait(until - now);  // or less: what it was woken for may be done already
      continue;
    }
    seat->pending.store(FlushSeat::kUnderWay);
    const Flusher::Step step = flusher.Run(kFlushedAtOnce, clock_->Now() + kStepTime);
    LogNotices(flusher.TakeNotices());
    CompareNodeLists(context_of);
    const bool left = step.tried() >= kFlushedAtOnce || AnyOfOurs();
    uint32_t still = FlushSeat::kUnderWay;  // else there is something new
    seat->pending.compare_exchange_strong(still, left ? FlushSeat::kPending : FlushSeat::kNothing);
    if (step.written == 0 && left) WaitOnSeat(seat, RetryAfter(step));
    idle_until = clock_->Now() + kIdle;
  }
}

// After a step that brought nothing forward.
Duration BackgroundFlusher::RetryAfter(const Flusher::Step& step) { return step.no_node > 0 ? kRetry : kBusyRetry; }

// For the pools that are due.
void BackgroundFlusher::CompareNodeLists(const Flusher::ContextOf& context_of) {
  for (SetupWatch& watch : shared().watches) {
    uint32_t number = watch.check_pool.load();
    const auto pool = static_cast<uint8_t>(number);
    if (number == 0 || !pools().IsOf(pool, credentials_) || !watch.check_pool.compare_exchange_strong(number, 0)) {
      continue;
    }
    const std::shared_ptr<const SessionContext> context = context_of(pool);
    if (context == nullptr) continue;
    std::string own;
    const std::optional<OtherNodeList> other = clustered_session::CompareNodeLists(*context, &own);
    if (!other) continue;
    const uint64_t hash = Hash128({}, "node list", other->names).Hash64();
    if (watch.told_list.exchange(hash) == hash) continue;  // told already
    shared().events.Add(log_, clock_->Now(),
                        "server " + other->server_id + " has the nodes " + Quote(other->names) +
                            " in session.save_path, and this one has " + Quote(own) +
                            ": all servers need the same [CS-NODE-LISTS]");
  }
}

// For the thread.
void BackgroundFlusher::WaitOnSeat(FlushSeat* seat, Duration wait) {
  const TimePoint until = clock_->Now() + wait;
  while (!thread_.stopping() && clock_->Now() < until) seat->Wait(until - clock_->Now());
}

size_t BackgroundFlusher::FlushAll(TimePoint deadline) {
  if (store_->UnreplicatedCount() == 0) return 0;
  FlushSeat* seat = TakeSeat();
  if (seat == nullptr) return 0;
  const SeatHold hold(seat);
  seat->pending.store(FlushSeat::kPending);  // until it is known better, also if memory ends
  Flusher flusher(store_, clock_, MakeContextOf());
  bool left = AnyOfOurs();
  while (left && clock_->Now() < deadline) {
    const Flusher::Step step = flusher.Run(kFlushedAtOnce, deadline);
    LogNotices(flusher.TakeNotices());
    left = step.tried() >= kFlushedAtOnce || AnyOfOurs();
    if (step.written == 0 && left) clock_->Pause(RetryAfter(step));
  }
  if (!left) seat->pending.store(FlushSeat::kNothing);
  return store_->UnreplicatedCount();
}

void BackgroundFlusher::LogNotices(const std::vector<Notice>& notices) {
  for (const Notice& notice : notices) {
    shared().events.Add(log_, notice.at == TimePoint() ? clock_->Now() : notice.at, notice.text);
  }
}

}  // namespace clustered_session
