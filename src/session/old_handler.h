// OldHandler: what a server's workers know together of the save handler that sessions migrate from or to. Layer:
// session. Lock-free in shared memory, zeroed = never asked; any thread of any worker.
//
// It is another extension's code with timeouts of its own, which may be half a minute. So it is judged as a node is:
// after a failure it is left alone for an interval, then one worker tries it. Calls that hang count as failures before
// they end. IDs that it does not know are remembered for a while, so that who repeats one costs it nothing.
#ifndef CLUSTERED_SESSION_SESSION_OLD_HANDLER_H_
#define CLUSTERED_SESSION_SESSION_OLD_HANDLER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/clock.h"
#include "src/base/session_key.h"
#include "src/session/untold_ends.h"

namespace clustered_session {

// The value of clustered_session.migrate_from or migrate_to: "<handler>:<its save_path>".
struct OldHandlerAddress {
  std::string handler;  // as in session.save_handler; empty: none
  std::string save_path;

  bool empty() const { return handler.empty(); }
  friend bool operator==(const OldHandlerAddress&, const OldHandlerAddress&) = default;
};

// Null and *address, or what is wrong with the text.
const char* ParseOldHandler(std::string_view text, OldHandlerAddress* address);

// What the old handler's own warning may add to one of ours: one line of bounded length without the session's ID; empty
// if it may have a password.
std::string ReasonToTell(std::string_view warning, std::string_view session_id);

enum class OldHandlerDecision : uint8_t {
  kAsk,
  kLeaveAlone,  // it fails, and may work again soon: what it has is not known
  kGone,        // it has failed for so long that nobody waits for it
};

class OldHandlerHealth {
 public:
  static constexpr int kCalls = 4;  // that may hang at once before the others leave it alone
  static constexpr Duration kHangs = std::chrono::milliseconds(500);
  static constexpr Duration kCallMax = std::chrono::minutes(2);       // a worker that began one before has died in it
  static constexpr Duration kExpectedBack = std::chrono::minutes(1);  // as a node, see cluster/health.h

  // Whether to call it now; of those who ask while it fails, one per `interval` may. *begins: as NoteFailure().
  OldHandlerDecision Decide(TimePoint now, Duration interval, bool* begins);

  // Around each call. The call's place; -1 = none is free.
  int Begin(TimePoint now);
  void End(int call);

  // True if it failed until now, for one caller only: log it then.
  bool NoteAnswer() {
    locked_.store(0, std::memory_order_relaxed);
    return Fails() && failed_since_ns_.exchange(0, std::memory_order_relaxed) != 0;
  }
  // A session's lock was not to be had, which is that session's matter. But some handlers say so as well where nothing
  // answers: two sessions in a row, with no answer in between, are a failure. As NoteFailure().
  bool NoteLocked(uint64_t session, TimePoint now);
  // True if it worked until now, for one caller only: log it then.
  bool NoteFailure(TimePoint now);
  bool Fails() const { return failed_since_ns_.load(std::memory_order_relaxed) != 0; }

 private:
  bool Hangs(TimePoint now) const;

  std::atomic<int64_t> failed_since_ns_;  // 0 = it works
  std::atomic<int64_t> tried_at_ns_;
  std::atomic<uint64_t> locked_;           // the session of the last NoteLocked(); 0: it has answered since
  std::atomic<int64_t> calls_ns_[kCalls];  // when those began that are under way; 0 = free
};

// Some sessions, by a hash, for some time. One takes the place of another: it forgets, and never makes up one.
class RememberedSessions {
 public:
  static constexpr size_t kPlaces = 8192;

  void Add(uint64_t session, TimePoint now) { places_[session % kPlaces].store(Value(session, now)); }
  void Remove(uint64_t session, TimePoint now);
  // Whether it was added less than `age_max` ago. REQUIRES: age_max is under 12 days.
  bool Has(uint64_t session, TimePoint now, Duration age_max) const;

 private:
  static constexpr uint64_t kSecondsMask = (uint64_t{1} << 20) - 1;  // of 12 days
  static uint64_t Value(uint64_t session, TimePoint now);

  std::atomic<uint64_t> places_[kPlaces];
};

// What is known of one old handler with its save_path.
struct OldHandlerView {
  std::atomic<uint64_t> key;  // of its address, and of who asks it; 0 = free
  OldHandlerHealth health;
  std::atomic<int64_t> began_at_ns;          // when the server first asked it
  std::atomic<int64_t> last_migrated_at_ns;  // 0 = no session came from it
  std::atomic<uint32_t> unmirrored;          // writes and ends that did not reach it since it began to fail
};

struct SharedMigration {
  static constexpr size_t kViews = 8;  // more share the last one
  static constexpr Duration kMissRemembered = std::chrono::minutes(1);
  static constexpr Duration kUnmirroredRemembered = std::chrono::hours(24);

  // Pools with another `prefix` may have other settings of it: another password, another prefix there.
  OldHandlerView* ViewOf(const OldHandlerAddress& address, std::string_view prefix, TimePoint now);

  OldHandlerView views[kViews];
  RememberedSessions misses;      // which the old handler did not have
  RememberedSessions unmirrored;  // whose last write did not reach it
  UntoldEnds untold;              // by the keys of views
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_SESSION_OLD_HANDLER_H_
